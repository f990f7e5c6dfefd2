"""What every advantage promises, checked for every one on the command line's list."""

import math
from fractions import Fraction

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from making import make_rollouts, make_scores

from guerdon import advantages
from guerdon.advantages import (
    BatchStd,
    GroupNormalised,
    GroupStd,
    LeaveOneOut,
    LengthWeightedBaseline,
    NoScale,
    SingleRaw,
    TwoLevel,
)
from guerdon.contracts import check_advantage
from guerdon.records import Experience, Rollouts, Scores

VARIANTS = {
    "group std": GroupNormalised(),
    "mean only": GroupNormalised(scale=NoScale()),
    "batch std": GroupNormalised(scale=BatchStd()),
    "raw alone": GroupNormalised(single=SingleRaw()),
    "two-level, centred": TwoLevel(),
}
ADVANTAGES = {**{name: part.example() for name, part in advantages.NAMES.items()}, **VARIANTS}
CENTRED = (
    *("group-normalised", "leave-one-out", "normalised-parts", "two-level"),
    *("group std", "mean only", "batch std"),
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
def test_the_contract(advantage):
    check_advantage(advantage)


@every
@given(order=st.permutations(range(len(GROUP))))
def test_permuting_rows_permutes_the_advantage(advantage, order):
    rollouts, scores = rollouts_of(GROUP), scores_of(VALUES, VALID)
    index = torch.tensor(order)
    moved = advantage(Experience(rollouts.select(index), scores.select(index)))
    assert torch.allclose(moved, advantage(Experience(rollouts, scores))[index], atol=1e-5)


@pytest.mark.parametrize("name", CENTRED)
@pytest.mark.parametrize("value", [0.0, 0.1, -7.3, 1e6])
def test_ties_give_zero(name, value):
    rollouts = make_rollouts(
        [0] * 7, states=[("a",)] * 7, turn_rewards=[[value]] * 7, values=torch.zeros(7, 1)
    )
    assert (ADVANTAGES[name](Experience(rollouts, scores_of([value] * 7))) == 0).all()


@given(st.floats(-5, 5), st.floats(0.5, 8))
def test_group_std_is_invariant_to_shift_and_scale(shift, scale):
    rollouts = rollouts_of(GROUP)
    part = GroupNormalised(scale=GroupStd())
    moved = part(Experience(rollouts, scores_of([scale * v + shift for v in VALUES])))
    assert torch.allclose(moved, part(Experience(rollouts, scores_of(VALUES))), atol=1e-4)


LARGEST = torch.finfo(torch.float32).max
ENDS = (0.0, -0.0, 1.0, -1.0, LARGEST, -LARGEST, 3e38, -3e38, 1e30, 1e-30, 1e-45, -1e-45, 0.1)
any_float32 = st.sampled_from(ENDS) | st.floats(width=32, allow_nan=False, allow_infinity=False)
any_part = any_float32 | st.sampled_from([math.nan, math.inf, -math.inf])


@st.composite
def batches(draw, rows=7):
    """Rollouts and scores over the whole range of float32: ties, lone rows, nothing acted."""
    n = draw(st.integers(1, rows))
    several = st.lists(any_float32, min_size=n, max_size=n)
    group = draw(st.lists(st.integers(0, 2), min_size=n, max_size=n))
    mask = draw(
        st.lists(st.lists(st.integers(0, 1), min_size=3, max_size=3), min_size=n, max_size=n)
    )
    values = draw(several | any_float32.map(lambda x: [x] * n))
    valid = draw(st.lists(st.booleans(), min_size=n, max_size=n) | st.just([True] * n))
    rollouts = make_rollouts(
        group,
        mask=mask,
        states=[("a", "b", i % 2) for i in range(n)],
        turn_rewards=[draw(st.lists(any_float32, min_size=3, max_size=3)) for _ in range(n)],
        values=torch.tensor(
            [draw(st.lists(any_float32, min_size=3, max_size=3)) for _ in range(n)]
        ),
    )
    parts = {name: torch.tensor(draw(st.lists(any_part, min_size=n, max_size=n))) for name in "ab"}
    return make_scores(values, valid, parts=parts), rollouts


@every
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(batch=batches())
def test_finite_over_the_whole_range_of_rewards(advantage, batch):
    scores, rollouts = batch
    made = advantage(Experience(rollouts, scores))
    assert torch.isfinite(made).all()
    assert made.dtype == torch.float32
    assert (made[~(rollouts.mask & scores.valid[:, None])] == 0).all()


def exactly(kind, value, length, at):
    """The advantage of row ``at`` of one group, reckoned in fractions."""
    x, n = [Fraction(v) for v in value], len(value)
    if kind == "leave-one-out":
        return x[at] - (sum(x) - x[at]) / (n - 1) if n > 1 else Fraction(0)
    if kind == "length-weighted-baseline":
        return x[at] - sum(a * b for a, b in zip(length, x, strict=True)) / max(sum(length), 1)
    centred = x[at] - sum(x) / n
    if kind == "mean only":
        return centred if n > 1 else Fraction(0)
    square = sum((a - sum(x) / n) ** 2 for a in x) / max(n - 1, 1)
    # The root of a fraction to 60 digits.
    scale = 10**120
    std = Fraction(math.isqrt(square.numerator * scale // square.denominator), 10**60)
    return centred / (std + Fraction(1e-6)) if n > 1 else Fraction(0)


EXACT = {
    "group-normalised": GroupNormalised(),
    "leave-one-out": LeaveOneOut(),
    "length-weighted-baseline": LengthWeightedBaseline(),
    "mean only": GroupNormalised(scale=NoScale()),
}


@pytest.mark.parametrize("kind", EXACT)
@settings(max_examples=80, deadline=None)
@given(value=st.lists(any_float32, min_size=1, max_size=6))
def test_huge_and_tiny_rewards_get_their_exact_advantages(kind, value):
    length = [1 + i % 3 for i in range(len(value))]
    made = EXACT[kind](Experience(make_rollouts([0] * len(value), length), make_scores(value)))
    mean = abs(sum(map(Fraction, value))) / len(value)
    spread = max(abs(Fraction(v) - sum(map(Fraction, value)) / len(value)) for v in value)
    if spread <= mean * Fraction(1, 10**6):
        return  # equal but for rounding: 0 or the difference, both are right
    given = [torch.tensor(v).item() for v in value]
    wanted = [float(exactly(kind, given, length, row)) for row in range(len(value))]
    # A row near the mean of huge ones is known to float64's share of these.
    near = max(1e-37, 1e-12 * max(map(abs, wanted)))
    wanted = [max(-LARGEST, min(LARGEST, one)) for one in wanted]
    assert made[:, 0].tolist() == pytest.approx(wanted, rel=1e-5, abs=near)


@every
def test_rewards_of_any_size_are_treated_alike(advantage):
    """By powers of two, which round nothing: normalised ones stay, the others grow with them."""

    def at(power):
        scale = 2.0**power
        rollouts, scores = rollouts_of(GROUP), scores_of([v * scale for v in VALUES], VALID)
        rollouts.turn_rewards.mul_(scale)
        rollouts.values.mul_(scale)
        parts = {"a": torch.tensor(VALUES) * scale, "b": torch.tensor(VALUES).square() * scale}
        return advantage(
            Experience(rollouts, Scores(scores.value, parts, scores.valid, scores.reasons))
        )

    small, large = at(30), at(120)
    assert torch.isfinite(large).all()
    alike = [torch.isclose(large, small * factor, rtol=1e-5) for factor in (1.0, 2.0**90)]
    assert (alike[0] | alike[1]).all()


def test_a_missing_part_is_left_out_of_its_group():
    part = torch.tensor([1.0, math.nan, 3.0, math.inf])
    with_hole = Scores(torch.zeros(4), {"a": part, "b": torch.tensor([0.0, 1.0, 2.0, 3.0])})
    made = advantages.NormalisedParts(whitened=False)(Experience(make_rollouts([0] * 4), with_hole))
    b = [-1.5, -0.5, 0.5, 1.5]
    wanted = [x / (5 / 3) ** 0.5 + y / 2**0.5 for x, y in zip(b, (-1, 0, 1, 0), strict=True)]
    assert made[:, 0].tolist() == pytest.approx(wanted, rel=1e-5)
