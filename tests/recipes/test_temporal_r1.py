"""Temporal-R1: selection by hand, the miniature in small, and the recipe in the real loop."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import pytest
import torch
from torch.nn.utils import parametrize

from guerdon.claims import temporal_r1 as miniature
from guerdon.curriculum import ByVariance, easy, hard
from guerdon.recipes import load_recipe, temporal_r1
from guerdon.records import Progress, Rollouts, Scores, Task
from guerdon.rewards import FormatReward, IntervalFormat, IntervalReward, WeightedSum
from guerdon.rollout import Groups, TabularPolicy
from guerdon.stages import Sampling
from guerdon.tasks import PreparedTasks, TextIntervals
from guerdon.training import Loop, PolicyRecipe, train

DRAWN = {
    "poor": [0, 0, 0.02, 0],
    "alike": [0.5, 0.5, 0.52, 0.5],
    "wavers": [0.2, 0.9, 0.5, 0.7],
    "never good": [0.0, 0.25, 0.25, 0.0],
    "wavers most": [0, 1, 0, 1],
}


@dataclass(frozen=True)
class Given:
    """The rewards that stand above."""

    def __call__(self, rollouts: Rollouts, progress: Progress) -> Scores:
        return Scores(torch.tensor([x for t in rollouts.tasks for x in DRAWN[t.id]]))


def chosen(**settings: object) -> list[str]:
    tasks = [Task(name, "") for name in DRAWN]
    part = replace(ByVariance(Given(), draws=4), **settings)
    return [t.id for t in part(TabularPolicy(list(DRAWN), ("a", "b")), tasks)]


def test_tasks_are_kept_where_rewards_vary_and_one_is_good() -> None:
    assert set(chosen()) == {"wavers", "wavers most"}
    assert chosen(count=1) == ["wavers most"]
    assert chosen(count=1, which=hard) == ["wavers"]
    assert set(chosen(good=0.2)) == {"wavers", "wavers most", "never good"}
    assert len(chosen(varied=0.0, good=0.0)) == 5
    assert chosen(varied=0.0, good=0.0, count=1, which=hard) == ["alike"]  # variance 7.5e-5
    with pytest.raises(ValueError, match=r"none of 5 tasks varies by 0\.9"):
        chosen(varied=0.9)


@dataclass(frozen=True)
class RightAnswers:
    """The first c of a task's rows are right, c the task's own number."""

    def __call__(self, rollouts: Rollouts, progress: Progress) -> Scores:
        place = torch.arange(len(rollouts)) % 8
        return Scores((place < torch.tensor(rollouts.column("right"))).float())


def test_of_choices_those_are_kept_that_are_right_at_times() -> None:
    """0 and 8 of 8 are left out; 3 of 8 varies by 3 5 / 64 = .234."""
    tasks = [Task(f"{c} of 8", "", columns={"right": c}) for c in (0, 3, 8, 4, 1)]
    policy = TabularPolicy([t.id for t in tasks], ("a", "b"))

    def kept(varied: float) -> list[str]:
        return [t.id for t in ByVariance(RightAnswers(), draws=8, varied=varied)(policy, tasks)]

    assert set(kept(0.01)) == {"3 of 8", "4 of 8", "1 of 8"}
    assert set(kept(0.234)) == {"3 of 8", "4 of 8"}
    assert kept(0.235) == ["4 of 8"]  # 16 / 64


def test_a_real_videos_form_is_quoted_and_its_time_is_read_either_way() -> None:
    judged = {"overlap": IntervalReward(), "form": IntervalFormat()}
    reward = WeightedSum(judged, {"overlap": 0.5, "form": 0.5})
    tasks = [Task("t", "", None, {"interval": (85, 139.5)})]
    times = ('"75", "end_time": "127"', '75, "end_time": 127', '"abc", "end_time": "127"')
    texts = tuple(f'<think>x</think><answer>{{"start_time": {t}}}</answer>' for t in times)
    rows = TabularPolicy(["t"], ("a",)).sample(tasks, 3, Sampling(), 0)
    scores = reward(replace(rows, texts=texts), Progress())
    assert scores.value.tolist() == pytest.approx([0.82558, 0.32558, 0], abs=1e-5)


def test_form_and_overlap_are_worth_a_half_each() -> None:
    tasks = [Task("t", "", None, {"interval": (85, 139.5)})]
    texts = ("<answer>[75,127]</answer>", "x<answer>[75,127]</answer>", "<answer>?</answer>")
    rows = TabularPolicy(["t"], ("a",)).sample(tasks, 3, Sampling(), 0)
    rows = replace(rows, texts=texts)
    judged = {"overlap": IntervalReward(), "form": FormatReward(sections=("answer",))}
    scores = WeightedSum(judged, {"overlap": 0.5, "form": 0.5})(rows, Progress())
    assert scores.value.tolist() == pytest.approx([0.82558, 0.32558, 0.5], abs=1e-5)


def test_logits_can_be_linear_in_features() -> None:
    features, truth = torch.randn(2, 9, 3), torch.tensor([1.0, 2.0])[:, None, None].expand(2, 3, 2)
    policy = TabularPolicy(list(map(str, range(18))), ("a", "b"), (features @ truth).flatten(0, 1))
    parametrize.register_parametrization(policy, "logits", miniature.LinearLogits(features))
    (weights,) = policy.parameters()
    assert torch.allclose(weights, truth, atol=1e-4)
    policy.logits[:9].sum().backward()
    alone = features[0].sum(0)[:, None].expand(3, 2)
    assert torch.allclose(weights.grad, torch.stack([alone, torch.zeros(3, 2)]), atol=1e-5)


def test_the_miniature_in_small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(miniature, "WORLDS", 2)
    monkeypatch.setattr(miniature, "POOL", 60)
    monkeypatch.setattr(miniature, "CHOSEN", 6)
    monkeypatch.setattr(miniature, "PASSES", 1)
    told: list[float] = []
    most = miniature.Miniature(easy)(0, told.append)
    assert told == [1.0]
    assert miniature.Miniature(easy)(0, told.append) == most
    assert most["live groups"] > miniature.Miniature(hard)(0, told.append)["live groups"]


def test_recipe_round_trips(tmp_path: Path) -> None:
    recipe = load_recipe("temporal-r1").build()
    recipe.save(tmp_path / "recipe.yaml")
    assert PolicyRecipe.load(tmp_path / "recipe.yaml") == recipe


def test_runs_on_the_seedling() -> None:
    loop = Loop(steps=2, groups=3, evaluation_tasks=4, checkpoint_every=0)
    recipe = temporal_r1.build(loop=loop, sampler=Groups(4))
    few = PreparedTasks(TextIntervals(train=12), replace(recipe.tasks.by, count=4))
    result = train(replace(recipe, tasks=few), quiet=True)
    assert len(result.history) == 2
    assert all(torch.isfinite(p).all() for p in result.model.module.parameters())
