"""Preference as reward: the recipe in the real loop, and its miniature in small."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from guerdon.claims import par as miniature
from guerdon.recipes import load_recipe, par
from guerdon.records import Progress, Scores
from guerdon.rollout import Groups
from guerdon.shaping import Affine, Proportional, RunningStandardise, Transform, WithReferences
from guerdon.tasks import FactQuestions, PreparedTasks
from guerdon.training import Loop, PolicyRecipe, train


def test_the_world_is_hacked_in_twelve_places() -> None:
    prior, gold, proxy, rows = miniature.world(0, 10)
    assert prior.sum().item() == pytest.approx(1.0, abs=1e-5)
    assert (prior > 0).all()
    gap = proxy - gold
    assert (gap > 2.5).sum().item() == pytest.approx(12, abs=2)  # noise of 0.5 on 4.5 to 7.5
    assert len(rows) == 400
    assert len(rows.tasks[0].columns["reference_rewards"]) == 10


def test_arms_share_the_world_and_one_reference_is_the_first_of_ten() -> None:
    ten, one = miniature.world(3, 10), miniature.world(3, 1)
    assert all(torch.equal(a, b) for a, b in zip(ten[:3], one[:3], strict=True))
    first = ten[3].tasks[0].columns["reference_rewards"][:1]
    assert one[3].tasks[0].columns["reference_rewards"] == first


def test_par_pays_by_rows() -> None:
    _, _, proxy, rows = miniature.world(0, 1)
    reference = rows.tasks[0].columns["reference_rewards"][0]
    made = Transform()(Scores(proxy), rows, Progress()).value
    assert made.tolist() == pytest.approx((proxy - reference).sigmoid().tolist(), abs=1e-6)


def test_centring_changes_nothing_and_scaling_only_the_speed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(miniature, "STEPS", 20)
    told: list[float] = []
    vanilla = miniature.Miniature(Affine())(0, told.append)
    assert told == [1.0]
    assert miniature.Miniature(Affine())(0, told.append) == vanilla
    centred = miniature.Miniature(Transform(Proportional()))(0, told.append)
    assert centred["final gold"] == pytest.approx(vanilla["final gold"], abs=1e-4)
    scaled = miniature.Miniature(RunningStandardise())(0, told.append)
    assert scaled["final gold"] != pytest.approx(vanilla["final gold"], abs=1e-4)
    allowed = miniature.Miniature(Affine(), allowance=0.2)(0, told.append)
    assert allowed["final gold within 0.2"] == pytest.approx(vanilla["final gold"] - 0.2)


def test_recipe_is_listed_and_round_trips(tmp_path: Path) -> None:
    recipe = load_recipe("par").build()
    recipe.save(tmp_path / "recipe.yaml")
    assert PolicyRecipe.load(tmp_path / "recipe.yaml") == recipe
    assert miniature.claim().seeds == 20


def test_runs_in_the_real_loop() -> None:
    recipe = par.build()
    assert isinstance(recipe.tasks, PreparedTasks)
    tasks = PreparedTasks(FactQuestions(train=8, test=4), WithReferences(recipe.reward, count=2))
    loop = Loop(steps=2, groups=2, evaluation_tasks=4, checkpoint_every=0)
    result = train(par.build(tasks=tasks, loop=loop, sampler=Groups(4)), quiet=True)
    assert len(result.history) == 2
    assert all(torch.isfinite(p).all() for p in result.model.module.parameters())
