"""What every shaper promises, checked for every one on the command line's list."""

from copy import deepcopy
from dataclasses import replace

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from making import make_rollouts, make_scores

from guerdon import shaping
from guerdon.parts import describe, memories, rebuild
from guerdon.records import Comparisons, Progress, Scores, Task
from guerdon.schedules import Linear
from guerdon.shaping import (
    Affine,
    And,
    Annealed,
    Chain,
    Clamp,
    Clip,
    Diversity,
    Ensemble,
    GatedSum,
    GaussianQuantile,
    Good,
    KLPenalty,
    LengthPenalty,
    LogProbability,
    LogSigmoid,
    MeanLessVariance,
    NormalisedSum,
    Not,
    Or,
    OverlongPenalty,
    RankWithinClass,
    RunningClip,
    RunningMinMax,
    RunningStandardise,
    SeparatorEnds,
    StepRewards,
    SumLogProb,
    Transform,
    Unlikeliness,
    Weighted,
    WeightedParts,
    WorstPart,
)

NOW = Progress()


def process(rollouts, progress):
    """A process reward: every position scores by its place and its log-prob."""
    placed = torch.where(rollouts.mask, rollouts.logps.exp() + 0.01, 0.0)
    return Scores(placed.sum(1), placed=placed)


WITH_SETTINGS = {
    "affine": Affine(2.0, -1.0),
    "annealed": Annealed(KLPenalty(0.1), Linear(0.5, 1.0)),
    "annealed memory": Annealed(RunningStandardise(), Linear(0.5, 1.0)),
    "chain": Chain((KLPenalty(0.1), OverlongPenalty(4, 3), Affine(2.0, 1.0), Unlikeliness())),
    "clamp": Clamp(0.2, 0.7),
    "diversity": Diversity(0.8),
    "ensemble": Ensemble(("a", "b"), MeanLessVariance(0.5), {"a": (0.1, 2.0)}),
    "gated-sum": GatedSum("a", 0.3),
    "kl-penalty": KLPenalty(0.1),
    "length-penalty": LengthPenalty(0.1, 1),
    "log-probability": LogProbability(
        And((Good("a"), Or((Good("b"), Not(Good("a")))), Weighted(Good(), 0.5)))
    ),
    "lsc": Transform(LogSigmoid(), GaussianQuantile()),
    "normalised-sum": NormalisedSum({"a": 1.0, "b": 0.5}),
    "overlong": OverlongPenalty(4, 3),
    "rank-within-class": RankWithinClass("b", "a"),
    "running-clip": RunningClip(0.5),
    "running-min-max": RunningMinMax(),
    "running-standardise": RunningStandardise(),
    "step-rewards": StepRewards(process, SeparatorEnds((1,)), 0.5, (Clip(0.9),)),
    "transform": Transform(),
    "unlikeliness": Unlikeliness(0.5, SumLogProb()),
    "weighted-parts": WeightedParts({"a": 2.0, "b": 0.5}),
    "worst-part": WorstPart(("a", "b")),
}
TRIVIAL = {
    "affine": Affine(),
    "annealed": Annealed(Affine(3.0, 1.0), 0.0),
    "chain": Chain(),
    "clamp": Clamp(),
    "diversity": Diversity(1.0),
    "kl-penalty": KLPenalty(0.0),
    "length-penalty": LengthPenalty(0.0),
    "overlong": OverlongPenalty(4, 3, factor=0.0),
    "running-clip": RunningClip(100.0),
    "step-rewards": StepRewards(process, SeparatorEnds((1,)), 0.0),
    "unlikeliness": Unlikeliness(0.0),
    "weighted-parts": WeightedParts(),
}
NEVER_TRIVIAL = {
    *("ensemble", "gated-sum", "log-probability", "normalised-sum", "rank-within-class"),
    *("running-min-max", "running-standardise", "transform", "worst-part"),
}
"""These replace the total by another quantity, whatever their settings."""
REPLACES_TOTALS = NEVER_TRIVIAL | {"annealed memory", "clamp", "lsc", "running-clip"}
REPLACES_TOTALS |= {"weighted-parts"}
"""These refuse rewards at positions: they have no rule for a position."""

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


def test_every_listed_shaper_is_checked_here():
    assert set(shaping.NAMES) <= set(WITH_SETTINGS)
    assert set(shaping.NAMES) <= set(TRIVIAL) | NEVER_TRIVIAL
    assert not set(TRIVIAL) & NEVER_TRIVIAL


@every
def test_parts_and_validity_stay(name):
    made = shaped(name, scores(), rollouts())
    assert made.valid.tolist() == VALID
    assert all(torch.equal(made.parts[part], value) for part, value in PARTS.items())
    assert made.diagnostics["calls"].tolist() == [0, 1, 2, 3, 4]
    assert (made.remarks, made.comparisons) == (BESIDE["remarks"], BESIDE["comparisons"])
    assert torch.isfinite(made.value[made.valid]).all()
    assert not torch.equal(made.value[made.valid], VALUE[made.valid])


@every
def test_placements_sum_to_the_value_or_are_refused(name):
    placed = scores().at_positions(rollouts().mask)
    if name in REPLACES_TOTALS:
        with pytest.raises(ValueError, match="placed at positions"):
            shaped(name, scores(placed), rollouts())
        return
    made = shaped(name, scores(placed), rollouts())
    assert torch.allclose(made.placed.sum(1)[made.valid], made.value[made.valid], atol=1e-6)
    assert (made.placed[~rollouts().mask] == 0).all()


@pytest.mark.parametrize("name", sorted(set(WITH_SETTINGS) - REPLACES_TOTALS))
def test_a_placed_reward_totals_what_an_unplaced_one_does(name):
    placed = scores().at_positions(rollouts().mask)
    valid = torch.tensor(VALID)
    found = [shaped(name, s, rollouts()).value[valid] for s in (scores(), scores(placed))]
    assert torch.allclose(*found)


@pytest.mark.parametrize("shaper", TRIVIAL.values(), ids=TRIVIAL.keys())
def test_the_identity_when_trivial(shaper):
    made = shaper(scores(), rollouts(), NOW)
    assert torch.equal(made.value[made.valid], VALUE[made.valid])


@every
def test_an_invalid_row_is_as_good_as_absent(name):
    kept = torch.tensor(VALID)
    alone = shaped(name, scores().select(kept), rollouts().select(kept))
    assert torch.allclose(shaped(name, scores(), rollouts()).value[kept], alone.value)


@every
def test_row_order_does_not_matter(name):
    order = torch.tensor([3, 4, 0, 2, 1])
    moved = shaped(name, scores().select(order), rollouts().select(order))
    plain = shaped(name, scores(), rollouts()).select(order)
    assert torch.allclose(moved.value, plain.value, equal_nan=True)


@every
def test_nothing_to_shape_is_no_error(name):
    none = torch.zeros(5, dtype=torch.bool)
    assert len(shaped(name, scores().select(none), rollouts().select(none))) == 0
    invalid = make_scores(VALUE.tolist(), [False] * 5, parts=PARTS)
    assert not shaped(name, invalid, rollouts()).valid.any()


@every
def test_written_and_read_back(name):
    assert rebuild(describe(WITH_SETTINGS[name])) == WITH_SETTINGS[name]


@every
def test_memory_survives_a_checkpoint(name):
    used, fresh = deepcopy(WITH_SETTINGS[name]), deepcopy(WITH_SETTINGS[name])
    used(scores(), rollouts(), NOW)
    taken_up = memories(fresh)
    for place, part in memories(used).items():
        taken_up[place].load_state_dict(part.state_dict())
    later = make_scores([3.0, -2.0, 0.5, 1.0, 0.0], VALID, parts=PARTS)
    made, again = (s(later, rollouts(), NOW).value for s in (used, fresh))
    assert torch.equal(made.nan_to_num(), again.nan_to_num())


def test_a_chain_needs_what_its_members_do():
    assert Chain((Affine(), KLPenalty())).needs_reference
    assert not Chain((Affine(),)).needs_reference


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


NOT_FOR_ITS_SIZE = {
    *("chain", "clamp", "diversity", "ensemble", "gated-sum", "log-probability", "lsc", "overlong"),
    *("annealed memory", "kl-penalty", "length-penalty", "rank-within-class", "step-rewards"),
    *("affine", "annealed", "transform"),
}
"""These add, clip or bend at fixed numbers, so a reward's size is meant to matter."""


@pytest.mark.parametrize("name", sorted(set(WITH_SETTINGS) - NOT_FOR_ITS_SIZE))
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
