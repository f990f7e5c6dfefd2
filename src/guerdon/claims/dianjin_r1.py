"""DianJin-R1 in miniature.

The miniature: a Llama of 2 layers and width 128, drawn from the seed, with the seedling's
tokenizer: 4 epochs of traces and 30 GRPO steps of 8 x 8 completions, at temperature 1 (a model
this small needs the breadth). Reported, not judged: the sum from scratch (a random model never
writes the tags), and partial credit.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, replace
from functools import lru_cache

from torch import Tensor

from guerdon import rewards
from guerdon.nursery.blank import blank_model
from guerdon.nursery.worked import worked_choices
from guerdon.recipes.dianjin_r1 import GREEDY, SLUG, TASKS, build
from guerdon.records import Progress
from guerdon.reproduction import Claim, Expectation, Report
from guerdon.rollout import Groups, LanguagePolicy
from guerdon.stages import Reward, Sampling
from guerdon.training import (
    AdamW,
    Demonstration,
    Loop,
    fit_texts,
    train,
)


@lru_cache(maxsize=1)  # two arms of a seed begin with the same supervised stage
def _taught(seed: int, traces: int, epochs: int) -> dict[str, Tensor]:
    policy, source = LanguagePolicy(*blank_model(seed)), random.Random(seed)
    tasks = replace(TASKS, train=traces, seed=seed).load("train")
    shown = [Demonstration(task, worked_choices(task, source, 0.0)) for task in tasks]
    fit_texts(policy, shown, epochs=epochs, batch=10, optimiser=AdamW(lr=2e-3), seed=seed)
    return {name: value.clone() for name, value in policy.module.state_dict().items()}


@dataclass(frozen=True)
class Miniature:
    """One arm: ``traces`` worked traces (0 = none), then ``steps`` of GRPO by ``reward``."""

    reward: Reward
    traces: int = 0
    steps: int = 0
    epochs: int = 4
    held_out: int = 256

    def __call__(self, seed: int, report: Report) -> dict[str, float]:
        policy = LanguagePolicy(*blank_model(seed))
        if self.traces:
            policy.module.load_state_dict(_taught(seed, self.traces, self.epochs))
        report(0.5)
        metrics: dict[str, float] = {}
        if self.steps:
            loop = Loop(self.steps, 8, checkpoint_every=0, evaluation_tasks=1, seed=seed)
            draws = Groups(8, Sampling(max_tokens=40))
            recipe = build(loop=loop, tasks=TASKS, reward=self.reward, sampler=draws)
            history = train(recipe, policy=policy, quiet=True).history
            metrics["zero_std_share"] = sum(h["zero_std_share"] for h in history) / len(history)
        rows = policy.sample(TASKS.load("test")[: self.held_out], 1, GREEDY, seed)
        measures: dict[str, Reward] = {
            "accuracy": rewards.DianjinReward(rewards.right_in_form),
            "any-form accuracy": rewards.ChoiceMatch(),
            "format": rewards.FormatReward(box_in="answer"),
        }
        for name, measure in measures.items():
            metrics[name] = measure(rows, Progress()).value.mean().item()
        return metrics


def claim() -> Claim:
    """Without traces the reward never speaks; with them it does no harm."""
    product = rewards.DianjinReward(rewards.right_in_form)
    formed, letters = rewards.FormatReward(box_in="answer"), rewards.ChoiceCredit()
    partial = rewards.Product({"form": formed, "letters": letters})
    return Claim(
        slug=SLUG,
        statement="GRPO from scratch has no signal; after 500 worked traces it keeps form and gain",
        arms={
            "scratch, gated": Miniature(product, steps=30),
            "scratch, summed": Miniature(rewards.DianjinReward(rewards.summed), steps=30),
            "traces, gated": Miniature(product, traces=500, steps=30),
            "traces, partial": Miniature(partial, traces=500, steps=30),
            "traces only": Miniature(product, traces=500),
        },
        metric="accuracy",
        expectations=(
            Expectation(0.02, "scratch, gated", "accuracy", why="never leaves 0"),
            Expectation("traces, gated", 0.98, "format", why="form is kept"),
            Expectation("traces, gated", "traces only", "accuracy"),
        ),
        seeds=6,
    )
