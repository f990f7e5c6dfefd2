"""Shapers against numbers worked by hand."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from making import make_rollouts, make_scores

from guerdon.advantages import GroupNormalised, whiten
from guerdon.records import Experience, Progress, Scores
from guerdon.shaping import (
    Affine,
    KLPenalty,
    OverlongPenalty,
    PaperForm,
    Unlikeliness,
    WhitenedRewards,
)

NOW = Progress()


def group_of(logps):
    return make_rollouts([0] * len(logps), logps=torch.tensor(logps)[:, None])


def test_unlikeliness_as_released():
    rollouts = group_of([-0.2, -1.0, -0.5, -2.0])
    shaped = Unlikeliness(0.25)(make_scores([1.0, 1.0, 0.0, 1.0]), rollouts, NOW)
    assert shaped.value.tolist() == pytest.approx([0.8125, 0.9375, 0.0, 1.0])
    advantage = GroupNormalised()(Experience(rollouts, shaped))[:, 0].tolist()
    assert advantage == pytest.approx([0.2689, 0.5377, -1.4788, 0.6722], abs=1e-4)


def test_unlikeliness_as_in_the_paper():
    rollouts = group_of([-0.2, -1.0, -0.5, -2.0])
    shaped = Unlikeliness(0.25, form=PaperForm())(make_scores([1.0, 1.0, 0.0, 1.0]), rollouts, NOW)
    assert shaped.value.tolist() == pytest.approx([0.75, 0.875, 0.0, 0.9375])
    advantage = GroupNormalised()(Experience(rollouts, shaped))[:, 0].tolist()
    assert advantage == pytest.approx([0.2519, 0.5399, -1.4756, 0.6838], abs=1e-4)


def test_unlikeliness_trivial_and_tied():
    rollouts = group_of([-0.2, -0.2, -3.0])
    scores = make_scores([1.0, 1.0, 1.0])
    assert torch.equal(Unlikeliness(0.0)(scores, rollouts, NOW).value, scores.value)
    tied = Unlikeliness(0.5)(scores, rollouts, NOW).value
    assert tied[0] == tied[1] < tied[2]


@pytest.mark.parametrize(
    ("length", "bounded", "expected"),
    [(16384, True, 0.0), (18000, True, -0.394531), (20480, True, -1.0), (20481, True, -1.0),
     (20481, False, -1.000244)],
)  # fmt: skip
def test_overlong_penalty(length, bounded, expected):
    shaper = OverlongPenalty(20480, 4096, bounded=bounded)
    made = shaper(make_scores([0.0]), make_rollouts([0], [length]), NOW)
    assert made.value.item() == pytest.approx(expected, abs=1e-6)


def test_kl_penalty_is_placed_token_by_token():
    rollouts = make_rollouts(
        [0], [2], logps=torch.tensor([[-0.5, -1.0]]), reference_logps=torch.tensor([[-1.0, -1.0]])
    )
    made = KLPenalty(0.1)(make_scores([1.0]), rollouts, NOW)
    assert made.placed[0].tolist() == pytest.approx([-0.05, 1.0])
    assert made.value.item() == pytest.approx(0.95)


def test_kl_penalty_without_a_reference_says_so():
    with pytest.raises(ValueError, match=r"recipe\.reference"):
        KLPenalty()(make_scores([1.0]), make_rollouts([0]), NOW)


def test_shapers_keep_invalid_rows_invalid():
    scores = make_scores([1.0, 1.0], [True, False])
    for shaper in (Unlikeliness(), OverlongPenalty(10, 5), Affine(2.0, 1.0)):
        made = shaper(scores, make_rollouts([0, 0]), NOW)
        assert made.valid.tolist() == [True, False]
        assert torch.isfinite(made.value[0])


def test_whitened_rewards_worked_by_hand() -> None:
    rows = make_rollouts([0] * 4)
    scores = make_scores([1.0, 2.0, 3.0, 4.0])
    shifted = WhitenedRewards(shifted=True)(scores, rows, Progress())
    assert shifted.value.tolist() == pytest.approx([-1.3416, -0.4472, 0.4472, 1.3416], abs=1e-4)
    scaled = WhitenedRewards()(scores, rows, Progress())
    assert scaled.value.tolist() == pytest.approx([0.8944, 1.7889, 2.6833, 3.5777], abs=1e-4)
    equal = WhitenedRewards(shifted=True)(make_scores([2.0] * 4), rows, Progress())
    assert equal.value.tolist() == [0] * 4
    valid = torch.tensor([True, True, False, False])
    lost = Scores(torch.tensor([1.0, 3.0, 99.0, 0.0]), valid=valid)
    assert WhitenedRewards(shifted=True)(lost, rows, Progress()).value[:2].tolist() == [-1, 1]


@given(st.lists(st.floats(-1e6, 1e6), min_size=2, max_size=2))
def test_what_stands_in_the_padding_changes_no_whitened_number(padding: list[float]) -> None:
    rows = make_rollouts([0, 1], [4, 2])
    real = torch.tensor([[1.0, 2.0, 3.0, 4.0], [0.5, -1.0, 0.0, 0.0]])
    filled = real.clone()
    filled[1, 2:] = torch.tensor(padding)
    expected = whiten(real, rows.mask)
    assert torch.equal(whiten(filled, rows.mask), expected)
    for shifted in (True, False):
        part = WhitenedRewards(shifted)
        clean, full = (
            part(Scores((table * rows.mask).sum(1), placed=table), rows, NOW).placed
            for table in (real, filled)
        )
        assert clean is not None
        assert full is not None
        assert torch.equal(full[rows.mask], clean[rows.mask])


def test_whitened_rewards_at_positions_count_acted_ones_alone() -> None:
    rows = make_rollouts([0], mask=[[1, 1, 1, 1, 0]])
    placed = torch.tensor([[1.0, 2.0, 3.0, 4.0, 0.0]])
    scores = Scores(placed.sum(1), placed=placed)
    found = WhitenedRewards(shifted=True)(scores, rows, Progress())
    assert found.placed is not None
    expected = [-1.3416, -0.4472, 0.4472, 1.3416, 0]
    assert found.placed[0].tolist() == pytest.approx(expected, abs=1e-4)
    assert found.value.item() == pytest.approx(0, abs=1e-6)
