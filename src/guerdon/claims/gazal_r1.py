"""Gazal-R1 in miniature.

The miniature is of the adapter: rank 4, 16 or 64 beside a fixed 64x64 layer must learn a change of
full rank by gradient descent at one rate, 200 steps, alpha 16. Scale alpha/r against
alpha/sqrt(r). The rate, 0.005, is the one at which the *baseline* is nearest to its pilot figures,
on seeds that the claim does not use. Left out: hacking by repetition.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from guerdon.recipes.gazal_r1 import SLUG
from guerdon.reproduction import Claim, Expectation, Report

SIZE = 64
ALPHA = 16
STEPS = 200
RATE = 0.005
RANKS = (4, 16, 64)


def adapted(rank: int, scaled_by_root: bool) -> Any:
    """A layer without bias under a LoRA or rsLoRA adapter of peft's."""
    from peft import LoraConfig, get_peft_model

    layer = nn.Sequential(nn.Linear(SIZE, SIZE, bias=False))
    settings = LoraConfig(r=rank, lora_alpha=ALPHA, target_modules=["0"], use_rslora=scaled_by_root)
    return get_peft_model(layer, settings)


@dataclass(frozen=True)
class Miniature:
    """One arm: which scale; every rank is tried."""

    scaled_by_root: bool

    def __call__(self, seed: int, report: Report) -> dict[str, float]:
        figures = {}
        for rank in RANKS:
            torch.manual_seed(seed)
            wanted = torch.randn(SIZE, SIZE) / math.sqrt(SIZE)
            model = adapted(rank, self.scaled_by_root)
            before = model(torch.eye(SIZE)).detach()
            learned = [p for p in model.parameters() if p.requires_grad]
            optimiser = torch.optim.SGD(learned, lr=RATE)
            for _ in range(STEPS):
                optimiser.zero_grad()
                gap = model(torch.eye(SIZE)) - before - wanted
                (0.5 * gap.square().sum()).backward()
                optimiser.step()
            residual = model(torch.eye(SIZE)).detach() - before - wanted
            figures[f"residual, rank {rank}"] = (residual.norm() / wanted.norm()).item()
        report(1.0)
        gained = figures["residual, rank 4"] - figures["residual, rank 64"]
        return {**figures, "gained by rank": gained}


def claim() -> Claim:
    """Scaled by the root, a larger rank learns more; scaled by the rank, it does not."""
    plain, root = "alpha / r", "alpha / sqrt(r)"
    return Claim(
        slug=SLUG,
        statement="Adapters scaled by the root of their rank learn more at higher rank",
        arms={plain: Miniature(False), root: Miniature(True)},
        metric="residual, rank 64",
        expectations=(
            Expectation(plain, root, "residual, rank 64", matters=0.2),
            Expectation(root, 0.2, "gained by rank", why="more rank, more learned"),
            Expectation(0.1, plain, "gained by rank", why="not so without the root"),
        ),
        seeds=6,
    )
