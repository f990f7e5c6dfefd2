"""Clip and Delta: the recipe in the real loop, and its miniature in small."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from guerdon.claims import clip_delta as miniature
from guerdon.recipes import clip_delta, load_recipe
from guerdon.records import Progress, Task
from guerdon.rewards import EnvironmentReturn
from guerdon.rollout import Groups, TabularPolicy
from guerdon.shaping import Delta, StepRewards
from guerdon.stages import Sampling
from guerdon.training import Loop, PolicyRecipe, train

CHAIN = Task("chain", "", columns={"environment": miniature.Chain})
STATES = [(done, right) for done in range(3) for right in (True, False)]


def always(*chances: float, rows: int = 4) -> torch.Tensor:
    policy = TabularPolicy(
        STATES, miniature.Chain.actions, torch.tensor(chances).log().expand(6, -1)
    )
    made = policy.sample([CHAIN], rows, Sampling(max_turns=24), 0)
    value: torch.Tensor = EnvironmentReturn()(made, Progress()).value
    assert (made.lengths == (24 if chances[2] == 1 else 3)).all()
    return value


def test_the_chain_pays_three_right_steps_only() -> None:
    assert always(1.0, 0.0, 0.0).tolist() == [1.0] * 4
    assert always(0.0, 1.0, 0.0).tolist() == [0.0] * 4
    assert always(0.0, 0.0, 1.0).tolist() == [0.0] * 4


def test_steps_are_rated_by_what_they_are() -> None:
    rated = miniature.rated(CHAIN, ["right", "slip", "restate"])
    assert rated == pytest.approx([0.95, 0.2, 0.95], abs=0.25)
    assert miniature.rated(CHAIN, ["right", "slip", "restate"]) == rated


def test_written_sums_are_checked() -> None:
    steps = ["<think>carry:", "7+8=15", "12-7-1=5"]
    assert clip_delta.checked(CHAIN, steps) == [0.95, 0.95, 0.2]


def test_arms_share_their_first_samples_and_repeat(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(miniature, "UPDATES", 5)
    claim = miniature.claim()
    told: list[float] = []
    figures = {name: arm(0, told.append) for name, arm in claim.arms.items()}
    assert told[4] == 1.0
    assert claim.arms["delta"](0, told.append) == figures["delta"]
    assert figures["raw"] != figures["clip"]
    for expectation in claim.expectations:
        assert all(expectation.metric in figures[arm] for arm in expectation.arms)
    assert figures["outcome"]["accuracy at the start"] == pytest.approx((0.73 / 0.93) ** 3)


def test_with_the_last_step_scored_putting_the_end_off_earns_nothing() -> None:
    """Scores .9, .8, .6: returns to go are the scores, .6 for the last; Delta gives it 0."""
    scores = torch.tensor([0.9, 0.8, 0.6])
    scored = miniature.to_the_end(scores)
    assert scored.tolist() == pytest.approx([0.1, 0.2, 0.6])
    assert scored.flip(0).cumsum(0).flip(0).tolist() == pytest.approx([0.9, 0.8, 0.6])
    assert Delta()(scores).tolist() == pytest.approx([0.1, 0.8, 0.0])
    assert miniature.to_the_end(scores[:1]).tolist() == pytest.approx([0.9])
    assert miniature.to_the_end(scores[:0]).tolist() == []


def test_recipe_is_listed_and_round_trips(tmp_path: Path) -> None:
    recipe = load_recipe("clip-delta").build()
    recipe.save(tmp_path / "recipe.yaml")
    assert PolicyRecipe.load(tmp_path / "recipe.yaml") == recipe


def test_runs_in_the_real_loop_and_sees_steps() -> None:
    recipe = clip_delta.build(
        sampler=Groups(4), loop=Loop(steps=2, groups=2, evaluation_tasks=4, checkpoint_every=0)
    )
    result = train(recipe, quiet=True)
    assert len(result.history) == 2
    assert all(torch.isfinite(p).all() for p in result.model.module.parameters())
    rows = result.model.sample(recipe.tasks.load("train")[:4], 2, recipe.sampler.sampling, 0)
    (shaper,) = recipe.shaping
    assert isinstance(shaper, StepRewards)
    ends = shaper.ends(rows).sum(1)
    assert (ends >= 1).all()
    spaces = torch.tensor([text.count(" ") for text in rows.texts])
    assert (ends <= spaces + 1).all()
    assert (ends > 1).any()
