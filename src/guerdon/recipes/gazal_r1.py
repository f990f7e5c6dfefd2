"""Gazal-R1: adapters whose scale suits their rank, and a reward of several parts.

Paper: Gazal-R1 (2506.21594; its weights and settings are unconfirmed). Changed against GRPO: the
model trains an adapter only, and the reward adds form (0.2), the share of reasoning stages (0.2), a
penalty for repetition (0.3) and accuracy that depends on length (`CosineLength`) and counts only in
form. Left out: medicine, the 107,000 cases of the first stage, and DoRA together with rsLoRA: the
adapter is one of the two. The real run: choices among numbers on the seedling, right where the box
has the letter; it writes no clinical stages, so that term is left to real models.

The miniature is of the adapter: rank 4, 16 or 64 beside a fixed 64x64 layer must learn a change of
full rank by gradient descent at one rate, 200 steps, alpha 16. Scale alpha/r against
alpha/sqrt(r). The rate, 0.005, is the one at which the *baseline* is nearest to its pilot figures,
on seeds that the claim does not use. Left out: hacking by repetition.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import nn

from guerdon.objectives import KL, ClippedSurrogate
from guerdon.recipes import Paper
from guerdon.reproduction import Claim, Expectation, Report
from guerdon.rewards import (
    Boxed,
    ChoiceCredit,
    CosineLength,
    FormatReward,
    Gate,
    RepetitionPenalty,
    StageShare,
    WeightedSum,
)
from guerdon.stages import Reward
from guerdon.tasks import MultipleChoice
from guerdon.training import AdapterOffReference, Loop, Model, Optimiser, PolicyRecipe

SLUG = "gazal-r1"
PAPER = Paper(
    "Gazal-R1: Achieving State-of-the-Art Medical Reasoning with Parameter-Efficient Two-Stage "
    "Training",
    "2506.21594",
)


def composite(stages: float = 0.2) -> WeightedSum:
    """The reward; ``stages`` weighs the reasoning stages, 0 leaves them out."""
    right = ChoiceCredit(extract=(Boxed(),))
    form = FormatReward(require_order=True, box_in="answer")
    parts: dict[str, Reward] = {
        "accuracy": Gate(form, CosineLength(right, limit=64, exceeded=-0.5)),
        "form": form,
        "repetition": RepetitionPenalty(),
        "stages": StageShare(),
    }
    return WeightedSum(parts, {"form": 0.2, "repetition": 0.3, "stages": stages})


def build(**overrides: Any) -> PolicyRecipe:
    """The real run: an rsLoRA adapter on the seedling, which chooses among numbers."""
    recipe = PolicyRecipe(
        name=SLUG,
        model=Model(adapter="rslora", rank=8),
        tasks=MultipleChoice(),
        reward=composite(stages=0.0),
        objective=ClippedSurrogate(kl=KL(0.01)),
        reference=AdapterOffReference(),
        optimiser=Optimiser(lr=5e-4),
        loop=Loop(steps=50, groups=16, group_size=8),
    )
    return replace(recipe, **overrides)


SIZE, ALPHA, STEPS, RATE, RANKS = 64, 16, 200, 0.005, (4, 16, 64)


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
