"""How rewards run: limits that hold, one result whatever the parallelism, a memory on disk."""

import asyncio
import ctypes
import multiprocessing
import time
from pathlib import Path
from typing import Any

import pytest
import torch
from completions import START, rollouts_of, task

from guerdon.records import Rollouts
from guerdon.rewards import Cached, FunctionReward, GroupZAverage, LengthReward, reward

CALLS: list[str] = []


def graded(completion: str) -> Any:
    number = int(completion)
    if number % 7 == 0:
        raise ValueError("seven")
    return None if number % 11 == 0 else {"a": number / 3, "b": 1}


async def graded_later(completion: str) -> Any:
    await asyncio.sleep(0.001 * (int(completion) % 3))
    return graded(completion)


def stuck(completion: str) -> float:
    if completion == "stuck":
        ctypes.PyDLL(None).sleep(60)  # native code that keeps the interpreter's lock
    return 1.0


async def waits(completion: str) -> float:
    if completion == "stuck":
        await asyncio.sleep(60)
    if completion == "late":
        raise TimeoutError("its own")
    return 1.0


async def computes(completion: str) -> float:
    if completion == "stuck":
        time.sleep(60)
    return await waits(completion)


def counted(completion: str, answer: str) -> Any:
    CALLS.append(completion)
    return None if completion == "bad" else {"length": len(completion), "one": 1}


def numbers(count: int = 60) -> Rollouts:
    return rollouts_of([str(i) for i in range(count)], task())


@pytest.mark.parametrize(
    ("function", "settings"),
    [
        (graded, {"parallel": "thread", "workers": 3}),
        (graded, {"parallel": "process", "workers": 1}),
        (graded, {"timeout": 20.0, "workers": 3}),
        (graded_later, {}),
        (graded_later, {"workers": 2, "timeout": 20.0}),
        (graded_later, {"parallel": "process", "workers": 2}),
    ],
)
def test_scores_do_not_depend_on_the_parallelism(function: Any, settings: Any) -> None:
    one = FunctionReward(graded, parallel="none")(numbers(), START)
    other = FunctionReward(function, **settings)(numbers(), START)
    assert torch.equal(one.value.nan_to_num(-1), other.value.nan_to_num(-1))
    assert one.reasons == other.reasons
    assert list(one.parts) == list(other.parts)
    assert (~one.valid).sum() == 9 + 6 - 1


def test_stuck_native_calls_cost_their_limit_and_not_the_batch() -> None:
    # At full size: benchmarks/grading.py, 256 rows and a limit of 2 s.
    texts = ["stuck" if row in (0, 20, 63) else "go" for row in range(64)]
    part = FunctionReward(stuck, timeout=0.5)
    part(rollouts_of(["go"], task()), START)  # starts a worker
    start = time.monotonic()
    scores = part(rollouts_of(texts, task()), START)
    assert time.monotonic() - start < 3
    assert (~scores.valid).nonzero().flatten().tolist() == [0, 20, 63]
    assert scores.reasons[20] == "no result within 0.5 s"


def test_an_awaiting_call_is_cancelled_at_its_limit() -> None:
    part = reward(timeout=0.3)(waits)
    assert part.parallel == "async"
    texts = ["stuck" if row % 20 == 0 else "go" for row in range(59)] + ["late"]
    start = time.monotonic()
    scores = part(rollouts_of(texts, task()), START)
    assert time.monotonic() - start < 3
    assert (~scores.valid).nonzero().flatten().tolist() == [0, 20, 40, 59]
    assert scores.reasons[0] == "no result within 0.3 s"
    assert scores.reasons[59] == "TimeoutError: its own"


def test_the_turn_that_a_call_waits_for_does_not_count() -> None:
    part = FunctionReward(graded_later, workers=1, timeout=0.5)
    assert part(rollouts_of(["1", "2"] * 150, task()), START).valid.all()


def test_an_async_function_that_blocks_is_stopped_in_a_process() -> None:
    part = FunctionReward(computes, parallel="process", timeout=0.5)
    scores = part(rollouts_of(["go", "stuck", "go"], task()), START)
    assert scores.valid.tolist() == [True, False, True]


def test_async_runs_where_a_loop_runs_already() -> None:
    async def inside() -> list[bool]:
        return FunctionReward(waits)(rollouts_of(["a", "b"], task()), START).valid.tolist()

    assert asyncio.run(inside()) == [True, True]
    assert len(FunctionReward(waits)(rollouts_of([], task()), START)) == 0


def test_async_needs_an_async_function() -> None:
    with pytest.raises(ValueError, match="async def"):
        FunctionReward(stuck, parallel="async")


def test_a_row_seen_before_is_not_judged_again(tmp_path: Path) -> None:
    CALLS.clear()
    part = Cached(FunctionReward(counted), str(tmp_path / "memory"))
    rollouts = rollouts_of(["aa", "b", "aa", "bad"], task("x"))
    first = part(rollouts, START)
    assert CALLS == ["aa", "b", "bad"]  # equal rows once
    assert first.value[:3].tolist() == [3, 2, 3]
    assert first.parts["length"][:3].tolist() == [2, 1, 2]
    assert first.valid.tolist() == [True, True, True, False]
    again = part(rollouts.select(torch.tensor([3, 1, 0])), START)
    assert CALLS == ["aa", "b", "bad", "bad"]  # an invalid row is tried again
    assert again.value[1:].tolist() == [2, 3]
    assert again.reasons[0] == first.reasons[3]
    assert len(part(rollouts_of([], task("x")), START)) == 0


def test_what_else_matters_is_in_the_key(tmp_path: Path) -> None:
    CALLS.clear()
    folder = str(tmp_path)
    part = Cached(FunctionReward(counted), folder)
    row = rollouts_of(["aa"], task("x"))
    part(row, START)
    part(rollouts_of(["aa"], task("y")), START)  # another answer
    part(rollouts_of(["aa"], task("x", k=1)), START)  # another column
    part(rollouts_of(["aa"], task("x"), mask=torch.ones(1, 2).bool()), START)  # another length
    Cached(FunctionReward(counted), folder, version="2")(row, START)
    Cached(FunctionReward(counted, range=(0, 9)), folder)(row, START)  # another setting
    assert len(CALLS) == 6
    part(row, START)
    part(rollouts_of(["aa"], task("x", "another id")), START)
    assert len(CALLS) == 6


def test_a_changed_function_is_judged_anew(tmp_path: Path) -> None:
    from guerdon.parts import locate

    values = []
    for version in (1, 2):
        file = tmp_path / str(version) / "mine.py"
        file.parent.mkdir()
        file.write_text(f"def grade(completion):\n    return {version}\n")
        part = Cached(FunctionReward(locate(f"{file}:grade")), str(tmp_path / "memory"))
        values.append(part(rollouts_of(["a"], task()), START).value.item())
    assert values == [1, 2]


def test_processes_share_a_memory(tmp_path: Path) -> None:
    fork = multiprocessing.get_context("fork")
    workers = [fork.Process(target=_judge_many, args=(str(tmp_path),)) for _ in range(3)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(60)
    assert [worker.exitcode for worker in workers] == [0, 0, 0]
    CALLS.clear()
    _judge_many(str(tmp_path))
    assert CALLS == []


def _judge_many(folder: str) -> None:
    part = Cached(FunctionReward(counted), folder)
    for batch in range(10):
        rows = [f"{batch}-{i}" for i in range(20)]
        assert part(rollouts_of(rows, task("x")), START).valid.all()


def test_group_scores_are_not_kept(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="scope 'group'"):
        Cached(GroupZAverage({"l": LengthReward()}), str(tmp_path))
