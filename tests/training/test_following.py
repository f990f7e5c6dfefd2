"""Schedules that follow the run: figures of every kind, anywhere in a recipe, and after a break."""

from __future__ import annotations

import math
import shutil
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
import torch

from guerdon.objectives import KL, ClippedSurrogate
from guerdon.ranges import NonNegative, check_ranges
from guerdon.recipes.grpo import build
from guerdon.records import Progress, Rollouts, Scores
from guerdon.rollout import Groups
from guerdon.schedules import Adaptive, adapt
from guerdon.stages import Sampling
from guerdon.training import AdamW, FixedReference, Loop, PolicyRecipe, train

LOOP = Loop(steps=4, groups=2, evaluation_tasks=2, checkpoint_every=2, epochs=2)


@dataclass(frozen=True)
class Sevens:
    """``weight`` for each "7"."""

    weight: NonNegative = 1.0

    def __post_init__(self) -> None:
        check_ranges(self)

    def __call__(self, rollouts: Rollouts, progress: Progress) -> Scores:
        return Scores(torch.tensor([self.weight * t.count("7") for t in rollouts.texts]))


def following(**changes: object) -> PolicyRecipe:
    """The KL coefficient follows the KL, and what a seven is worth follows the length."""
    settings = {
        "loop": LOOP,
        "sampler": Groups(4, Sampling(max_tokens=12)),
        "reward": Sevens(Adaptive(1.0, target=30.0, figure="length", horizon=1.0)),
        "objective": ClippedSurrogate(kl=KL(Adaptive(0.01, target=1e-3, horizon=2.0))),
        "reference": FixedReference(),
        "optimiser": AdamW(lr=1e-3),
    }
    return build(**{**settings, **changes})


def remembered(folder: Path, step: int) -> dict[str, float]:
    """Where each schedule stands in a run's checkpoint."""
    state = torch.load(folder / f"checkpoints/step-{step:06}/state.pt", weights_only=True)
    return {place: part["value"] for place, part in state["parts"].items() if "value" in part}


def moved(start: float, values: list[float], target: float, horizon: float) -> float:
    """Ziegler et al.'s rule, step by step."""
    for value in values:
        start *= 1 + min(max(value / target - 1, -0.2), 0.2) / horizon
    return start


def test_a_coefficient_and_a_reward_follow_the_figures_that_are_logged(tmp_path: Path) -> None:
    history = train(following(), tmp_path, quiet=True).history
    kl = moved(0.01, [h["kl"] for h in history], 1e-3, 2.0)
    length = moved(1.0, [h["length"] for h in history], 30.0, 1.0)
    assert remembered(tmp_path, 4) == pytest.approx(
        {"recipe.objective.kl.coefficient": kl, "recipe.reward.weight": length}
    )
    assert length == pytest.approx(0.8**4)  # a completion has at most 12 tokens
    assert kl != pytest.approx(0.01)


def test_a_run_that_was_broken_off_goes_on_where_its_schedules_stood(tmp_path: Path) -> None:
    whole, half = tmp_path / "whole", tmp_path / "half"
    train(following(), whole, quiet=True)
    shutil.copytree(whole, half)
    shutil.rmtree(half / "checkpoints/step-000004")
    assert remembered(half, 2) != remembered(whole, 4)
    train(following(), half, quiet=True, resume=True)
    assert remembered(half, 4) == remembered(whole, 4)


def test_above_its_target_it_rises_below_it_falls_and_by_a_fifth_at_most() -> None:
    for figure, factor in ((1.0, 1.2), (0.55, 1.1), (0.5, 1.0), (0.45, 0.9), (0.0, 0.8)):
        part = KL(Adaptive(0.1, target=0.5, horizon=1.0))
        assert adapt(part, {"kl": figure}) == set()
        assert part.coefficient(Progress()) == pytest.approx(0.1 * factor)
    # As often reckoned: 512 completions of a horizon of 10,000.
    part = KL(Adaptive(1e-3, target=5e-4, horizon=10_000 / 512))
    adapt(part, {"kl": math.inf, "length": 3.0})
    assert part.coefficient(Progress()) == 1e-3
    adapt(part, {"kl": 1.0})
    assert part.coefficient(Progress()) == pytest.approx(1e-3 * (1 + 0.2 * 512 / 10_000))


def test_a_figure_that_is_not_there_is_said_once(capsys: pytest.CaptureFixture[str]) -> None:
    recipe = following(
        loop=replace(LOOP, steps=2),
        reward=Sevens(),
        objective=ClippedSurrogate(clip_high=Adaptive(0.2, target=1.0, figure="kl")),
    )
    train(recipe, quiet=True)
    told = capsys.readouterr().err
    assert told.count("objective.clip_high follows the figure 'kl', which this run does") == 1
    assert "reward" in told.partition("it has ")[2]


def test_a_batch_that_is_made_ahead_can_follow_nothing() -> None:
    with pytest.raises(ValueError, match=r"reward\.weight follows the figure 'length'.*set loop"):
        following(loop=replace(LOOP, ahead=1))
    train(following(loop=replace(LOOP, ahead=1, steps=2), reward=Sevens()), quiet=True)
