"""ToolRL: the miniature in small, and the recipe in the real loop."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from guerdon.claims import toolrl as miniature
from guerdon.recipes import load_recipe, toolrl
from guerdon.records import Progress
from guerdon.rewards import ToolReward
from guerdon.rewards.actions.tool_calls import all_or_nothing
from guerdon.rewards.actions.tools import ThinkLength
from guerdon.rollout import Groups
from guerdon.stages import Sampling
from guerdon.training import Loop, PolicyRecipe, train


def test_calls_start_uniform_and_thoughts_short() -> None:
    tasks, policy = miniature.contexts(2), miniature.untrained()
    p = policy.log_probs(tasks).exp()
    assert len(tasks) == 20
    assert p[0, 1, :8].tolist() == pytest.approx([1 / 8] * 8)
    assert p[0, 2, :6].tolist() == pytest.approx([1 / 6] * 6)
    exact, words = miniature.figures(policy, tasks)
    assert exact == pytest.approx(1 / 4800, rel=1e-3)
    assert words == pytest.approx(1.3, abs=0.1)
    rarer, _ = miniature.figures(miniature.untrained(3), miniature.contexts(3))
    assert rarer == pytest.approx(1 / 48000, rel=1e-3)


def test_the_right_call_is_worth_four_and_form_always_holds() -> None:
    (task, *_) = miniature.contexts(2)
    rows = miniature.untrained().sample([task], 4, Sampling(), seed=0)
    calls = ("20000", "20001", "21000")
    texts = (*(miniature.write(task, tuple(c)) for c in calls), rows.texts[0])
    object.__setattr__(rows, "texts", texts)
    scores = ToolReward(released=True)(rows, Progress())
    assert scores.parts["format"].tolist() == [1] * 4
    assert scores.value[:3].tolist() == pytest.approx([4, 2.5, -2])
    coarse = ToolReward(credit=all_or_nothing, released=True)(rows, Progress())
    assert coarse.value[:3].tolist() == [4, -2, -2]


def test_the_arms_in_small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(miniature, "STEPS", 60)
    monkeypatch.setattr(miniature, "CONTEXTS", 2)
    told: list[float] = []
    graded = miniature.Miniature(ToolReward(released=True))(0, told.append)
    assert told[-1] == 1.0
    assert miniature.Miniature(ToolReward(released=True))(0, told.append) == graded
    assert graded["exact"] > 1 / 4800
    coarse = miniature.Miniature(ToolReward(credit=all_or_nothing, released=True))(0, told.append)
    assert coarse["silent groups"] > graded["silent groups"]
    longer = miniature.Miniature(ToolReward(length=ThinkLength(64), released=True))(0, told.append)
    assert longer["lengthening"] > 1.2


def test_recipe_is_listed_and_round_trips(tmp_path: Path) -> None:
    recipe = load_recipe("toolrl").build()
    recipe.save(tmp_path / "recipe.yaml")
    assert PolicyRecipe.load(tmp_path / "recipe.yaml") == recipe


def test_runs_on_the_seedling() -> None:
    loop = Loop(steps=2, groups=3, evaluation_tasks=4, checkpoint_every=0)
    result = train(toolrl.build(loop=loop, sampler=Groups(4)), quiet=True)
    assert len(result.history) == 2
    assert all(torch.isfinite(p).all() for p in result.model.module.parameters())
