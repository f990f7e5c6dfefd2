"""Multi-objective GRPO: the recipe in the real loop, and its miniature in small."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from guerdon.claims import mo_grpo as miniature
from guerdon.recipes import load_recipe, mo_grpo
from guerdon.rollout import Groups
from guerdon.shaping import WeightedParts
from guerdon.training import Loop, PolicyRecipe, train


def test_the_regression_finds_the_aspects() -> None:
    true, heads = miniature.world(0)
    assert torch.allclose(true.norm(dim=1), torch.ones(4), atol=1e-5)
    angle = torch.nn.functional.cosine_similarity(true, heads)
    assert (angle > 0.98).all()
    assert true[3] @ true[2] < 0.4  # safety is drawn away from actionability


def test_paying_one_aspect_raises_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(miniature, "STEPS", 40)
    told: list[float] = []
    alone = miniature.Miniature({"safe": 1.0})
    assert alone(0, told.append) == alone(0, told.append)
    assert told == [1.0, 1.0]
    together = miniature.Miniature(dict.fromkeys(miniature.ASPECTS, 0.25))
    assert together(0, told.append)["lowest change"] > alone(0, told.append)["lowest change"]


def test_a_single_part_correlates_with_itself_fully() -> None:
    only = miniature.Influence(WeightedParts({"polite": 1.0}))(0, [].append)
    assert only["correlation"] == pytest.approx(1.0, abs=1e-4)
    assert only["gap of correlations"] == pytest.approx(1.0, abs=0.1)


def test_arms_report_what_the_claim_names(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(miniature, "STEPS", 2)
    claim = miniature.claim()
    figures = {name: arm(0, [].append) for name, arm in claim.arms.items()}
    for expectation in claim.expectations:
        assert all(expectation.metric in figures[arm] for arm in expectation.arms)


def test_recipe_is_listed_and_round_trips(tmp_path: Path) -> None:
    recipe = load_recipe("mo-grpo").build()
    recipe.save(tmp_path / "recipe.yaml")
    assert PolicyRecipe.load(tmp_path / "recipe.yaml") == recipe


def test_runs_in_the_real_loop() -> None:
    loop = Loop(steps=2, groups=2, evaluation_tasks=4, checkpoint_every=0)
    result = train(mo_grpo.build(loop=loop, sampler=Groups(4)), quiet=True)
    assert len(result.history) == 2
    assert all(torch.isfinite(p).all() for p in result.model.module.parameters())
