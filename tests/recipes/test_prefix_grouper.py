"""Prefix Grouper: long prompts, the real loop, and the miniature in small."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest
import torch

from guerdon.claims import prefix_grouper as miniature
from guerdon.recipes import load_recipe, prefix_grouper
from guerdon.reproduction.memory import kept_bytes
from guerdon.rollout import Groups, LanguagePolicy
from guerdon.stages import Sampling
from guerdon.tasks import Arithmetic, WithExamples
from guerdon.training import Loop, PolicyRecipe, train


def test_examples_stand_before_the_question() -> None:
    source = Arithmetic(train=5)
    plain = source.load("train")
    tasks = WithExamples(source, 2).load("train")
    shown = [f"{t.text.strip()} {t.answer}\n" for t in plain]
    assert tasks[0].prompt == shown[1] + shown[2] + plain[0].text
    assert tasks[4].prompt == shown[0] + shown[1] + plain[4].text  # round and round
    assert [t.answer for t in tasks] == [t.answer for t in plain]
    assert [t.text for t in WithExamples(source, 0).load("train")] == [t.text for t in plain]


def test_sharing_keeps_less_for_the_backward_pass() -> None:
    tasks = WithExamples(Arithmetic(train=64), 10).load("train")[:1]
    kept = {}
    for shared in (True, False):
        policy = LanguagePolicy.load(shared_prefix=shared)
        with torch.no_grad():
            rows = policy.sample(tasks, 6, Sampling(max_tokens=6), 0)
        kept[shared] = kept_bytes(policy.module, partial(policy.forward, rows))
    assert kept[True] < kept[False] / 2


def test_the_miniature_in_small(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"STEPS": 2, "GROUPS": 1, "GROUP": 4, "TOKENS": 20, "EXAMPLES": 3}.items():
        monkeypatch.setattr(miniature, name, value)
    told: list[float] = []
    apart = miniature.gap(0, told.append)
    assert told == [0.5, 1.0] * 2
    assert apart["weights apart"] < 1e-4 < apart["weights moved"]
    assert apart["rewards apart"] == 0
    assert set(miniature.cost(True, 0, told.append)) >= {"log2 seconds", "log2 kept bytes"}


def test_recipe_is_listed_and_round_trips(tmp_path: Path) -> None:
    recipe = load_recipe("prefix-grouper").build()
    recipe.save(tmp_path / "recipe.yaml")
    assert PolicyRecipe.load(tmp_path / "recipe.yaml") == recipe


def test_runs() -> None:
    loop = Loop(steps=2, groups=2, evaluation_tasks=4, checkpoint_every=0)
    tasks = WithExamples(Arithmetic(), 5)
    recipe = prefix_grouper.build(loop=loop, tasks=tasks, sampler=Groups(3, Sampling(max_tokens=8)))
    assert len(train(recipe, quiet=True).history) == 2
