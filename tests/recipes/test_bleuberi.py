"""BLEUBERI: the choice of prompts, the known order of pairs, and the real loop."""

from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path

import torch

from guerdon.claims import bleuberi as miniature
from guerdon.curriculum import easy, hard
from guerdon.recipes import bleuberi
from guerdon.records import Progress
from guerdon.rewards import ReferenceBLEU, add_one_bleu
from guerdon.rollout import LanguagePolicy
from guerdon.stages import Sampling
from guerdon.tasks import FactQuestions
from guerdon.training import Loop, train


def test_hard_and_easy_prompts_are_the_ends_of_the_models_own_scores() -> None:
    policy, tasks = LanguagePolicy.load("seedling"), FactQuestions().load("train")[:12]
    drawn = policy.sample(tasks, 1, Sampling(temperature=0.7, top_p=0.9), 0)
    values = ReferenceBLEU()(drawn, Progress()).value.tolist()
    score = {task.id: value for task, value in zip(tasks, values, strict=True)}
    lowest = bleuberi.selected(FactQuestions(), 3, hard).prepare(policy, tasks)
    highest = bleuberi.selected(FactQuestions(), 3, easy).prepare(policy, tasks)
    ranked = sorted(score.values())
    assert sorted(score[t.id] for t in lowest) == ranked[:3]
    assert sorted(score[t.id] for t in highest) == ranked[-3:]


def constant(text: str, references: tuple[str, ...]) -> float:
    """Every text is as good."""
    return 1.0


def toss(text: str, references: tuple[str, ...]) -> float:
    """Any text wins."""
    return random.Random(text).random()


def test_agreement_of_a_constant_is_zero_and_of_a_coin_a_half() -> None:
    def told(fraction: float) -> None:
        assert 0 <= fraction <= 1

    assert miniature.Agreement(constant, pairs=20)(0, told) == {"share right": 0.0}
    coin = miniature.Agreement(toss, pairs=400)(0, told)
    assert 0.4 < coin["share right"] < 0.6
    bleu = miniature.Agreement(add_one_bleu, pairs=100)(0, told)
    assert bleu["share right"] > 0.6


def test_an_arm_of_the_study_reports_truth_beside_the_reward() -> None:
    untrained = miniature.Tuned(steps=0, held_out=8)(0, [].append)
    tuned = miniature.Tuned(hard, steps=1, pool=12, count=8, held_out=8)(0, [].append)
    assert untrained.keys() == tuned.keys() == {"share right", "bleu", "zero_std_share"}
    assert all(0 <= value <= 1 for value in (untrained | tuned).values())


def test_runs_in_the_real_loop(tmp_path: Path) -> None:
    loop = Loop(steps=2, groups=4, evaluation_tasks=8, checkpoint_every=0)
    tasks = bleuberi.selected(FactQuestions(train=16), 8)
    recipe = replace(
        bleuberi.build(loop=loop, sampler=replace(bleuberi.build().sampler, size=4)), tasks=tasks
    )
    result = train(recipe, tmp_path / "run", quiet=True)
    assert len(result.history) == 2
    assert all(torch.isfinite(p).all() for p in result.model.module.parameters())
