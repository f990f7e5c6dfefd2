"""No completion can end anything: what a reward raises costs the rows at fault, and no others."""

import asyncio
import logging
from dataclasses import dataclass, field, replace
from typing import ClassVar

import pytest
import torch
from making import make_rollouts

from guerdon import judging
from guerdon.connectors.batched import BatchedReward
from guerdon.failures import RewardFailed, kind_of, refuse_failing, tally, told, too_many
from guerdon.judging import judged
from guerdon.records import Progress, Scores, concat_scores
from guerdon.rewards import AnswerMatch, FunctionReward, Gate, Maximum, Product, Router, WeightedSum
from guerdon.rewards.running.cache import Cached

NOW = Progress(0, 1)


class Panic(BaseException):
    """As pyo3 raises it: no Exception."""


def deep(n=0):
    return deep(n + 1)


def raising(text):
    """What a completion makes a reward raise; each names its kind."""
    if text == "recursion":
        deep()
    errors = {
        "attribute": AttributeError("no such thing"),
        "memory": MemoryError(),
        "exit": SystemExit(3),
        "panic": Panic("native code"),
        "cancelled": asyncio.CancelledError(),
        "stop": StopIteration(),
    }
    if text in errors:
        raise errors[text]
    return float(len(text))


KINDS = {
    "recursion": "RecursionError",
    "attribute": "AttributeError",
    "memory": "MemoryError",
    "exit": "SystemExit",
    "panic": "Panic",
    "cancelled": "CancelledError",
    "stop": "StopIteration",
}


def whole_batch(rollouts, progress):
    """A reward that judges a batch and raises as a whole."""
    return Scores(torch.tensor([raising(text) for text in rollouts.texts]))


def rows(*texts, group=None):
    made = make_rollouts(group or list(range(len(texts))), [len(t) or 1 for t in texts])
    return replace(made, texts=texts)


@pytest.mark.parametrize("text", KINDS)
@pytest.mark.parametrize("place", [0, 3, 6])
def test_the_row_at_fault_is_invalid_and_the_others_keep_their_scores(text, place):
    texts = ["a", "bb", "ccc", "dddd", "eeeee", "ffffff"]
    texts.insert(place, text)
    scores = judged(whole_batch, rows(*texts), NOW)
    assert scores.valid.tolist() == [i != place for i in range(7)]
    good = [v for i, v in enumerate(scores.value.tolist()) if i != place]
    assert good == [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]
    assert scores.reasons[place].startswith(KINDS[text])
    assert kind_of(scores.errors[place]) == KINDS[text]
    assert __file__ in scores.errors[place].split("\n")[0]
    assert "During handling" not in scores.errors[place]
    assert [e for i, e in enumerate(scores.errors) if i != place] == [None] * 6


def test_a_keyboard_interrupt_passes():
    def interrupted(rollouts, progress):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        judged(interrupted, rows("a", "b"), NOW)

    def once_then(rollouts, progress):
        if len(rollouts) > 1:
            raise ValueError("whole")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        judged(once_then, rows("a", "b"), NOW)


def test_nothing_is_called_again_where_nothing_raises():
    calls = []

    def counted(rollouts, progress):
        calls.append(len(rollouts))
        return Scores(torch.ones(len(rollouts)))

    judged(counted, rows("a", "b", "c"), NOW)
    assert calls == [3]


@pytest.mark.parametrize(
    ("wrong", "said"),
    [([1.0, 2.0], "returned list, not Scores"), (Scores(torch.ones(1)), "1 scores for 2")],
)
def test_a_result_that_is_none_is_told_without_a_search(wrong, said):
    calls = []

    def careless(rollouts, progress):
        calls.append(1)
        return wrong

    scores = judged(careless, rows("a", "b"), NOW)
    assert not scores.valid.any()
    assert said in scores.reasons[0]
    assert calls == [1]


@dataclass
class Remembering:
    """A reward with memory: how many rows it has seen, and it raises after it has counted."""

    scope: ClassVar[str] = "completion"
    seen: list = field(default_factory=list)

    def __call__(self, rollouts, progress):
        self.seen.extend(rollouts.texts)
        return whole_batch(rollouts, progress)

    def state_dict(self):
        return {"seen": list(self.seen)}

    def load_state_dict(self, state):
        self.seen[:] = state["seen"]


def test_memory_counts_each_row_that_was_judged_once():
    reward = Remembering()
    scores = judged(reward, rows("a", "memory", "bb", "exit", "c"), NOW)
    assert scores.valid.tolist() == [True, False, True, False, True]
    assert reward.seen == ["a", "bb", "c"]


def test_memory_inside_a_composition_is_taken_back_too():
    inner = Remembering()
    judged(WeightedSum({"one": inner, "two": whole_batch}), rows("a", "panic", "b"), NOW)
    assert inner.seen == ["a", "b"]


@dataclass(frozen=True)
class Ranked:
    """Compares a group's rows; needs at least two of them."""

    scope: ClassVar[str] = "group"

    def __call__(self, rollouts, progress):
        value_N = torch.zeros(len(rollouts))
        for g in range(len(rollouts.tasks)):
            of = [i for i, x in enumerate(rollouts.group.tolist()) if x == g]
            lengths = [raising(rollouts.texts[i]) for i in of]
            if len(of) > 1:
                for i, n in zip(of, lengths, strict=True):
                    value_N[i] = sum(n > other for other in lengths) / (len(of) - 1)
        return Scores(value_N)


def test_of_a_group_only_rows_that_raise_alone_are_left_out():
    made = rows("a", "bb", "ccc", "d", "exit", "eee", "ff", "g", group=[0, 0, 0, 1, 1, 1, 2, 2])
    scores = judged(Ranked(), made, NOW)
    assert scores.valid.tolist() == [True] * 4 + [False] + [True] * 3
    expected = [0.0, 0.5, 1.0, 0.0, 1.0, 1.0, 0.0]
    assert [v for v, ok in zip(scores.value.tolist(), scores.valid, strict=True) if ok] == expected


@dataclass(frozen=True)
class OnlyWhole:
    """Raises for a group of another size than three, and for one with an x in it."""

    scope: ClassVar[str] = "group"

    def __call__(self, rollouts, progress):
        counts = torch.bincount(rollouts.group)
        if not bool((counts == 3).all()):
            raise ValueError("groups have three rows")
        if any("x" in text for text in rollouts.texts):
            raise ValueError("x")
        return Scores(torch.ones(len(rollouts)))


def test_a_group_that_raises_in_any_case_is_invalid_whole_and_others_are_not():
    made = rows("a", "b", "c", "x", "b", "c", group=[0, 0, 0, 1, 1, 1])
    scores = judged(OnlyWhole(), made, NOW)
    assert scores.valid.tolist() == [True] * 3 + [False] * 3


@dataclass(frozen=True)
class Linked:
    """All views of a question, or none."""

    scope: ClassVar[str] = "linked"

    def __call__(self, rollouts, progress):
        links = [task.link for task in rollouts.tasks]
        if any(links.count(link) != 2 for link in links):
            raise ValueError("half a question")
        return Scores(torch.tensor([raising(t) for t in rollouts.texts]))


def test_linked_groups_stay_together():
    made = rows("a", "b", "c", "exit", group=[0, 1, 2, 3])
    links = ["p", "q", "p", "q"]
    tasks = tuple(replace(t, link=x) for t, x in zip(made.tasks, links, strict=True))
    scores = judged(Linked(), replace(made, tasks=tasks), NOW)
    assert scores.valid.tolist() == [True, False, True, False]


def test_placed_rewards_and_parts_are_as_wide_as_the_batch():
    def placing(rollouts, progress):
        value_N = torch.tensor([raising(text) for text in rollouts.texts])
        placed_NT = torch.zeros(rollouts.mask.shape)
        placed_NT[:, 0] = value_N
        named = dict.fromkeys(rollouts.texts, value_N)
        return Scores(value_N, named, placed=placed_NT)

    scores = judged(placing, rows("a", "exit", "bbbbbbb", "c"), NOW)
    assert scores.placed.shape == (4, 7)
    assert scores.placed[:, 0].tolist() == [1.0, 0.0, 7.0, 1.0]
    assert scores.parts["c"].tolist()[0] == 0.0  # as one call would have had it: judged, no part
    assert scores.valid.tolist() == [True, False, True, True]


def test_all_failed_beside_placed_rows_can_be_joined():
    failed = judged(whole_batch, rows("exit", "memory"), NOW)
    placed = Scores(torch.ones(2), placed=torch.ones(2, 3) / 3)
    joined = concat_scores([failed, placed])
    assert joined.placed.shape == (4, 3)
    assert joined.errors[0] is not None
    assert joined.errors[2:] == (None, None)


def test_after_its_patience_the_search_ends(monkeypatch):
    monkeypatch.setattr(judging, "PATIENCE", -1.0)
    scores = judged(whole_batch, rows("a", "exit", "b", "c"), NOW)
    assert not scores.valid.any()
    assert set(scores.reasons) == {"SystemExit: 3"}


def test_an_exception_whose_own_methods_raise_is_told_all_the_same():
    class Hostile(Exception):
        def __str__(self):
            raise RuntimeError("no")

    def bad(rollouts, progress):
        raise Hostile

    scores = judged(bad, rows("a"), NOW)
    assert scores.reasons == ("Hostile: its message can't be shown",)


def test_a_told_exception_is_bounded_and_plain():
    def mutual(n):
        return other(n + 1)

    def other(n):
        return mutual(n + 1)

    try:
        mutual(0)
    except RecursionError as error:
        line, trace = told(error)
    assert line.startswith("RecursionError")
    assert len(trace.split("\n")) < 60
    line, trace = told(ValueError("\x1b[2J" + "x" * 10**6 + "\n\n"))
    assert "\x1b" not in trace
    assert len(line) < 250
    assert len(trace) < 5000


def test_the_log_has_the_traceback_with_the_users_line(caplog):
    def mine(completion):
        raise ZeroDivisionError(f"first of {completion}")

    with caplog.at_level(logging.INFO, logger="guerdon.judging"):

        def batch(rollouts, progress):
            return Scores(torch.tensor([mine(text) for text in rollouts.texts]))

        judged(batch, rows("a", "b"), NOW)
    (record,) = caplog.records
    said = record.getMessage()
    assert "ZeroDivisionError" in said
    assert "2 of 2" in said
    assert __file__ in said
    assert "in mine" in said


# ---- Scores.errors is kept by everything that makes scores of scores


def test_scores_keep_errors_where_rows_are_invalid_only():
    scores = Scores(
        torch.tensor([1.0, float("nan"), 2.0]),
        valid=torch.tensor([True, False, True]),
        errors=("not so", "ValueError: x", None),
    )
    assert scores.errors == (None, "ValueError: x", None)
    assert scores.select(torch.tensor([1, 0])).errors == ("ValueError: x", None)
    assert scores.map(lambda v: v * 2).errors == scores.errors
    assert concat_scores([scores, scores]).errors == scores.errors * 2
    with pytest.raises(ValueError, match="2 errors"):
        Scores(torch.ones(3), errors=("a", "b"))


def short(completion):
    if completion == "exit":
        raise SystemExit(1)
    return 1.0 if len(completion) < 3 else 0.0


SHORT = FunctionReward(short)


@pytest.mark.parametrize(
    "reward",
    [
        WeightedSum({"a": SHORT, "b": SHORT}),
        Product({"a": SHORT, "b": SHORT}),
        Maximum({"a": SHORT, "b": SHORT}),
        Gate(SHORT, SHORT),
        Router({"x": SHORT}, otherwise=SHORT),
    ],
)
def test_compositions_keep_the_error_of_a_row(reward):
    scores = reward(rows("a", "exit", "longer"), NOW)
    assert scores.valid.tolist() == [True, False, True]
    assert scores.errors[0] is None
    assert kind_of(scores.errors[1]) == "SystemExit"
    assert __file__ in scores.errors[1]


def test_a_cached_reward_keeps_the_error_and_tries_again(tmp_path):
    reward = Cached(SHORT, str(tmp_path))
    for _ in range(2):
        scores = reward(rows("a", "exit"), NOW)
        assert kind_of(scores.errors[1]) == "SystemExit"


def test_every_shaper_keeps_the_errors():
    from guerdon import shaping

    raw = replace(
        judged(whole_batch, rows("a", "exit", "bb", "ccc", group=[0, 0, 1, 1]), NOW), parts={}
    )
    made = rows("a", "exit", "bb", "ccc", group=[0, 0, 1, 1])
    tried = 0
    for name, kind in shaping.NAMES.items():
        try:
            shaped = kind()(raw, made, NOW)
        except (TypeError, ValueError, KeyError):
            continue  # needs settings, parts or log-probs that these rows don't have
        tried += 1
        assert kind_of(shaped.errors[1] or "") == "SystemExit", name
    assert tried >= 5


# ---- FunctionReward's own catches


class Weird:
    def __float__(self):
        raise RuntimeError("no number")

    def __repr__(self):
        raise RuntimeError("no text")


def weird(completion):
    return {"weird": Weird(), "text": "abc", "none": None, "nan": float("nan")}.get(completion, 7.0)


def test_a_function_that_returns_nonsense_failed_and_none_is_ungradable():
    scores = FunctionReward(weird, range=(0, 10))(rows("weird", "text", "none", "fine"), NOW)
    assert scores.valid.tolist() == [False, False, False, True]
    assert [e is not None for e in scores.errors] == [True, True, False, False]
    counted = tally(rows("weird", "text", "none", "fine"), scores)
    assert counted.failed == 2
    assert counted.ungradable == {"the reward returned None": 1}
    assert counted.invalid == 3


def hangs(completion):
    import os
    import time

    if completion == "hang":
        time.sleep(60)
    if completion == "die":
        os._exit(3)
    if completion == "panic":
        raise Panic("native code")
    return 1.0


def test_time_outs_dead_workers_and_panics_are_failures_of_the_reward():
    reward = FunctionReward(hangs, timeout=1.0, workers=2)
    scores = reward(rows("hang", "die", "panic", "fine"), NOW)
    assert scores.valid.tolist() == [False, False, False, True]
    assert [kind_of(e) if e else None for e in scores.errors] == [
        "no result within 1 s",
        "its process ended (exit code 3)",
        "Panic",
        None,
    ]
    assert "in hangs" in scores.errors[2]  # the traceback crossed the process's border


async def cancels(completion):
    if completion == "cancelled":
        raise asyncio.CancelledError
    await asyncio.sleep(0)
    return 1.0


def test_an_async_call_that_cancels_itself_ends_no_other():
    scores = FunctionReward(cancels)(rows("a", "cancelled", "b"), NOW)
    assert scores.valid.tolist() == [True, False, True]


# ---- counting, and when it is too many


def test_a_tally_adds_up_by_kind():
    made = rows("a", "exit", "memory", "exit")
    one = tally(made, judged(whole_batch, made, NOW))
    assert (one.rows, one.failed, one.invalid) == (4, 3, 3)
    assert one.reasons == {"failed: SystemExit": 2, "failed: MemoryError": 1}
    both = one + one
    assert both.reasons == {"failed: SystemExit": 4, "failed: MemoryError": 2}
    assert both.rows == 8
    assert both.failures[0].completion == "exit"


@pytest.mark.parametrize(
    ("failed", "rows_", "most", "expected"),
    [
        (4, 4, 1.0, True),
        (3, 3, 0.0, False),
        (2, 4, 0.5, False),
        (3, 4, 0.5, True),
        (1, 100, 0.0, True),
        (0, 0, 0.0, False),
        (0, 8, 0.0, False),
    ],
)
def test_when_failures_are_too_many(failed, rows_, most, expected):
    assert too_many(failed, rows_, most) is expected


def test_the_message_names_exception_file_line_completion_and_mend():
    made = rows("attribute", "attribute", "attribute", "a")
    with pytest.raises(RewardFailed) as caught:
        refuse_failing(tally(made, judged(whole_batch, made, NOW)), 0.5)
    said = str(caught.value)
    for part in ("3 of 4", "AttributeError: no such thing", __file__, "line ", "'attribute'"):
        assert part in said
    assert "Mend the reward" in said
    refuse_failing(tally(made, judged(whole_batch, made, NOW)), 0.75)


def test_missing_columns_are_told_whole():
    def needs(completion, colour):
        return 1.0

    made = rows("a", "b", "c", "d")
    with pytest.raises(RewardFailed, match=r"asks for 'colour'.*docs/connectors.md"):
        refuse_failing(tally(made, judged(FunctionReward(needs), made, NOW)))


def test_a_trainers_batch_function_that_raises_costs_the_rows_at_fault():
    def function(completions, **_):
        return [raising(text) for text in completions]

    scores = BatchedReward(function)(rows("a", "exit", "bb"), NOW)
    assert scores.valid.tolist() == [True, False, True]
    assert kind_of(scores.errors[1]) == "SystemExit"
    assert __file__ in scores.errors[1]


def test_a_named_reward_is_the_same_judged_or_called():
    made = rows("<answer>3</answer>", "3", "")
    tasks = tuple(replace(t, answer="3") for t in made.tasks)
    made = replace(made, tasks=tasks)
    assert judged(AnswerMatch(), made, NOW).value.tolist() == (
        AnswerMatch()(made, NOW).value.tolist()
    )
