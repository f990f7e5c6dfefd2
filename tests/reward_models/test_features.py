"""Scorers that read tensors instead of texts train and are measured as the others are."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import nn

from guerdon.objectives import BradleyTerry, PlackettLuce
from guerdon.rankings import Ranking
from guerdon.records import Task
from guerdon.reward_models import FeatureScorer
from guerdon.training import AdamW, fit_rankings, ranked_right

KNOWN = {"good": [1.0, 0.0], "fair": [0.0, 0.0], "bad": [-1.0, 0.0]}
TASK = Task("a", "", columns={"features": KNOWN})


def linear(*weights: float) -> FeatureScorer:
    module = nn.Linear(2, 1, bias=False)
    with torch.no_grad():
        module.weight.copy_(torch.tensor([weights]))
    return FeatureScorer(module)


def test_a_linear_scorer_by_hand() -> None:
    scores = linear(3.0, 5.0).score([TASK, TASK], [["good", "bad"], ["fair"]])
    assert scores.tolist() == [3.0, -3.0, 0.0]
    assert linear(1.0, 0.0).score([], []).shape == (0,)


def test_its_first_gradient_is_that_of_bradley_terry() -> None:
    """d/dw -log sigmoid(2 w_0) at w = 0 is -(1/2) 2 = -1."""
    pair = Ranking(TASK, ("good", "bad"))
    (first,) = fit_rankings(linear(0.0, 0.0), [pair], BradleyTerry(), optimiser=AdamW(lr=0.0))
    assert first["loss"] == pytest.approx(math.log(2))
    assert first["grad_norm"] == pytest.approx(1.0)


def test_vectors_and_pictures_are_learned_from_rankings(tmp_path: Path) -> None:
    tower = FeatureScorer(nn.Sequential(nn.Conv2d(1, 2, 3), nn.Flatten(), nn.Linear(8, 1)))
    shown = {name: torch.full((1, 4, 4), value) for name, (value, _) in KNOWN.items()}
    pictures = Ranking(Task("p", "", columns={"features": shown}), ("good", "fair", "bad"))
    vectors = Ranking(TASK, ("good", "fair", "bad"))
    for model, ranking in ((linear(-1.0, 0.0), vectors), (tower, pictures)):
        fit_rankings(model, [ranking], PlackettLuce(), epochs=60, optimiser=AdamW(lr=0.1))
        found = ranked_right(model, [ranking])
        assert found is not None
        assert found.results == (1.0,)
        assert math.isnan(found.mean_length)
    tower.save(tmp_path / "model")
    saved = load_file(tmp_path / "model" / "model.safetensors")
    assert torch.equal(saved["2.weight"], tower.module.state_dict()["2.weight"])


def test_measuring_is_without_dropout_and_leaves_training_as_it_was() -> None:
    model = FeatureScorer(nn.Sequential(nn.Dropout(0.9), nn.Linear(2, 1)))
    first = model.module[0]  # type: ignore[index]
    pairs = [Ranking(TASK, ("good", "bad"))]
    results = {ranked_right(model, pairs).results for _ in range(20)}  # type: ignore[union-attr]
    assert len(results) == 1
    assert first.training


def test_what_does_not_fit_is_named() -> None:
    with pytest.raises(ValueError, match="task 'a' has no features of its response 'other'"):
        linear(0.0, 0.0).score([TASK], [["other"]])
    odd = Task("b", "", columns={"features": {"x": [1.0]}})
    with pytest.raises(ValueError, match=r"shape \(2,\) and of shape \(1,\)"):
        linear(0.0, 0.0).score([TASK, odd], [["good"], ["x"]])


def test_margins_that_would_go_unused_are_refused() -> None:
    pairs = [Ranking(TASK, ("good", "bad"), 0.5), Ranking(TASK, ("fair", "bad"))]
    with pytest.raises(ValueError, match=r"PlackettLuce uses no margins, and 1 of 2 .*'a'"):
        fit_rankings(linear(0.0, 0.0), pairs, PlackettLuce())
    with pytest.raises(ValueError, match="no use for margins"):
        PlackettLuce()(torch.zeros(1, 2), margin=torch.tensor([0.5]))
    (first,) = fit_rankings(linear(0.0, 0.0), pairs, BradleyTerry(), optimiser=AdamW(lr=0.0))
    expected = (math.log(1 + math.exp(0.5)) + math.log(2)) / 2
    assert first["loss"] == pytest.approx(expected)
