"""The compositions by name hold what their papers say, and run in the real loop."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch

from guerdon.advantages import GAE, GroupNormalised, LeaveOneOut, NoScale, ReinforcePlusPlus
from guerdon.curriculum import Informative
from guerdon.objectives import (
    CISPO,
    DPO,
    GSPO,
    PPO,
    ClippedSurrogate,
    ConstantLength,
    PolicyGradient,
    SequenceMean,
    SequenceSumMean,
    TokenMean,
)
from guerdon.recipes import build_recipe, load_recipe, named_recipes
from guerdon.shaping import KLPenalty, OverlongPenalty
from guerdon.training import FixedReference, NoReference

NONE = NoReference()
FIXED = FixedReference()

DEFINITIONS: dict[str, dict[str, Any]] = {
    "dr-grpo": {
        "advantage": GroupNormalised(scale=NoScale()),
        "objective": ClippedSurrogate(aggregation=ConstantLength(48)),
        "reference": NONE,
    },
    "dapo": {
        "advantage": GroupNormalised(),
        "objective": ClippedSurrogate(clip_low=0.2, clip_high=0.28, aggregation=TokenMean()),
        "reference": NONE,
        "filter": Informative(),
        "shaping": (OverlongPenalty(limit=48, buffer=9),),
    },
    "rloo": {
        "advantage": LeaveOneOut(),
        "objective": PolicyGradient(aggregation=SequenceSumMean()),
        "reference": FIXED,
        "shaping": (KLPenalty(0.05),),
    },
    "gspo": {
        "advantage": GroupNormalised(),
        "objective": GSPO(clip_low=3e-4, clip_high=4e-4, aggregation=SequenceMean()),
        "reference": NONE,
    },
    "cispo": {
        "advantage": GroupNormalised(),
        "objective": CISPO(clip_low=10, clip_high=0.2, aggregation=TokenMean()),
        "reference": NONE,
    },
    "reinforce++": {
        "advantage": ReinforcePlusPlus(1.0),
        "objective": ClippedSurrogate(clip_low=0.2, clip_high=0.2),
        "reference": FIXED,
        "shaping": (KLPenalty(0.001),),
    },
    "ppo": {
        "advantage": GAE(discount=1.0, lam=0.95, whitened=True),
        "objective": PPO(clip_low=0.2, clip_high=0.2, value_weight=0.1, value_clip=0.2),
        "reference": FIXED,
        "shaping": (KLPenalty(0.05),),
    },
}

GROUP_AND_UPDATES = {
    "dr-grpo": (8, 1),
    "dapo": (16, 16),
    "rloo": (4, 1),
    "gspo": (8, 4),
    "cispo": (8, 4),
    "reinforce++": (1, 1),
    "ppo": (1, 4),
}
"""Completions a task, and updates for each batch of them: clipping acts from the second on."""


@pytest.mark.parametrize("name", DEFINITIONS)
def test_a_composition_is_what_its_paper_says(name: str) -> None:
    recipe, grpo = build_recipe(name), build_recipe("grpo")
    assert recipe.name == name
    assert {place: getattr(recipe, place) for place in DEFINITIONS[name]} == DEFINITIONS[name]
    loop = recipe.loop
    batch = loop.groups * recipe.sampler.size
    updates = loop.epochs * (batch // loop.minibatch if loop.minibatch else 1)
    assert (recipe.sampler.size, updates) == GROUP_AND_UPDATES[name]
    assert recipe.model.value_head == (name == "ppo")
    # What is the task's and the model's stays, so that they can be compared.
    for place in ("tasks", "reward", "optimiser", "curriculum"):
        assert getattr(recipe, place) == getattr(grpo, place)
    assert recipe.sampler.sampling == grpo.sampler.sampling
    assert (loop.steps, loop.seed) == (grpo.loop.steps, grpo.loop.seed)


def test_every_name_is_told_and_none_is_a_system() -> None:
    assert set(named_recipes()) == {*DEFINITIONS, "dpo", "reward-model", "sft"}
    for name, told in named_recipes().items():
        assert told
        with pytest.raises(ValueError, match="there is no recipe"):
            load_recipe(name)


def test_dpo_learns_from_pairs() -> None:
    recipe = build_recipe("dpo", pairs="pairs.jsonl")
    assert (recipe.name, recipe.objective) == ("dpo", DPO(beta=0.1))
    assert recipe.pairs.path == "pairs.jsonl"


@pytest.mark.parametrize("name", DEFINITIONS)
def test_runs(name: str) -> None:
    recipe = build_recipe(name)
    small = replace(
        recipe.loop,
        steps=1,
        groups=4,
        evaluation_tasks=2,
        checkpoint_every=0,
        resample=1,
        minibatch=4 if recipe.loop.minibatch else 0,
    )
    few = replace(recipe.sampler, size=min(recipe.sampler.size, 4))
    result = replace(recipe, loop=small, sampler=few).run(quiet=True)
    assert len(result.history) == 1
    assert all(torch.isfinite(p).all() for p in result.model.module.parameters())


@pytest.mark.parametrize(
    ("wrong", "meant"),
    [
        ("DR_GRPO", "did you mean 'dr-grpo'?"),
        ("gpso", "did you mean 'gspo'"),
        ("reinforce", "did you mean 'reinforce++'"),
        ("gigop", "did you mean 'gigpo'"),
        ("zzz", "the recipes are bleuberi"),
    ],
)
def test_an_unknown_name_is_told_the_nearest(wrong: str, meant: str) -> None:
    with pytest.raises(ValueError, match=r"there is no recipe") as caught:
        build_recipe(wrong)
    assert meant in str(caught.value)
    assert "guerdon recipes" in str(caught.value)


@pytest.mark.parametrize(
    ("name", "field"), [("dpo", "pairs"), ("reward-model", "pairs"), ("sft", "demonstrations")]
)
def test_what_reads_a_file_says_so(name: str, field: str) -> None:
    with pytest.raises(ValueError, match=f"{name} learns from {field}: give --{field} FILE"):
        build_recipe(name)
    assert getattr(build_recipe(name, **{field: "f.jsonl"}), field).path == "f.jsonl"
