"""Several objectives as one reward, a verdict refined by a score, and what theory says of both."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from making import make_rollouts, make_scores

from guerdon.advantages import GroupNormalised, GroupStd, LeaveOneOut, NoScale
from guerdon.records import Experience, Progress
from guerdon.shaping import GatedSum, NormalisedSum, RankWithinClass, WeightedParts, WorstPart

NOW = Progress()
ASPECTS = ("polite", "meaningful", "actionable", "safe")
EQUAL = dict.fromkeys(ASPECTS, 0.25)


def judged(*rows, names=ASPECTS, valid=None):
    table = torch.tensor(rows)
    parts = {name: table[:, i] for i, name in enumerate(names)}
    return make_scores([0.0] * len(rows), valid, parts=parts)


def combined(shaper, scores):
    return shaper(scores, make_rollouts([0] * len(scores)), NOW).value


def advantages(scores, epsilon=0.0):
    made = GroupNormalised(GroupStd(epsilon))(Experience(make_rollouts([0] * len(scores)), scores))
    return made[:, 0]


def test_weighted_gated_and_worst():
    one = judged([1.0, 0.5, 0.5, 0.0], [0.9, 0.3, 0.8, 0.7], [1.0, 1.0, 1.0, 0.4])
    assert combined(WeightedParts(EQUAL), one).tolist() == pytest.approx([0.5, 0.675, 0.85])
    gated = combined(GatedSum("safe", 0.5), one)
    assert gated.tolist() == pytest.approx([-1.0, 2.0 / 3, -1.0])
    named = combined(GatedSum("safe", 0.5, -2.0, {"polite": 1.0}), one)
    assert named.tolist() == pytest.approx([-2.0, 0.9, -2.0])
    assert combined(WorstPart(), one).tolist() == pytest.approx([0.0, 0.3, 0.4])
    assert combined(WorstPart(("polite", "meaningful")), one).tolist() == pytest.approx(
        [0.5, 0.3, 1.0]
    )


def test_at_the_threshold_the_gate_is_open_and_nan_is_invalid():
    scores = judged([1.0, 0.5], [1.0, math.nan], names=("a", "gate"))
    made = GatedSum("gate", 0.5)(scores, make_rollouts([0, 0]), NOW)
    assert made.valid.tolist() == [True, False]
    assert made.value[0].item() == 1.0


def test_standardised_parts_weigh_the_same_whatever_their_spread():
    scores = judged([0.0, 0.0], [10.0, 1.0], names=("wide", "narrow"))
    z = 1 / math.sqrt(2)  # of two values, by the unbiased std
    assert combined(NormalisedSum(), scores).tolist() == pytest.approx([-z, z], abs=1e-5)
    against = judged([0.0, 1.0], [10.0, 0.0], names=("wide", "narrow"))
    assert combined(NormalisedSum(), against).tolist() == pytest.approx([0.0, 0.0], abs=1e-5)
    biased = combined(NormalisedSum({"wide": 1.0}, unbiased=False), scores)
    assert biased.tolist() == pytest.approx([-1.0, 1.0], abs=1e-5)


def test_parts_without_spread_and_lone_rows_give_zero():
    scores = judged([0.3, 1.0], [0.3, 2.0], [9.0, 9.0], names=("same", "b"), valid=[1, 1, 0])
    rows = make_rollouts([0, 0, 0])
    made = NormalisedSum({"same": 1.0})(scores, rows, NOW)
    assert made.value[:2].tolist() == [0.0, 0.0]
    alone = NormalisedSum()(scores.select(torch.tensor([0])), make_rollouts([0]), NOW)
    assert alone.value.tolist() == [0.0]


def test_missing_parts_are_named():
    rows = make_rollouts([0])
    for shaper in (NormalisedSum({"x": 1.0}), GatedSum("x"), WorstPart(("x",))):
        with pytest.raises(ValueError, match=r"asks for 'x'.*actionable, meaningful"):
            shaper(judged([0.0] * 4), rows, NOW)
    with pytest.raises(ValueError, match="no parts"):
        WorstPart()(make_scores([0.0]), rows, NOW)


ROW = st.lists(st.floats(0, 1, width=16), min_size=4, max_size=4)


@settings(deadline=None)
@given(st.lists(ROW, min_size=8, max_size=8))
def test_an_aspects_influence_is_its_weight_times_its_spread(table):
    s_NK = torch.tensor(table, dtype=torch.double)
    std_K, weights = s_NK.std(0), torch.tensor([0.1, 0.2, 0.3, 0.4], dtype=torch.double)
    total_N = s_NK @ weights
    if total_N.std() < 1e-2 or std_K.min() < 1e-2:
        return
    a_NK = torch.stack([advantages(make_scores(s.tolist())).double() for s in s_NK.T], 1)
    whole = advantages(make_scores(total_N.tolist())).double()
    assert torch.allclose(whole, a_NK @ (weights * std_K / total_N.std()), atol=1e-4)


def test_scale_and_shift_of_aspects_leave_the_advantage():
    assert advantages(make_scores([0.2, 0.4, 0.6, 0.8])).tolist() == pytest.approx(
        [-1.1619, -0.3873, 0.3873, 1.1619], abs=1e-4
    )
    rows = torch.rand(4, 4, generator=torch.Generator().manual_seed(0))
    plain = advantages(make_scores(combined(WeightedParts(EQUAL), judged(*rows.tolist())).tolist()))
    for moved in (3.0 * rows, rows + torch.tensor([5.0, 0.0, 0.0, 0.0])):
        value = combined(WeightedParts(EQUAL), judged(*moved.tolist()))
        assert torch.allclose(advantages(make_scores(value.tolist())), plain, atol=1e-4)


@pytest.mark.parametrize(
    ("advantage", "factor"), [(GroupNormalised(NoScale()), 0.75), (LeaveOneOut(), 1.0)]
)
def test_a_mean_that_includes_the_sample_shrinks_the_gradient(advantage, factor):
    """Two arms, p of arm 1, G = 4: all 16 outcomes weighed exactly."""
    p, paid = 0.3, (0.2, 1.0)
    expected = 0.0
    for outcome in range(16):
        arms = [(outcome >> i) & 1 for i in range(4)]
        credit = advantage(
            Experience(make_rollouts([0] * 4), make_scores([paid[a] for a in arms]))
        )[:, 0]
        chance = math.prod(p if a else 1 - p for a in arms)
        score = torch.tensor([(1 - p) if a else -p for a in arms])  # d log pi / d logit
        expected += chance * float((credit * score).mean())
    exact = p * (1 - p) * (paid[1] - paid[0])
    assert expected == pytest.approx(factor * exact, abs=1e-6)


def ranked(score, verdict, steepness=0.5):
    scores = judged([score, verdict], names=("model", "right"))
    return combined(RankWithinClass("right", "model", steepness), scores).item()


@pytest.mark.parametrize(
    ("score", "verdict", "expected"),
    [
        (2.0, 1.0, 0.7311),
        (-2.0, 1.0, 0.2689),
        (2.0, 0.0, -0.2689),
        (-2.0, 0.0, -0.7311),
        (0.0, 1.0, 0.5),
        (0.0, 0.0, -0.5),
    ],
)
def test_a_score_refines_the_verdict(score, verdict, expected):
    assert ranked(score, verdict) == pytest.approx(expected, abs=1e-4)


@settings(deadline=None)
@given(st.floats(-1e30, 1e30), st.floats(-1e30, 1e30))
def test_a_score_never_overturns_the_verdict(one, two):
    assert ranked(one, 1.0) > 0 > ranked(two, 0.0)
    if one <= two:
        assert ranked(one, 1.0) <= ranked(two, 1.0)


def test_a_score_that_is_not_finite_is_invalid():
    scores = judged([math.nan, 1.0], [math.inf, 0.0], [0.0, 1.0], names=("model", "right"))
    made = RankWithinClass("right", "model")(scores, make_rollouts([0] * 3), NOW)
    assert made.valid.tolist() == [False, False, True]


@settings(deadline=None)
@given(st.lists(st.lists(st.integers(0, 64), min_size=4, max_size=4), min_size=8, max_size=8))
def test_equal_weights_decompose_to_a_millionth(table):
    """64ths and a weight of 1/4 round nothing: what differs is one rounding of the advantage."""
    s_NK = torch.tensor(table) / 64
    std_K, total_N = s_NK.double().std(0), s_NK.double().mean(1)
    if total_N.std() == 0 or std_K.min() == 0:
        return
    combine = combined(WeightedParts(EQUAL), judged(*s_NK.tolist()))
    whole = advantages(make_scores(combine.tolist())).double()
    parts = torch.stack([advantages(make_scores(s.tolist())).double() for s in s_NK.T], 1)
    assert torch.allclose(whole, parts @ (std_K / 4 / total_N.std()), atol=1e-6, rtol=1e-6)
