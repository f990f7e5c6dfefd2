"""Reasoning-SQL: the miniature in small, and the recipe in the real loop."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from guerdon.claims import reasoning_sql as miniature
from guerdon.recipes import load_recipe, reasoning_sql
from guerdon.records import Progress
from guerdon.rewards.programs.sql import SqlQuestion
from guerdon.rollout import Groups, SlotPolicy
from guerdon.stages import Sampling
from guerdon.training import Loop, PolicyRecipe, train

pytest.importorskip("sqlglot")


def test_every_reference_query_can_be_chosen_and_finds_some_rows() -> None:
    tasks = miniature.Questions().load("train")
    policy = SlotPolicy([t.id for t in tasks], miniature.CHOICES, miniature.write)
    rows = policy.sample(tasks, 1, Sampling(), seed=0)
    object.__setattr__(rows, "texts", tuple(f"<answer>{task.answer}</answer>" for task in tasks))
    scores = reasoning_sql.PARTIAL(rows, Progress())
    assert scores.value.tolist() == [7.0] * len(tasks)
    written = {miniature.write(tasks[0], c) for c in _all_choices(tasks[0].answer)}
    assert f"<answer>{tasks[0].answer}</answer>" in written
    assert math.prod(map(len, miniature.CHOICES)) == 10_368


def _all_choices(query: str) -> list[list[str]]:
    """The choices that occur in a query, or the first of a slot where none does."""
    words = query.replace(" ORDER BY 1", "").split()
    return [[words[1], words[3], words[5], words[6], words[7], ""]]


def test_arms_differ_in_what_they_pay() -> None:
    tasks = miniature.Questions().load("train")
    policy = SlotPolicy([t.id for t in tasks], miniature.CHOICES, miniature.write)
    rows = policy.sample(tasks, 8, Sampling(), seed=0)
    alone = miniature.EXECUTION(rows, Progress())
    partial = reasoning_sql.PARTIAL(rows, Progress())
    judged = replace(reasoning_sql.PARTIAL, judge=miniature.words_in_common)(rows, Progress())
    assert set(alone.value.tolist()) <= {0.0, 1.0}
    assert (partial.value >= 1).all()
    assert len(set(partial.value.tolist())) > 5
    wrong = alone.value == 0
    assert (judged.value[wrong] > partial.value[wrong]).all()
    question = SqlQuestion("q", "s", "SELECT a FROM t", "SELECT b FROM t")
    assert miniature.words_in_common([question]) == [3 / 5]


def test_the_arms_in_small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(miniature, "STEPS", 6)
    monkeypatch.setattr(miniature, "MIDWAY", 3)
    told: list[float] = []
    partial = miniature.Miniature(reasoning_sql.PARTIAL)(0, told.append)
    assert told == [1.0]
    assert miniature.Miniature(reasoning_sql.PARTIAL)(0, told.append) == partial
    alone = miniature.Miniature(miniature.EXECUTION)(0, told.append)
    assert alone["zero_std_share midway"] > partial["zero_std_share midway"]
    assert partial["syntax"] > alone["syntax"]


def test_recipe_is_listed_and_round_trips(tmp_path: Path) -> None:
    recipe = load_recipe("reasoning-sql").build()
    recipe.save(tmp_path / "recipe.yaml")
    assert PolicyRecipe.load(tmp_path / "recipe.yaml") == recipe


def test_runs_on_the_seedling() -> None:
    loop = Loop(steps=2, groups=3, evaluation_tasks=4, checkpoint_every=0)
    result = train(reasoning_sql.build(loop=loop, sampler=Groups(4)), quiet=True)
    assert len(result.history) == 2
    assert all(torch.isfinite(p).all() for p in result.model.module.parameters())
