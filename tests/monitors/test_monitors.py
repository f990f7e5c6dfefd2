"""Monitors' figures, by hand; what each of them promises."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from making import make_rollouts, make_scores

from guerdon import monitors
from guerdon.contracts import check_monitor
from guerdon.monitors import CommonestAnswer, GroupSpread, WrittenSteps
from guerdon.records import Experience


def answered(group, texts):
    return Experience(replace(make_rollouts(group), texts=tuple(texts)))


def test_the_commonest_answer_by_hand():
    texts = [
        "<answer>7</answer>",
        "7",
        "<answer> 7 </answer>",
        "8",
        "7",
        "",
        "9",
        "<answer></answer>",
    ]
    found = CommonestAnswer()(answered([0, 0, 0, 0, 1, 1, 1, 1], texts))
    # group 0: three of four say 7; group 1: one of four each, and two say nothing
    assert found["in_group"] == pytest.approx((3 / 4 + 1 / 4) / 2)
    assert found["in_batch"] == pytest.approx(4 / 8)
    assert found["none"] == pytest.approx(2 / 8)


def test_who_says_nothing_agrees_with_nobody():
    assert CommonestAnswer()(answered([0, 0], ["", ""])) == {
        "in_group": 0.0,
        "in_batch": 0.0,
        "none": 1.0,
    }
    assert CommonestAnswer()(answered([0], ["x"]))["in_group"] == 1.0
    assert CommonestAnswer(str.upper)(answered([0, 0], ["a", "A"]))["in_group"] == 1.0


def test_the_spread_of_groups_by_hand():
    scores = make_scores(
        [1.0, 1.0, 0.0, 1.0, 5.0, 3.0],
        [True, True, True, True, False, True],
        parts={
            "a": torch.tensor([2.0, 2.0, 1.0, 1.0, 0.0, 0.0]),
            "b": torch.tensor([0.0, 4.0, 1.0, math.nan, 0.0, 0.0]),
        },
    )
    found = GroupSpread()(Experience(make_rollouts([0, 0, 1, 1, 2, 2]), scores))
    # group 0: 1, 1; group 1: 0, 1; group 2: 3 alone, for the 5 is invalid
    assert found["dead"] == pytest.approx(2 / 3)
    assert found["spread"] == pytest.approx(0.5 / 3)
    assert found["dead/a"] == 1.0
    assert found["spread/a"] == 0.0
    assert found["dead/b"] == pytest.approx(2 / 3)  # of group 1 one number is known
    assert found["spread/b"] == pytest.approx(2.0 / 3)
    named = GroupSpread(("b",))(Experience(make_rollouts([0, 0, 1, 1, 2, 2]), scores))
    assert set(named) == {"dead", "spread", "dead/b", "spread/b"}


def test_a_part_that_is_not_there_is_named_with_those_that_are():
    scores = make_scores([1.0], parts={"form": torch.tensor([1.0])})
    with pytest.raises(ValueError, match=r"names 'from'; the parts are form"):
        GroupSpread(("from",))(Experience(make_rollouts([0]), scores))


@given(st.lists(st.tuples(st.integers(0, 3), st.floats(-1e30, 1e30)), max_size=12))
def test_shares_are_shares(rows):
    ordered = sorted(rows)
    rollouts = make_rollouts([group for group, _ in ordered])
    scores = make_scores([value for _, value in ordered])
    found = GroupSpread()(Experience(rollouts, scores))
    assert not rows or 0 <= found["dead"] <= 1
    assert not rows or (math.isfinite(found["spread"]) and found["spread"] >= 0)
    assert bool(rows) or not found


@pytest.mark.parametrize("name", list(monitors.NAMES))
def test_every_monitor_keeps_its_promises(name):
    check_monitor(monitors.NAMES[name].example())


@dataclass(frozen=True)
class Broken:
    how: str = ""

    def __call__(self, experience: Experience) -> Mapping[str, float]:
        rows = len(experience)
        if self.how == "raises":
            return {"mean": 1 / rows}
        if self.how == "tensor":
            return {"mean": torch.zeros(2)}
        if self.how == "list":
            return [1.0]
        if self.how == "changes":
            experience.advantage.zero_()
        if self.how == "number":
            return {3: 1.0}
        return {"rows": rows, "unknown": math.nan}


@pytest.mark.parametrize(
    ("how", "told"),
    [
        ("raises", "it raises ZeroDivisionError .* on no rows"),
        ("tensor", "its figure 'mean' is tensor.*no number"),
        ("list", "it gives a list, no figures"),
        ("changes", "it changes what it looks at"),
        ("number", "it calls a figure 3, which is no text"),
    ],
)
def test_a_broken_monitor_is_told(how, told):
    check_monitor(Broken())
    with pytest.raises(AssertionError, match=told):
        check_monitor(Broken(how))


def test_steps_and_those_that_were_there_before_by_hand():
    """Row 0: a, b, A again; row 1: one step; row 2: none."""

    def lengths(task, steps):
        assert task.id == "t0"
        return [float(len(step)) if step != "b" else math.nan for step in steps]

    rows = answered([0, 0, 0], ["a\nb\n\n  A ", "cc", " \n"])
    assert WrittenSteps()(rows) == {"steps": pytest.approx(4 / 3), "repeated": 0.25}
    rated = WrittenSteps(score=lengths)(rows)
    assert rated["score"] == pytest.approx((1 + 4 + 2) / 3)
    assert rated["score_sum"] == pytest.approx(7 / 3)
    assert WrittenSteps("\n", lengths)(answered([0], [""])) == {"steps": 0.0, "score_sum": 0.0}
    assert WrittenSteps()(answered([], [])) == {}
    with pytest.raises(ValueError, match="separator"):
        WrittenSteps("")


def test_farming_shows_while_bounded_rewards_stay():
    """The specification's case: a good step said again m times, and what its reward makes of it."""
    said = [" ".join(["x", "y", *["again"] * m, "z"]) for m in (0, 5, 20)]
    found = [
        WrittenSteps(" ", lambda task, steps: [0.95] * len(steps))(answered([0], [text]))
        for text in said
    ]
    assert [one["steps"] for one in found] == [3, 8, 23]
    assert [one["repeated"] for one in found] == pytest.approx([0, 4 / 8, 19 / 23])
    assert [one["score_sum"] for one in found] == pytest.approx([2.85, 7.6, 21.85])
