"""Adapters in the loop: only they change, a resumed run is the same run, and they load again."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from making import ShareOfSevens

from guerdon.recipes.grpo import build
from guerdon.rollout import Groups, LanguagePolicy
from guerdon.stages import Sampling
from guerdon.training import Loop, Model, PolicyRecipe, train
from guerdon.training.checkpoint import latest_checkpoint, load_checkpoint

LOOP = Loop(steps=2, groups=4, evaluation_tasks=0, checkpoint_every=1)


def recipe(adapter: str) -> PolicyRecipe:
    whole = build(
        loop=LOOP, sampler=Groups(4), model=Model(adapter=adapter, rank=4), reward=ShareOfSevens()
    )
    return replace(whole, tasks=replace(whole.tasks, test=0))


@pytest.mark.parametrize("adapter", ["lora", "dora", "rslora", "rsdora"])
def test_a_run_trains_the_adapter_alone_and_resumes(adapter: str, tmp_path: Path) -> None:
    start = LanguagePolicy.load()
    whole = train(recipe(adapter), tmp_path / "whole", quiet=True).model
    assert isinstance(whole, LanguagePolicy)
    plain = {
        name.removeprefix("base_model.model.").replace(".base_layer.", "."): weight
        for name, weight in whole.model.named_parameters()
        if ".lora_" not in name
    }
    base = dict(start.model.named_parameters())
    assert plain.keys() == base.keys()
    assert all(torch.equal(plain[name], base[name]) for name in base)
    rollouts = start.sample(build().tasks.load("train")[:2], 2, Sampling(), 0)
    with torch.no_grad():
        trained = whole.forward(rollouts).logps
        assert (trained - start.forward(rollouts).logps).abs().max() > 1e-4

    train(recipe(adapter), tmp_path / "broken", quiet=True, stop_after=1)
    newest = latest_checkpoint(tmp_path / "broken" / "checkpoints")
    assert newest is not None
    saved = load_checkpoint(newest)["memory"]["learner"]["weights"]
    assert {n for n, _ in whole.module.named_parameters() if ".lora_" in n} == saved.keys()
    resumed = train(recipe(adapter), tmp_path / "broken", quiet=True, resume=True).model
    theirs = dict(resumed.module.named_parameters())
    assert all(torch.equal(p, theirs[name]) for name, p in whole.module.named_parameters())

    loaded = LanguagePolicy.load(str(tmp_path / "whole" / "model"))
    with torch.no_grad():
        torch.testing.assert_close(loaded.forward(rollouts).logps, trained, atol=1e-4, rtol=0)
    assert all(p.requires_grad for p in loaded.module.parameters())
