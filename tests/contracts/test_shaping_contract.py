"""What every shaper promises, checked for every one on the command line's list."""

import pytest
import torch
from making import make_rollouts, make_scores

from guerdon import shaping
from guerdon.parts import build, describe
from guerdon.records import Progress
from guerdon.shaping import (
    Affine,
    Chain,
    KLPenalty,
    OverlongPenalty,
    SumLogProb,
    Unlikeliness,
    WeightedParts,
)

NOW = Progress()
WITH_SETTINGS = {
    "affine": Affine(2.0, -1.0),
    "kl-penalty": KLPenalty(0.1),
    "overlong": OverlongPenalty(4, 3),
    "unlikeliness": Unlikeliness(0.5, SumLogProb()),
    "weighted-parts": WeightedParts({"a": 2.0, "b": 0.5}),
    "chain": Chain((KLPenalty(0.1), OverlongPenalty(4, 3), Affine(2.0, 1.0), Unlikeliness())),
}
TRIVIAL = {
    "affine": Affine(),
    "kl-penalty": KLPenalty(0.0),
    "overlong": OverlongPenalty(4, 3, factor=0.0),
    "unlikeliness": Unlikeliness(0.0),
    "weighted-parts": WeightedParts(),
    "chain": Chain(),
}
every = pytest.mark.parametrize("shaper", WITH_SETTINGS.values(), ids=WITH_SETTINGS.keys())
VALUE = torch.tensor([1.0, 0.0, 1.0, 0.5, 1.0])
PARTS = {"a": VALUE / 2, "b": VALUE}
VALID = [True, True, True, True, False]
MASK = [[1, 1, 1, 1], [1, 0, 1, 0], [0, 1, 1, 0], [1, 0, 0, 0], [1, 1, 0, 0]]


def rollouts():
    generator = torch.Generator().manual_seed(0)
    made = make_rollouts([0, 1, 0, 1, 0], mask=MASK, logps=-torch.rand(5, 4, generator=generator))
    reference = -torch.rand(5, 4, generator=generator)
    return make_rollouts([0, 1, 0, 1, 0], mask=MASK, logps=made.logps, reference_logps=reference)


def scores(placed=None):
    return make_scores(VALUE.tolist(), VALID, parts=PARTS, placed=placed)


def test_every_listed_shaper_is_checked_here():
    assert set(shaping.NAMES) <= set(WITH_SETTINGS)
    assert set(WITH_SETTINGS) == set(TRIVIAL)


@every
def test_parts_and_validity_stay(shaper):
    made = shaper(scores(), rollouts(), NOW)
    assert made.valid.tolist() == VALID
    assert all(torch.equal(made.parts[name], part) for name, part in PARTS.items())
    assert torch.isfinite(made.value[made.valid]).all()
    assert not torch.equal(made.value[made.valid], VALUE[made.valid])


@every
def test_placements_sum_to_the_value(shaper):
    if isinstance(shaper, WeightedParts):
        pytest.skip("refuses placed scores")
    placed = scores().at_positions(rollouts().mask)
    made = shaper(scores(placed), rollouts(), NOW)
    assert torch.allclose(made.placed.sum(1)[made.valid], made.value[made.valid], atol=1e-6)
    assert (made.placed[~rollouts().mask] == 0).all()


@every
def test_a_placed_reward_totals_what_an_unplaced_one_does(shaper):
    if isinstance(shaper, WeightedParts):
        pytest.skip("refuses placed scores")
    placed = scores().at_positions(rollouts().mask)
    valid = torch.tensor(VALID)
    found = [shaper(s, rollouts(), NOW).value[valid] for s in (scores(), scores(placed))]
    assert torch.allclose(*found)


@pytest.mark.parametrize("shaper", TRIVIAL.values(), ids=TRIVIAL.keys())
def test_the_identity_when_trivial(shaper):
    made = shaper(scores(), rollouts(), NOW)
    assert torch.equal(made.value[made.valid], VALUE[made.valid])


@every
def test_an_invalid_row_is_as_good_as_absent(shaper):
    kept = torch.tensor(VALID)
    alone = shaper(scores().select(kept), rollouts().select(kept), NOW)
    assert torch.allclose(shaper(scores(), rollouts(), NOW).value[kept], alone.value)


@every
def test_row_order_does_not_matter(shaper):
    order = torch.tensor([3, 4, 0, 2, 1])
    moved = shaper(scores().select(order), rollouts().select(order), NOW)
    plain = shaper(scores(), rollouts(), NOW).select(order)
    assert torch.allclose(moved.value, plain.value, equal_nan=True)


@every
def test_written_and_read_back(shaper):
    assert build(describe(shaper)) == shaper


def test_a_chain_needs_what_its_members_need():
    assert Chain((Affine(), KLPenalty())).needs_reference
    assert not Chain((Affine(),)).needs_reference


def test_weighted_parts_names_a_missing_part():
    with pytest.raises(ValueError, match="absent"):
        WeightedParts({"absent": 1.0})(scores(), rollouts(), NOW)
