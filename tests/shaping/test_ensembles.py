"""Aggregates of several members: worked by hand, and their laws."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from making import make_rollouts, make_scores

from guerdon.records import Progress
from guerdon.shaping import Ensemble, MeanLessVariance, MeanMember, WorstMember

NAN = math.nan
MEMBERS = torch.tensor([[1.0, 2.0], [3.0, 2.0], [2.0, 5.0]])


@pytest.mark.parametrize(
    ("aggregate", "expected"),
    [
        (MeanMember(), [2.0, 3.0]),
        (WorstMember(), [1.0, 2.0]),
        (MeanLessVariance(0.5), [1.6667, 2.0]),
        (MeanLessVariance(0.5, unbiased=True), [1.5, 1.5]),
        (MeanLessVariance(0.0), [2.0, 3.0]),
    ],
)
def test_worked_values(aggregate, expected):
    assert aggregate(MEMBERS).tolist() == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize(
    "aggregate", [MeanMember(), WorstMember(), MeanLessVariance(), MeanLessVariance(unbiased=True)]
)
def test_degenerate_members(aggregate):
    one = torch.tensor([[4.0, -1.0]])
    assert aggregate(one).tolist() == [4.0, -1.0]
    assert aggregate(one.expand(3, 2)).tolist() == pytest.approx([4.0, -1.0])
    with_gap = torch.tensor([[1.0], [NAN], [3.0]])
    assert aggregate(with_gap).tolist() == aggregate(with_gap[[0, 2]]).tolist()
    assert aggregate(torch.full((2, 1), NAN)).isnan().all()


ROWS = st.lists(st.floats(-10, 10, width=16), min_size=3, max_size=3)


@settings(deadline=None)
@given(
    st.lists(ROWS, min_size=2, max_size=4), st.floats(-5, 5, width=16), st.floats(0.5, 3, width=16)
)
def test_shift_and_scale_of_all_members(rows, shift, scale):
    members = torch.tensor(rows)
    for aggregate in (MeanMember(), WorstMember(), MeanLessVariance(0.5)):
        moved = aggregate(members + shift)
        assert torch.allclose(moved, aggregate(members) + shift, atol=1e-3)
    for aggregate in (MeanMember(), WorstMember()):
        assert torch.allclose(aggregate(scale * members), scale * aggregate(members), atol=1e-3)
    penalty = MeanMember()(members) - MeanLessVariance()(members)
    scaled = MeanMember()(scale * members) - MeanLessVariance()(scale * members)
    assert torch.allclose(scaled, scale**2 * penalty, atol=1e-2, rtol=1e-3)


def test_the_parts_of_a_reward_as_members():
    parts = {"m1": MEMBERS[0], "m2": MEMBERS[1], "m3": torch.tensor([math.inf, 5.0])}
    scores = make_scores([0.0, 0.0], parts=parts)
    rows = make_rollouts([0, 0])
    made = Ensemble(aggregate=WorstMember())(scores, rows, Progress())
    assert made.value.tolist() == [1.0, 2.0]
    moments = {"m1": (1.0, 2.0), "m2": (2.0, 0.5)}
    made = Ensemble(("m1", "m2"), MeanMember(), moments)(scores, rows, Progress())
    assert made.value.tolist() == pytest.approx([(0.0 + 2.0) / 2, (0.5 + 0.0) / 2])
    only = Ensemble(("m3",))(scores, rows, Progress())
    assert only.valid.tolist() == [False, True]
    with pytest.raises(ValueError, match=r"moments\.m2\[1\] is 0\.0; give a number above 0"):
        Ensemble(moments={"m2": (0.0, 0.0)})
