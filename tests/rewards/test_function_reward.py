"""Plain functions as rewards: what they are passed, what they may return, what stops them."""

import copy
import ctypes
import multiprocessing
import os
import pickle
import signal
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from inspect import Parameter, Signature
from pathlib import Path
from typing import Any

import pytest
import torch
from completions import START, rollouts_of, task

from guerdon.parts import describe, locate, rebuild
from guerdon.records import Progress, Task
from guerdon.rewards import FunctionReward, reward
from guerdon.rewards.running.workers import Failed, WorkerPool


@reward
def length(completion: str) -> int:
    return len(completion)


@reward(range=(0, 1), timeout=1.0)
def sleeps_if_told(completion: str) -> float:
    if completion == "sleep":
        time.sleep(60)
    return 1.0


@reward(timeout=1.0, workers=2)
def stuck_in_native_code(completion: str) -> float:
    if completion == "stuck":
        # Through PyDLL the call keeps the interpreter's lock: no thread could stop it.
        ctypes.PyDLL(None).sleep(60)
    if completion == "dies":
        os.kill(os.getpid(), signal.SIGKILL)
    return float(len(completion))


def scores_of(part: FunctionReward, *texts: str, **columns: Any) -> Any:
    return part(rollouts_of(texts, task("gold", "id-1", **columns)), Progress(3, 12))


def test_bare_decorator_and_the_plain_function() -> None:
    scores = scores_of(length, "ab", "")
    assert scores.value.tolist() == [2, 0]
    assert length.function("abc") == 3
    assert length.range is None


def test_only_named_parameters_are_passed() -> None:
    seen: list[dict[str, Any]] = []

    def asks(completion, answer, prompt, task_id, step, progress, extra, missing=5, **rest):  # type: ignore[no-untyped-def]
        seen.append({k: v for k, v in locals().items() if k != "seen"})
        return 1

    scores_of(FunctionReward(asks), "text", extra="e", other="o", task_id="id-1")
    assert seen == [
        {
            "completion": "text",
            "answer": "gold",
            "prompt": "a question",
            "task_id": "id-1",
            "step": 3,
            "progress": 0.25,
            "extra": "e",
            "missing": 5,
            "rest": {"other": "o"},
        }
    ]


def asking(name: str, called: list[Any]) -> Any:
    """A function of a completion and one more, by that name."""
    parameters = [Parameter(n, Parameter.KEYWORD_ONLY) for n in ("completion", name)]

    def asks(**given: Any) -> float:
        called.append(given)
        return 1.0

    asks.__signature__ = Signature(parameters)  # type: ignore[attr-defined]
    return asks


@pytest.mark.parametrize("name", ["step", "progress", "prompt", "answer", "task_id"])
def test_a_column_behind_what_every_reward_is_given_is_an_error(name: str) -> None:
    called: list[Any] = []
    part = FunctionReward(asking(name, called))
    told = f"asks for '{name}', which every reward is given, and task 'id-1' has a column"
    shadowed = Task("id-1", "a question", "gold", {name: "of the data"})
    with pytest.raises(ValueError, match=told):
        part(rollouts_of(("x",), shadowed), Progress(3, 12))
    with pytest.raises(ValueError, match=told):
        part.check_tasks([shadowed])
    assert not called


def test_a_column_that_nobody_asks_for_is_no_error_and_is_not_lost() -> None:
    def takes_all(completion: str, **columns: Any) -> float:
        return float(columns == {"step": 7, "task_id": "HumanEval/1"})

    columns = {"step": 7, "task_id": "HumanEval/1", "completion": "a reference"}
    assert scores_of(FunctionReward(takes_all), "x", **columns).value.tolist() == [1.0]
    assert scores_of(length, "ab", step=7, completion="longer").value.tolist() == [2.0]


def test_no_parts_are_no_score() -> None:
    scores = scores_of(FunctionReward(lambda completion: {}), "x")
    assert scores.valid.tolist() == [False]
    assert scores.reasons == ("the reward returned {}: no score and no parts",)
    assert scores.errors[0]


def test_a_missing_column_is_named() -> None:
    @reward
    def wants(completion: str, schema: str) -> float:
        return 1

    with pytest.raises(ValueError, match=r"'wants' asks for 'schema', but task 'id-1'.*choices"):
        scores_of(wants, "x", choices="ab")


@pytest.mark.parametrize(
    ("returned", "value", "parts"),
    [
        (1, 1, {}),
        (True, 1, {}),
        (torch.tensor(0.5), 0.5, {}),
        ({"a": 1, "b": 0.5}, 1.5, {"a": 1, "b": 0.5}),
        ({"score": 2, "a": 1}, 2, {"a": 1}),
    ],
)
def test_what_a_function_may_return(returned: Any, value: float, parts: Any) -> None:
    scores = scores_of(FunctionReward(lambda: returned), "x")
    assert scores.value.tolist() == [value]
    assert {name: part.item() for name, part in scores.parts.items()} == parts


@pytest.mark.parametrize(
    ("returned", "reason"),
    [
        (None, "returned None"),
        ("high", "returned 'high', not a number"),
        ({"a": None}, "not a number"),
        (float("nan"), "not finite"),
        (10**400, "not a number"),
        (3.0, "outside its range 0..1"),
        (-0.1, "outside its range"),
    ],
)
def test_what_makes_a_row_invalid(returned: Any, reason: str) -> None:
    limits = (0.0, 1.0) if returned in (3.0, -0.1) else None
    scores = scores_of(FunctionReward(lambda: returned, range=limits), "x")
    assert scores.valid.tolist() == [False]
    assert reason in scores.reasons[0]


@pytest.mark.parametrize("parallel", ["none", "thread", "process"])
def test_exceptions_make_their_row_invalid_and_order_stays(parallel: str) -> None:
    def f(completion: str) -> Any:
        if completion == "3":
            raise KeyError("three")
        if completion == "4":
            sys.exit(1)
        return {"n": int(completion)} if completion != "5" else {"m": 5}

    scores = scores_of(FunctionReward(f, parallel=parallel), *map(str, range(40)))
    assert scores.valid.sum() == 38
    assert scores.reasons[3] == "KeyError: 'three'"
    assert scores.reasons[4] == "SystemExit: 1"
    rest = [i for i in range(40) if i not in (3, 4)]
    assert scores.value[rest].tolist() == rest
    # A part that a row lacks is a term of 0.
    assert scores.parts["n"][5] == 0
    assert scores.parts["m"].nansum() == 5


def test_three_sleepers_among_64_cost_their_limit_and_not_the_batch() -> None:
    texts = ["sleep" if i in (5, 6, 40) else "go" for i in range(64)]
    start = time.monotonic()
    scores = scores_of(sleeps_if_told, *texts)
    assert time.monotonic() - start < 4
    assert (~scores.valid).nonzero().flatten().tolist() == [5, 6, 40]
    assert "no result within 1 s" in scores.reasons[5]
    # The pool goes on with fresh workers.
    assert scores_of(sleeps_if_told, "go", "go").valid.all()


def test_native_code_that_never_returns_and_crashes_are_survived() -> None:
    start = time.monotonic()
    scores = scores_of(stuck_in_native_code, "stuck", "a", "dies", "bc", "dies")
    assert time.monotonic() - start < 4
    assert scores.valid.tolist() == [False, True, False, True, False]
    assert scores.value[[1, 3]].tolist() == [1, 2]
    assert "exit code -9" in scores.reasons[2]


def test_a_worker_that_dies_between_batches_is_replaced() -> None:
    pool = WorkerPool(os.getpid, 5.0, workers=2)
    first = set(pool.map([{}] * 8))
    for pid in first:
        os.kill(pid, signal.SIGKILL)
    time.sleep(0.1)
    second = pool.map([{}] * 8)
    assert not any(isinstance(result, Failed) for result in second)
    assert not first & set(second)


def test_workers_end_with_their_pool_and_with_what_they_started(tmp_path: Path) -> None:
    pool = WorkerPool(_start_sleeper, 5.0, workers=1)
    (pid,) = pool.map([{}])
    assert _alive(pid)
    pool.close()
    deadline = time.monotonic() + 5
    while _alive(pid) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not _alive(pid)


def _after_a_moment(number: int) -> int:
    time.sleep(0.002)
    return number


def test_two_threads_get_their_own_results() -> None:
    pool = WorkerPool(_after_a_moment, 5.0, workers=2)
    batches = [range(start, start + 40) for start in range(0, 400, 100)]
    with ThreadPoolExecutor(len(batches)) as threads:
        found = threads.map(lambda batch: pool.map([{"number": n} for n in batch]), batches)
        assert list(found) == [list(batch) for batch in batches]


def test_a_process_forked_while_the_pool_is_at_work_has_workers_of_its_own() -> None:
    pool = WorkerPool(_after_a_moment, 5.0, workers=1)
    pool.map([{"number": 0}])
    fork = multiprocessing.get_context("fork")
    ours, theirs = fork.Pipe()
    child = fork.Process(target=lambda: theirs.send(pool.map([{"number": 1}])))
    with ThreadPoolExecutor(1) as thread:
        busy = thread.submit(pool.map, [{"number": n} for n in range(300)])
        time.sleep(0.1)
        child.start()
        assert ours.poll(20)
        assert ours.recv() == [1]
        child.join(5)
        assert busy.result() == list(range(300))


def test_workers_do_not_outlive_a_killed_owner() -> None:
    fork = multiprocessing.get_context("fork")
    ours, theirs = fork.Pipe()
    owner = fork.Process(target=_own_a_pool, args=(theirs,))
    owner.start()
    workers = ours.recv()
    assert len(workers) == 2
    os.kill(owner.pid or 0, signal.SIGKILL)
    owner.join(5)
    deadline = time.monotonic() + 5
    while any(map(_alive, workers)) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not any(map(_alive, workers))


def _own_a_pool(pipe: Any) -> None:
    pids: set[int] = set()
    pool = WorkerPool(_pid_after_a_moment, 5.0, workers=2)
    while len(pids) < 2:
        pids |= set(pool.map([{}] * 4))
    pipe.send(pids)
    time.sleep(60)


def _pid_after_a_moment() -> int:
    time.sleep(0.02)
    return os.getpid()


def _start_sleeper() -> int:
    import subprocess

    return subprocess.Popen(["sleep", "60"]).pid


def _alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state != "Z"


def test_what_can_not_travel_makes_its_row_invalid() -> None:
    gives_lock = FunctionReward(lambda: threading.Lock(), parallel="process")
    assert "can't be sent back" in scores_of(gives_lock, "x").reasons[0]
    takes_lock = FunctionReward(lambda lock: lock is None, parallel="process")
    reason = scores_of(takes_lock, "x", lock=threading.Lock()).reasons[0]
    assert "can't be sent to a worker" in reason


def test_settings_that_can_not_hold_are_refused() -> None:
    with pytest.raises(ValueError, match="use parallel='process'"):
        reward(timeout=1.0, parallel="thread")(len)
    with pytest.raises(ValueError, match="none, thread, process"):
        reward(parallel="fast")(len)
    with pytest.raises(ValueError, match="above 0"):
        reward(timeout=0)(len)


def test_a_decorated_function_survives_a_recipe_file_and_pickling() -> None:
    for part in (length, sleeps_if_told):
        assert rebuild(describe(part)) == part
        assert pickle.loads(pickle.dumps(part)) == part
        assert copy.deepcopy(part) == part
    assert describe(length)["function"] == {"function": "test_function_reward:length"}
    assert locate("test_function_reward:length") is length
    assert rebuild(describe(sleeps_if_told)) != length


def test_a_decorated_function_in_a_user_s_file(tmp_path: Path) -> None:
    file = tmp_path / "mine.py"
    file.write_text(
        "from guerdon.rewards import reward\n"
        "@reward(range=(0, 9))\n"
        "def short(completion):\n"
        "    return 9 - len(completion)\n"
    )
    part = locate(f"{file}:short")
    assert rebuild(describe(part)) == part
    assert part(rollouts_of(["abc"], task()), START).value.tolist() == [6]


def test_a_call_that_does_not_end_is_told_about(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("guerdon.rewards.running.function.SLOW_SECONDS", 0.2)

    def slow(completion: str) -> float:
        deadline = time.monotonic() + 10
        while completion == "slow" and not caplog.records and time.monotonic() < deadline:
            time.sleep(0.02)
        return 1.0

    scores = scores_of(FunctionReward(slow), "quick", "slow", "quick")
    assert scores.valid.all()
    (record,) = caplog.records
    assert "'slow' has been judging row 2" in record.getMessage()
    assert "timeout" in record.getMessage()
    caplog.clear()
    scores_of(FunctionReward(slow), "quick", "quick")
    assert not caplog.records


def test_an_object_that_is_called_is_named_by_its_class() -> None:
    class Judge:
        def __call__(self, response: str) -> float:
            return 1.0

    with pytest.raises(ValueError, match=r"'Judge' asks for 'response'.*another trainer"):
        scores_of(FunctionReward(Judge()), "x")
