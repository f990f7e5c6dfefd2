"""Shapers against numbers worked by hand."""

import pytest
import torch
from making import make_rollouts, make_scores

from guerdon.advantages import GroupNormalised
from guerdon.records import Experience, Progress
from guerdon.shaping import Affine, KLPenalty, OverlongPenalty, PaperForm, Unlikeliness

NOW = Progress()


def group_of(logps):
    return make_rollouts([0] * len(logps), logps=torch.tensor(logps)[:, None])


def test_unlikeliness_as_released():
    rollouts = group_of([-0.2, -1.0, -0.5, -2.0])
    shaped = Unlikeliness(0.25)(make_scores([1.0, 1.0, 0.0, 1.0]), rollouts, NOW)
    assert shaped.value.tolist() == pytest.approx([0.8125, 0.9375, 0.0, 1.0])
    advantage = GroupNormalised()(Experience(rollouts, shaped))[:, 0].tolist()
    assert advantage == pytest.approx([0.2689, 0.5377, -1.4788, 0.6722], abs=1e-3)


def test_unlikeliness_as_in_the_paper():
    rollouts = group_of([-0.2, -1.0, -0.5, -2.0])
    shaped = Unlikeliness(0.25, form=PaperForm())(make_scores([1.0, 1.0, 0.0, 1.0]), rollouts, NOW)
    assert shaped.value.tolist() == pytest.approx([0.75, 0.875, 0.0, 0.9375])


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
