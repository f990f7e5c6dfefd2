"""What every advantage promises, checked for every one on the command line's list."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from making import make_rollouts, make_scores

from guerdon import advantages
from guerdon.advantages import (
    AcrossTrajectories,
    BatchStd,
    GroupNormalised,
    GroupStd,
    MeanStdNorm,
    NoScale,
    SingleRaw,
    TwoLevel,
    Whiten,
)
from guerdon.parts import build, describe
from guerdon.records import Rollouts, Scores

VARIANTS = {
    "mean only": GroupNormalised(scale=NoScale()),
    "batch std": GroupNormalised(scale=BatchStd()),
    "raw alone": GroupNormalised(single=SingleRaw()),
    "whitened": Whiten(GroupNormalised()),
    "two-level std": TwoLevel(norm=MeanStdNorm(), statistic=AcrossTrajectories()),
}
ADVANTAGES = {**{name: part() for name, part in advantages.NAMES.items()}, **VARIANTS}
CENTRED = (
    *("group-normalised", "leave-one-out", "normalised-parts"),
    *("mean only", "batch std", "two-level std"),
)
every = pytest.mark.parametrize("advantage", ADVANTAGES.values(), ids=ADVANTAGES.keys())

GROUP = [0, 1, 0, 1, 0, 2, 1, 0]
VALUES = [1.0, 0.5, 0.0, -2.0, 0.25, 3.0, 0.5, 1.0]
VALID = [True, True, True, True, False, True, True, True]


def rollouts_of(group: list[int]) -> Rollouts:
    """Three turns of one action each; holes in the mask, one row that never acted."""
    mask = [[1, 1, 1], [1, 0, 1], [0, 1, 0], [0, 0, 0]]
    n = len(group)
    generator = torch.Generator().manual_seed(0)
    return make_rollouts(
        group,
        mask=[mask[(i + (i >= 4)) % 4] for i in range(n)],
        states=[("a", "b", i % 2) for i in range(n)],
        turn_rewards=torch.randn(n, 3, generator=generator).tolist(),
        values=torch.randn(n, 3, generator=generator),
    )


def scores_of(values: list[float], valid: list[bool] | None = None) -> Scores:
    tensor = torch.tensor(values)
    return make_scores(values, valid, parts={"a": tensor, "b": tensor.square()})


@every
def test_zero_under_the_mask_and_on_invalid_rows(advantage):
    rollouts, scores = rollouts_of(GROUP), scores_of(VALUES, VALID)
    made = advantage(scores, rollouts)
    assert made.shape == rollouts.mask.shape
    assert made.dtype == torch.float32
    assert torch.isfinite(made).all()
    use = rollouts.mask & scores.valid[:, None]
    assert (made[~use] == 0).all()
    assert made[use].abs().max() > 0


@every
def test_an_invalid_row_is_as_good_as_absent(advantage):
    rollouts, scores = rollouts_of(GROUP), scores_of(VALUES, VALID)
    kept = scores.valid
    alone = advantage(scores.select(kept), rollouts.select(kept))
    assert torch.allclose(advantage(scores, rollouts)[kept], alone, atol=1e-5)


@every
@given(order=st.permutations(range(len(GROUP))))
def test_permuting_rows_permutes_the_advantage(advantage, order):
    rollouts, scores = rollouts_of(GROUP), scores_of(VALUES, VALID)
    index = torch.tensor(order)
    moved = advantage(scores.select(index), rollouts.select(index))
    assert torch.allclose(moved, advantage(scores, rollouts)[index], atol=1e-5)


@every
@pytest.mark.parametrize("valid", [[True], [False], [True, False, False], [False, False]])
def test_a_group_of_one_or_none_is_defined(advantage, valid):
    n = len(valid)
    made = advantage(scores_of([2.0] * n, valid), rollouts_of([0] * n))
    assert torch.isfinite(made).all()
    assert (made[~torch.tensor(valid)] == 0).all()


@every
def test_no_rows_at_all(advantage):
    rollouts = rollouts_of(GROUP).select(torch.zeros(len(GROUP)).bool())
    scores = scores_of(VALUES).select(torch.zeros(len(GROUP)).bool())
    assert advantage(scores, rollouts).shape[0] == 0


@pytest.mark.parametrize("name", CENTRED)
@pytest.mark.parametrize("value", [0.0, 0.1, -7.3, 1e6])
def test_ties_give_zero(name, value):
    rollouts = make_rollouts(
        [0] * 7, states=[("a",)] * 7, turn_rewards=[[value]] * 7, values=torch.zeros(7, 1)
    )
    assert (ADVANTAGES[name](scores_of([value] * 7), rollouts) == 0).all()


@every
def test_inputs_are_left_as_they_were(advantage):
    rollouts, scores = rollouts_of(GROUP), scores_of(VALUES)
    before = scores.value.clone(), rollouts.turn_rewards.clone(), rollouts.values.clone()
    advantage(scores, rollouts)
    after = scores.value, rollouts.turn_rewards, rollouts.values
    assert all(torch.equal(x, y) for x, y in zip(before, after, strict=True))


@every
def test_written_and_read_back(advantage):
    assert build(describe(advantage)) == advantage


@given(st.floats(-5, 5), st.floats(0.5, 8))
def test_group_std_is_invariant_to_shift_and_scale(shift, scale):
    rollouts = rollouts_of(GROUP)
    part = GroupNormalised(scale=GroupStd())
    moved = part(scores_of([scale * v + shift for v in VALUES]), rollouts)
    assert torch.allclose(moved, part(scores_of(VALUES), rollouts), atol=1e-4)
