"""What every shaper promises, checked for every one on the command line's list."""

from copy import deepcopy
from dataclasses import replace

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from making import make_rollouts, make_scores

from guerdon import shaping
from guerdon.composition import needs_of
from guerdon.contracts import check_shaper
from guerdon.records import Comparisons, Progress, Scores, Task
from guerdon.schedules import Linear
from guerdon.shaping import (
    Affine,
    Annealed,
    Chain,
    Clip,
    Ensemble,
    GaussianQuantile,
    KLPenalty,
    LogSigmoid,
    NormalisedSum,
    OverlongPenalty,
    RunningStandardise,
    SeparatorEnds,
    StepRewards,
    Transform,
    Unlikeliness,
    WeightedParts,
)

NOW = Progress()


def process(rollouts, progress):
    """A process reward: every position scores by its place and its log-prob."""
    placed = torch.where(rollouts.mask, rollouts.logps.exp() + 0.01, 0.0)
    return Scores(placed.sum(1), placed=placed)


WITH_SETTINGS = {
    **{n: kind.example() for n, kind in shaping.NAMES.items() if not hasattr(kind, "no_example")},
    "annealed memory": Annealed(RunningStandardise(), Linear(0.5, 1.0)),
    "chain of all": Chain((KLPenalty(0.1), OverlongPenalty(4, 3), Affine(2.0), Unlikeliness())),
    "lsc": Transform(LogSigmoid(), GaussianQuantile()),
    "step-rewards": StepRewards(process, SeparatorEnds((1,)), 0.5, (Clip(0.9),)),
}
every = pytest.mark.parametrize("name", WITH_SETTINGS)
VALUE = torch.tensor([1.0, 0.1, 1.0, 0.5, 1.0])
PARTS = {"a": VALUE / 2, "b": VALUE}
VALID = [True, True, True, True, False]
BESIDE = {
    "diagnostics": {"calls": torch.arange(5.0)},
    "remarks": ("why", None, "why not", None, None),
    "comparisons": Comparisons(
        torch.tensor([0, 2]), torch.tensor([2, 1]), torch.tensor([1.0, 0.0])
    ),
}
MASK = [[1, 1, 1, 1], [1, 0, 1, 0], [0, 1, 1, 0], [1, 0, 0, 0], [1, 1, 0, 0]]
TEXTS = ("one two. Three!", "", "the the the", "a word, a word; \u202eanother?", "x")


def rollouts():
    generator = torch.Generator().manual_seed(0)
    logps, reference = (-torch.rand(5, 4, generator=generator) for _ in range(2))
    made = make_rollouts([0, 1, 0, 1, 0], mask=MASK, logps=logps, reference_logps=reference)
    rewards = ([0.2, 0.9], [0.4])
    tasks = tuple(
        Task(f"t{g}", "", columns={"reference_rewards": row}) for g, row in enumerate(rewards)
    )
    return replace(made, tasks=tasks, texts=TEXTS)


def scores(placed=None):
    return make_scores(VALUE.tolist(), VALID, parts=PARTS, placed=placed, **BESIDE)


def shaped(name, given, rows):
    """By a copy, since a shaper with memory answers the second call by what it saw before."""
    return deepcopy(WITH_SETTINGS[name])(given, rows, NOW)


def test_every_shaper_shows_itself_or_says_why_not():
    for name, kind in shaping.NAMES.items():
        assert hasattr(kind, "example") != hasattr(kind, "no_example"), name
        assert name in WITH_SETTINGS


@every
def test_the_contract(name):
    check_shaper(WITH_SETTINGS[name])


@every
def test_its_settings_change_something(name):
    made = shaped(name, scores(), rollouts())
    assert not torch.equal(made.value[made.valid], VALUE[made.valid])


def test_step_rewards_of_no_weight_change_nothing():
    made = StepRewards(process, SeparatorEnds((1,)), 0.0)(scores(), rollouts(), NOW)
    assert torch.equal(made.value[made.valid], VALUE[made.valid])


ADDS = (
    *("affine", "annealed", "chain of all", "diversity", "kl-penalty", "length-penalty"),
    *("overlong", "step-rewards", "unlikeliness"),
)
"""These add to the total or scale it, so that rewards keep their places; others refuse them."""


@pytest.mark.parametrize("name", ADDS)
def test_a_placed_reward_totals_what_an_unplaced_one_does(name):
    placed, valid = scores().at_positions(rollouts().mask), torch.tensor(VALID)
    found = [shaped(name, s, rollouts()).value[valid] for s in (scores(), scores(placed))]
    assert torch.allclose(*found)


def test_a_chain_needs_what_its_members_do():
    assert needs_of(Chain((Affine(), KLPenalty()))) == {"reference"}
    assert not needs_of(Chain((Affine(),)))


def test_weighted_parts_names_a_missing_part():
    with pytest.raises(ValueError, match="absent"):
        WeightedParts({"absent": 1.0})(scores(), rollouts(), NOW)


LARGEST = torch.finfo(torch.float32).max
ENDS = (0.0, 1.0, -1.0, LARGEST, -LARGEST, 3e38, -3e38, 1e30, 1e-30, 1e-45)
any_float32 = st.sampled_from(ENDS) | st.floats(width=32, allow_nan=False, allow_infinity=False)
any_part = any_float32 | st.sampled_from([float("nan"), float("inf")])


@every
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    value=st.lists(any_float32, min_size=5, max_size=5),
    a=st.lists(any_part, min_size=5, max_size=5),
    b=st.lists(any_part, min_size=5, max_size=5),
    valid=st.lists(st.booleans(), min_size=5, max_size=5),
)
def test_finite_or_invalid_with_a_reason_over_the_whole_range(name, value, a, b, valid):
    given = make_scores(value, valid, parts={"a": torch.tensor(a), "b": torch.tensor(b)})
    made = shaped(name, given, rollouts())
    assert torch.isfinite(made.value[made.valid]).all()
    assert not made.valid[~given.valid].any()
    assert all(
        reason for reason, ok in zip(made.reasons, made.valid.tolist(), strict=True) if not ok
    )
    placed = made.at_positions(rollouts().mask)
    assert torch.isfinite(placed).all()
    added = {part: made.parts[part] for part in made.parts if part not in given.parts}
    assert all(torch.isfinite(part[made.valid]).all() for part in added.values())


OF_ANY_SIZE = (
    *("normalised-sum", "running-clip", "running-min-max", "running-standardise"),
    *("unlikeliness", "weighted-parts", "worst-part"),
)
"""Others add, clip or bend at fixed numbers: a reward's size is meant to matter."""


@pytest.mark.parametrize("name", OF_ANY_SIZE)
def test_rewards_of_any_size_are_shaped_alike(name):
    """By powers of two, which round nothing: what is relative stays, the rest grows with them."""

    def at(power):
        value = (VALUE - 0.4) * 2.0**power
        return shaped(name, make_scores(value.tolist(), VALID, parts={"a": value, "b": -value}),
                      rollouts()).value[torch.tensor(VALID)]  # fmt: skip

    small, large = at(30), at(126)
    assert torch.isfinite(large).all()
    assert any(torch.allclose(large, small * factor, rtol=1e-5) for factor in (1.0, 2.0**96))


def test_a_sum_beyond_float32_on_the_way_is_right_in_the_end():
    ends = make_scores([1.0], parts={"a": torch.tensor([3e38]), "b": torch.tensor([3e38])})
    rows = make_rollouts([0])
    assert Ensemble(("a", "b"))(ends, rows, NOW).value.item() == pytest.approx(3e38)
    assert WeightedParts({"a": 2.0, "b": -1.0})(ends, rows, NOW).value.item() == pytest.approx(3e38)
    apart = Annealed(Affine(-1.0), 0.5)
    assert apart(make_scores([3e38]), rows, NOW).value.item() == 0
    standard = RunningStandardise()(make_scores([3e38, -3e38]), make_rollouts([0, 0]), NOW)
    assert standard.value.tolist() == pytest.approx([1, -1])


def test_a_part_that_is_not_finite_costs_its_row_and_not_its_group():
    part = torch.tensor([1.0, float("nan"), 3.0])
    made = NormalisedSum()(make_scores([0.0] * 3, parts={"a": part}), make_rollouts([0] * 3), NOW)
    assert made.valid.tolist() == [True, False, True]
    assert made.value[made.valid].tolist() == pytest.approx([-(0.5**0.5), 0.5**0.5], rel=1e-4)
