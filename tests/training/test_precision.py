"""Device and precision: settings that are checked, and bfloat16 that trains on a processor."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch
from making import ShareOfSevens

from guerdon.recipes.grpo import build
from guerdon.rollout import Groups, LanguagePolicy
from guerdon.stages import Sampling
from guerdon.training import Loop, Model, train


def test_mixed_precision_computes_in_bfloat16_and_keeps_weights_and_gradients() -> None:
    plain = LanguagePolicy.load()
    mixed = LanguagePolicy.load(mixed_precision="bf16")
    rollouts = mixed.sample(build().tasks.load("train")[:2], 4, Sampling(), 0)
    exact = plain.forward(rollouts).logps.detach()
    now = mixed.forward(rollouts).logps
    assert mixed.shared_prefix.shares == {"prompts": True}
    assert now.dtype == torch.float32
    gap = (now.detach() - exact).abs()
    assert 1e-4 < gap.max() < 0.2  # bfloat16 has 8 bits: rounded, and not far off
    assert (rollouts.logps - now.detach()).abs().max() < 0.2
    now.sum().backward()
    for p in mixed.module.parameters():
        assert p.dtype == torch.float32
        assert p.grad is not None
        assert p.grad.dtype == torch.float32


@pytest.mark.parametrize("model", [Model(mixed_precision="bf16"), Model(dtype="bfloat16")])
def test_a_step_in_bfloat16(model: Model) -> None:
    loop = Loop(steps=1, groups=4, evaluation_tasks=0, checkpoint_every=0)
    recipe = build(loop=loop, sampler=Groups(4), model=model, reward=ShareOfSevens())
    start = [p.detach().clone() for p in LanguagePolicy.load(dtype=model.dtype).module.parameters()]
    result = train(replace(recipe, tasks=replace(recipe.tasks, test=0)), quiet=True)
    assert math.isfinite(result.history[0]["grad_norm"])
    end = list(result.model.module.parameters())
    assert {p.dtype for p in end} == {getattr(torch, model.dtype)}
    assert any(not torch.equal(a, b) for a, b in zip(start, end, strict=True))


def test_auto_is_what_accelerate_launch_was_told(monkeypatch) -> None:
    monkeypatch.delenv("ACCELERATE_MIXED_PRECISION", raising=False)
    assert not LanguagePolicy.load().mixed
    monkeypatch.setenv("ACCELERATE_MIXED_PRECISION", "bf16")
    assert LanguagePolicy.load().mixed
    assert not LanguagePolicy.load(mixed_precision="no").mixed
    monkeypatch.setenv("ACCELERATE_MIXED_PRECISION", "fp16")
    with pytest.raises(ValueError, match=r"model\.mixed_precision is 'auto'.*'fp16'; use 'bf16'"):
        LanguagePolicy.load()


def test_devices_are_taken_by_name() -> None:
    assert LanguagePolicy.load(device="cpu").model.device.type == "cpu"
    with pytest.raises(ValueError, match=r"model\.device is 'abacus'.*use 'auto' or 'cpu'"):
        LanguagePolicy.load(device="abacus")
    with pytest.raises(ValueError, match=r"model\.device is 'cuda:99'"):
        LanguagePolicy.load(device="cuda:99")
