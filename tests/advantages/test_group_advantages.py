"""Group-relative advantages against numbers worked by hand."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from making import make_rollouts, make_scores

from guerdon.advantages import (
    BatchStd,
    GroupNormalised,
    GroupStd,
    LeaveOneOut,
    LengthWeightedBaseline,
    NormalisedParts,
    NoScale,
    SingleRaw,
)
from guerdon.records import Experience

ONE_IN_FOUR = make_scores([1.0, 0.0, 0.0, 0.0])
FOUR = make_rollouts([0, 0, 0, 0])


def rows(advantage, scores, rollouts):
    return advantage(Experience(rollouts, scores))[:, 0].tolist()


@pytest.mark.parametrize(
    ("advantage", "expected"),
    [
        (GroupNormalised(), [1.5, -0.5, -0.5, -0.5]),
        (GroupNormalised(scale=NoScale()), [0.75, -0.25, -0.25, -0.25]),
        (GroupNormalised(unbiased=False), [3**0.5, *[-(3**-0.5)] * 3]),
        (GroupNormalised(scale=BatchStd()), [1.5, -0.5, -0.5, -0.5]),
        (LeaveOneOut(), [1.0, -1 / 3, -1 / 3, -1 / 3]),
    ],
)
def test_one_right_in_four(advantage, expected):
    assert rows(advantage, ONE_IN_FOUR, FOUR) == pytest.approx(expected, abs=1e-5)


def test_epsilon_is_added_to_the_spread():
    """verl's 1e-6 gives 1.499997, TRL's 1e-4 gives 1.49970 (_baselines.md)."""
    assert rows(GroupNormalised(), ONE_IN_FOUR, FOUR)[0] == pytest.approx(1.499997, abs=1e-6)
    trl = GroupNormalised(scale=GroupStd(1e-4))
    assert rows(trl, ONE_IN_FOUR, FOUR)[0] == pytest.approx(1.49970, abs=1e-6)


@pytest.mark.parametrize("right", [1, 2, 5, 7])
def test_the_spread_of_right_and_wrong_weighs_a_prompt_by_its_difficulty(right):
    """Share p right of 8, biased spread sqrt(p (1 - p)): the ratio to the mean-only form."""
    scores, rollouts = make_scores([1.0] * right + [0.0] * (8 - right)), make_rollouts([0] * 8)
    scaled = rows(GroupNormalised(scale=GroupStd(0.0), unbiased=False), scores, rollouts)
    centred = rows(GroupNormalised(scale=NoScale()), scores, rollouts)
    p = right / 8
    assert scaled[0] / centred[0] == pytest.approx((p * (1 - p)) ** -0.5, rel=1e-5)


def test_batch_spread_is_that_of_all_rewards_not_of_centred_ones():
    """Groups (1, 0) and (3, 2): deviations of 1/2 from the means, spread of 0, 1, 2, 3."""
    scores, rollouts = make_scores([1.0, 0.0, 3.0, 2.0]), make_rollouts([0, 0, 1, 1])
    made = rows(GroupNormalised(scale=BatchStd()), scores, rollouts)
    assert made == pytest.approx([s * 0.5 / (5 / 3) ** 0.5 for s in (1, -1, 1, -1)], abs=1e-5)


def test_invalid_rows_are_left_out_of_the_statistics():
    scores = make_scores([1.0, 0.0, 7.0, 1.0], [True, True, False, True])
    centred = rows(GroupNormalised(scale=NoScale()), scores, FOUR)
    assert centred == pytest.approx([1 / 3, -2 / 3, 0.0, 1 / 3], abs=1e-6)


def test_a_group_of_one_gives_zero_or_by_name_its_reward():
    scores, alone = make_scores([3.0]), make_rollouts([0])
    assert rows(GroupNormalised(), scores, alone) == [0.0]
    assert rows(LeaveOneOut(), scores, alone) == [0.0]
    assert rows(GroupNormalised(single=SingleRaw()), scores, alone) == [3.0]


def test_a_group_left_with_one_valid_row_counts_as_one():
    scores = make_scores([3.0, 9.0], [True, False])
    assert rows(GroupNormalised(), scores, make_rollouts([0, 0])) == [0.0, 0.0]


@pytest.mark.parametrize("value", [0.1, 1.0, 1e6])
def test_equal_rewards_give_exactly_zero(value):
    for advantage in (GroupNormalised(), GroupNormalised(scale=BatchStd()), LeaveOneOut()):
        made = advantage(Experience(make_rollouts([0] * 7), make_scores([value] * 7)))
        assert made.abs().max() == pytest.approx(0.0, abs=1e-6 * value)


def test_all_invalid_gives_zero():
    scores = make_scores([1.0, 2.0], [False, False])
    assert rows(GroupNormalised(), scores, make_rollouts([0, 0])) == [0.0, 0.0]


def test_length_weighted_baseline():
    """Lengths (10, 30), rewards (1, 0): baseline .25 (_baselines.md)."""
    made = LengthWeightedBaseline()(
        Experience(make_rollouts([0, 0], [10, 30]), make_scores([1.0, 0.0]))
    )
    assert made[:, 0].tolist() == pytest.approx([0.75, -0.25])


def test_normalised_parts():
    """R1 (1,0,0,0), R2 (10,0,10,0): the parts count alike (_baselines.md, GDPO)."""
    parts = {"a": torch.tensor([1.0, 0, 0, 0]), "b": torch.tensor([10.0, 0, 10, 0])}
    scores = make_scores([11.0, 0.0, 10.0, 0.0], parts=parts)
    before = rows(NormalisedParts(whitened=False), scores, FOUR)
    assert before == pytest.approx([2.3660, -1.3660, 0.3660, -1.3660], abs=1e-4)
    after = rows(NormalisedParts(), scores, FOUR)
    assert after == pytest.approx([1.3321, -0.7691, 0.2061, -0.7691], abs=1e-4)
    summed_first = rows(GroupNormalised(), scores, FOUR)  # here the first part hardly counts
    assert summed_first == pytest.approx([0.9464, -0.8641, 0.7818, -0.8641], abs=1e-4)


def test_normalised_parts_names_a_missing_part():
    with pytest.raises(ValueError, match="nothing"):
        NormalisedParts({"nothing": 1.0})(Experience(FOUR, ONE_IN_FOUR))


REWARDS = st.lists(st.integers(-8, 8).map(lambda i: i / 4), min_size=2, max_size=9)


@given(REWARDS, st.integers(-3, 3))
def test_a_shift_of_all_rewards_changes_nothing(values, shift):
    rollouts = make_rollouts([0] * len(values))
    for advantage in (GroupNormalised(), LeaveOneOut(), GroupNormalised(scale=NoScale())):
        plain = advantage(Experience(rollouts, make_scores(values)))
        moved = advantage(Experience(rollouts, make_scores([v + shift for v in values])))
        assert torch.allclose(plain, moved, atol=1e-4)


@given(REWARDS)
def test_group_std_ignores_scale(values):
    rollouts = make_rollouts([0] * len(values))
    plain = GroupNormalised()(Experience(rollouts, make_scores(values)))
    larger = GroupNormalised()(Experience(rollouts, make_scores([4 * v for v in values])))
    assert torch.allclose(plain, larger, atol=1e-4)
