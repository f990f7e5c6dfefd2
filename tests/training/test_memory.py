"""Memory that lies deep in a composition is in the checkpoint."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
import torch

from guerdon.recipes.grpo import build
from guerdon.records import Progress, Rollouts, Scores
from guerdon.rewards import (
    CosineLength,
    FormatReward,
    Gate,
    LengthReward,
    Maximum,
    OnlyIfWrong,
    Product,
    Router,
    WeightedSum,
)
from guerdon.rollout import Groups
from guerdon.shaping import Annealed, Chain, RunningStandardise
from guerdon.training import Loop, train


@dataclass(frozen=True)
class Fading:
    """Pays for length, and less the more rows it has seen."""

    seen: list[int] = field(default_factory=lambda: [0], init=False, compare=False)

    def __call__(self, rollouts: Rollouts, progress: Progress) -> Scores:
        self.seen[0] += len(rollouts)
        return Scores(0.4 * rollouts.mask.sum(1) / rollouts.mask.shape[1] / self.seen[0])

    def state_dict(self) -> dict[str, Any]:
        return {"seen": self.seen[0]}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self.seen[0] = state["seen"]


def nested() -> WeightedSum:
    """Every reward that is made of rewards, one inside the other."""
    length = CosineLength(Fading(), limit=200)
    best = Maximum({"product": Product({"fading": Fading(), "length": length})})
    second = OnlyIfWrong(Fading(), best)
    routed = Router({"sums": LengthReward()}, otherwise=second)
    return WeightedSum({"gate": Gate(LengthReward(), routed), "format": FormatReward()})


def figures(folder: Path) -> list[dict[str, Any]]:
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    timed = ("seconds/", "tokens_per_second")
    return [{k: v for k, v in line.items() if not k.startswith(timed)} for line in lines]


def test_a_run_stopped_in_the_middle_remembers(tmp_path: Path) -> None:
    recipe = build(
        reward=nested(),
        shaping=(Chain((Annealed(Chain((RunningStandardise(),))),)),),
        sampler=Groups(4),
        loop=Loop(steps=4, groups=2, evaluation_tasks=2, checkpoint_every=2),
    )
    train(recipe, tmp_path / "whole", quiet=True)
    train(recipe, tmp_path / "broken", quiet=True, stop_after=2)
    train(recipe, tmp_path / "broken", quiet=True, resume=True)
    assert figures(tmp_path / "broken") == figures(tmp_path / "whole")
    state = torch.load(tmp_path / "whole/checkpoints/step-000004/state.pt", weights_only=True)
    otherwise = "recipe.reward.rewards.gate.then.otherwise"
    product = f"{otherwise}.then.rewards.product.rewards"
    assert state["parts"].keys() == {
        f"{otherwise}.first",
        f"{product}.fading",
        f"{product}.length.correct",
        "recipe.shaping[0].shapers[0].shaper.shapers[0]",
        "recipe.curriculum",
    }
    with pytest.raises(ValueError, match=r"another recipe: recipe\.shaping.* is not in both"):
        train(replace(recipe, shaping=()), tmp_path / "broken", quiet=True, resume=True)
