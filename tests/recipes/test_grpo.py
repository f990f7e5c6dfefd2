"""The default recipe: its run in the real loop, and its miniature in small."""

from __future__ import annotations

import torch

from guerdon.recipes import grpo
from guerdon.rollout import Groups
from guerdon.training import Loop, train


def test_runs_the_default_recipe() -> None:
    loop = Loop(steps=1, groups=2, evaluation_tasks=4, checkpoint_every=0)
    result = train(grpo.build(loop=loop, sampler=Groups(4)), quiet=True)
    assert len(result.history) == 1
    assert result.before is not None
    assert result.after is not None
    assert all(torch.isfinite(p).all() for p in result.model.module.parameters())
