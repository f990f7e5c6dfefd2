"""AnswerMatch: where the answer is read, what counts as equal, what is invalid."""

import time

import pytest
from completions import START, rollouts_of, task
from hypothesis import given
from hypothesis import strategies as st

from guerdon.parts import build, describe
from guerdon.rewards import (
    AfterThinking,
    Alone,
    AnswerMatch,
    Boxed,
    Hash,
    LastNumber,
    Stated,
    Tagged,
    WholeText,
)
from guerdon.rewards.running.memory_limit import memory_can_be_limited
from guerdon.rewards.running.workers import Failed, WorkerPool


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("<answer> 7 </answer> or \\boxed{8}", "7"),
        ("<answer>1</answer><answer>2</answer>", "2"),
        ("<answer>so \\boxed{3}</answer>", "3"),
        ("\\boxed{4} then 5", "4"),
        ("it is 6.", "6"),
        ("<answer></answer> 7", ""),
        ("<answer>9", "9"),
        ("no idea", "no idea"),
        ("no\nidea", None),
        ("#### 5\nchecked in 2 ways", "5"),
        ("The answer is 5. I checked it in 2 ways.", "5"),
        ("<think>\\boxed{4}</think> none here,\nnor here", None),
        ("<think>\\boxed{4}", None),
    ],
)
def test_order_of_reading(text: str, answer: str | None) -> None:
    assert AnswerMatch().read(text) == answer


@pytest.mark.parametrize(
    ("answer", "gold", "value"),
    [
        ("7", 7, 1),
        ("7.0", "7", 1),
        ("1,000", "1000", 1),
        ("0.5", "1/2", 1),
        ("0.1", 0.1, 1),
        ("\\frac{1}{2}", "0.5", 1),
        ("50%", "0.5", 1),
        ("7", "8", 0),
        ("Paris", "Paris", 1),
        ("New  York", "New York", 1),
        ("paris", "Paris", 1),
        ("ab", "AB", 0),
        ("B", ["A", "B"], 1),
        ("C", ["A", "B"], 0),
        ("3+4", "7", 0),  # echoing the question is no answer
        ("", "7", 0),
    ],
)
def test_equality_without_symbols(answer: str, gold: object, value: float) -> None:
    scores = AnswerMatch(symbolic_seconds=0)(
        rollouts_of([f"<answer>{answer}</answer>"], task(gold)), START
    )
    assert scores.value.tolist() == [value]
    assert scores.parts["accuracy"].tolist() == [value]


@given(st.fractions(), st.integers(1, 99))
def test_a_fraction_equals_itself_expanded_and_not_its_neighbour(x: object, k: int) -> None:
    a, b = x.numerator, x.denominator  # type: ignore[attr-defined]
    texts = [f"<answer>{a * k}/{b * k}</answer>", f"<answer>{a * k + 1}/{b * k}</answer>"]
    scores = AnswerMatch()(rollouts_of(texts, task(f"{a}/{b}")), START)
    assert scores.value.tolist() == [1, 0]


def test_symbolic_equality_between_expressions_only() -> None:
    texts = ["\\boxed{1+x^2}", "\\boxed{x^2+2}", "\\boxed{x^2+1}", "\\boxed{hello}"]
    match = AnswerMatch(symbolic_seconds=20)
    assert match(rollouts_of(texts, task("x^2+1")), START).value.tolist() == [1, 0, 1, 0]
    # A list accepts any member; the number in it is compared as a number.
    assert match(rollouts_of(texts[:2], task(["5", "x^2+1"])), START).value.tolist() == [1, 0]
    assert match(rollouts_of(["\\boxed{3+4}"], task("7")), START).value.tolist() == [0]


@pytest.mark.parametrize(
    ("answer", "gold"),
    [
        ("A", "B"),
        ("2018", "2024-05-01"),
        ("2*t", "SELECT * FROM t"),
        ('{"a": 2}', '{"a": 1+1}'),
        ("3+4", "7"),
        ("x" * 400, "x^2"),
    ],
)
def test_what_is_no_mathematics_is_never_solved(
    answer: str, gold: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from guerdon.rewards.answers import symbolic

    def refuse(pairs: object, seconds: float) -> None:
        raise AssertionError(f"compared {pairs}")

    monkeypatch.setattr(symbolic, "compare", refuse)
    scores = AnswerMatch()(rollouts_of([f"<answer>{answer}</answer>"], task(gold)), START)
    assert scores.value.tolist() == [0]


TOWER = "9^{9^{9^{9^{9}}}}+\\int x dx"


def test_an_answer_that_is_made_expensive_is_wrong_and_an_expensive_reference_is_invalid() -> None:
    match = AnswerMatch(symbolic_seconds=1.0)
    cheap = match(rollouts_of([rf"\boxed{{{TOWER}}}", r"\boxed{1+x^2}"], task("x^2+1")), START)
    assert cheap.valid.tolist() == [True, True]
    assert cheap.value.tolist() == [0, 1]
    dear = match(rollouts_of([r"\boxed{1+x^2}"], task(TOWER)), START)
    assert dear.valid.tolist() == [False]
    assert "no result within 1 s of processor time" in (dear.reasons[0] or "")


def _slept(seconds: float) -> float:
    time.sleep(seconds)
    return seconds


def _burnt(seconds: float) -> float:
    begun = time.process_time()
    while time.process_time() - begun < seconds:
        pass
    return seconds


def test_waiting_for_a_busy_machine_is_no_processor_time() -> None:
    """A call that sleeps is one that others keep from running: the kernel counts neither."""
    slow = WorkerPool(_slept, 60.0, workers=1, cpu_seconds=0.3)
    assert slow.map([{"seconds": 1.0}]) == [1.0]
    busy = WorkerPool(_burnt, 60.0, workers=1, cpu_seconds=0.3)
    early, late, after = busy.map([{"seconds": 0.05}, {"seconds": 30.0}, {"seconds": 0.05}])
    assert (early, after) == (0.05, 0.05)
    assert late == Failed("no result within 0.3 s of processor time")


def _prepared() -> None:
    _burnt(0.6)


def test_what_a_process_builds_at_first_use_is_no_call_s_time() -> None:
    pool = WorkerPool(_burnt, 60.0, workers=1, cpu_seconds=0.3, prepare=_prepared)
    assert pool.map([{"seconds": 0.05}]) == [0.05]
    pool.disown()
    assert pool.map([{"seconds": 0.05}]) == [0.05]


def test_a_verdict_is_found_once(monkeypatch: pytest.MonkeyPatch) -> None:
    from guerdon.rewards.answers import symbolic

    pairs = [(r"\int_0^1 x dx + k", r"k+\frac12"), (r"\int_0^1 x dx + k", "k")]
    first = symbolic.compare(pairs, 20.0)

    asked: list[tuple[str, str]] = []
    monkeypatch.setattr(symbolic, "_found", lambda pairs, seconds: asked.extend(pairs) or {})
    assert symbolic.compare(pairs[::-1], 20.0) == first[::-1]
    assert not asked


def test_no_reference_is_invalid_and_no_answer_is_zero() -> None:
    scores = AnswerMatch()(rollouts_of(["5", "?"], task(None, "a"), task("5", "b")), START)
    assert scores.valid.tolist() == [False, True]
    assert scores.value[1] == 0
    assert scores.reasons[0] == "the task has no reference answer"
    assert len(AnswerMatch()(rollouts_of([], task("5")), START)) == 0


def test_readers_are_settings_and_survive_a_recipe_file() -> None:
    whole = AnswerMatch(extract=(WholeText(),))
    assert whole(rollouts_of([" Paris\n", "in Paris"], task("Paris")), START).value.tolist() == [
        1,
        0,
    ]
    readers = (Tagged("final"), Boxed(), Hash(), Stated(), LastNumber(), Alone())
    other = AnswerMatch(extract=(AfterThinking(readers, prefilled=True),), symbolic_seconds=0)
    assert build(describe(other)) == other
    assert other.read("so 3") is None  # still thinking
    other = AnswerMatch(extract=readers)
    assert other.read("<final>x</final> 3") == "x"


HOSTILE = (
    "\\boxed{9**9**9}",
    "\\boxed{9**9**9**9 + x}",
    "\\boxed{" + "\\frac{1}{1+" * 60 + "x" + "}" * 60 + "}",
    "\\boxed{x^{" * 40 + "9" + "}}" * 40,
    "\\boxed{\\sum_{n=1}^{10^{12}} n! + x}",
    "\\boxed{\\int_0^{9^{9^9}} e^{-x^2} dx}",
    "\\boxed{(x+1)^{99999999}}",
    "\\boxed{\\write18{sleep 60} \\input{/etc/passwd}}",
    "\\boxed{__import__('time').sleep(60)}",
    "\\boxed{" + "1+" * 500_000 + "1}",
    "<answer>" + "9" * 1_000_000 + "</answer>",
    "\\boxed{" + "\\sqrt{" * 200_000,
    "\\boxed{\\begin{pmatrix}" + "1&" * 90 + "}",
)


@pytest.mark.parametrize("gold", ["x^2+1", "7", "\\sqrt{2}"])
def test_hostile_answers_end_within_their_limit(gold: str) -> None:
    part = AnswerMatch(symbolic_seconds=1.0)
    part(rollouts_of(["\\boxed{1\\pm x}"], task("x^2+1")), START)  # loads the library
    start = time.monotonic()
    scores = part(rollouts_of(HOSTILE, task(gold)), START)
    # Each row costs at most its second, four at a time; a killed worker loads anew.
    assert time.monotonic() - start < 2 * len(HOSTILE) + 30
    assert not (scores.value == 1).any()
    assert scores.valid.sum() >= len(HOSTILE) // 2


def test_a_comparison_can_not_take_all_memory() -> None:
    pool = WorkerPool(_greedy, 20.0, workers=1, megabytes=256)
    refused, fine = pool.map([{"megabytes": 2048}, {"megabytes": 1}])
    assert isinstance(refused, Failed)
    assert refused.reason == "MemoryError"
    assert fine == 1 << 20


_KEPT: list[bytearray] = []


@pytest.mark.skipif(not memory_can_be_limited(), reason="memory can't be limited here")
def test_what_one_call_keeps_costs_the_next_one_nothing() -> None:
    """As caches do, and allocators: three calls that keep a third of the limit each, and more."""
    pool = WorkerPool(_greedy, 20.0, workers=1, megabytes=300)
    calls = [*[{"megabytes": 100, "kept": True}] * 3, {"megabytes": 150}]
    for _ in range(2):
        assert pool.map(calls) == [100 << 20] * 3 + [150 << 20]


def _greedy(megabytes: int, kept: bool = False) -> int:
    made = bytearray(megabytes << 20)
    if kept:
        _KEPT.append(made)
    return len(made)
