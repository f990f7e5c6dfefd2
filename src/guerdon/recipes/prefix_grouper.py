"""Prefix Grouper: a group's prompt is computed once in training, with the same gradients.

Paper: Prefix Grouper (2506.05433). It changes no reward, advantage or loss, only how
log-probs and their gradients are computed, and here it is what every recipe does by default
(``model.shared_prefix``). This recipe is GRPO with groups of 16; the longer the prompts against
the completions, the more is saved. Left out: FlashAttention kernels, and images in the prompt.

The miniature trains the seedling by plain gradient descent (Adam would blow rounding up) on
prompts of some 500 tokens, a question behind 38 others with their answers. The seedling can't
answer there, so the reward is digits in the completion, which most texts move. "Kept" is what
the forward pass holds for the backward pass.
"""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor

from guerdon.advantages import GroupNormalised
from guerdon.objectives import ClippedSurrogate
from guerdon.recipes import Paper
from guerdon.records import Rollouts, Scores, Task
from guerdon.reproduction import Claim, Expectation, Report
from guerdon.rewards import AnswerMatch
from guerdon.rollout import LanguagePolicy
from guerdon.stages import Sampling
from guerdon.tasks import Arithmetic
from guerdon.training import Guard, Loop, Optimiser, Recipe, update

SLUG = "prefix-grouper"
PAPER = Paper("Prefix Grouper: Efficient GRPO Training through Shared-Prefix Forward", "2506.05433")


@dataclass(frozen=True)
class WithExamples:
    """Problems after ``examples`` other problems with their answers."""

    source: Arithmetic = field(default_factory=Arithmetic)
    examples: int = 20

    def load(self, split: str) -> Sequence[Task]:
        """The source's tasks; the examples are its next ones, round and round."""
        tasks = self.source.load(split)
        shown = [f"{t.text.strip()} {t.answer}\n" for t in tasks] * 2
        n = self.examples % len(tasks)
        return [
            replace(task, prompt="".join(shown[i + 1 : i + 1 + n]) + task.text)
            for i, task in enumerate(tasks)
        ]


def build(**overrides: Any) -> Recipe:
    """The real run: the seedling on arithmetic, each prompt shared by 16 completions."""
    recipe = Recipe(
        name=SLUG,
        tasks=Arithmetic(operations=("addition", "subtraction")),
        reward=AnswerMatch(),
        advantage=GroupNormalised(),
        objective=ClippedSurrogate(),
        optimiser=Optimiser(lr=1e-4),
        loop=Loop(steps=60, groups=8, group_size=16),
    )
    return replace(recipe, **overrides)


STEPS, GROUPS, GROUP, TOKENS, EXAMPLES, RATE = 4, 2, 8, 24, 38, 0.05


def digits(rollouts: Rollouts) -> Scores:
    """The share of digits among a completion's characters; 0 for an empty one."""
    return Scores(
        torch.tensor([sum(c in "0123456789" for c in t) / max(len(t), 1) for t in rollouts.texts])
    )


@dataclass(frozen=True)
class Run:
    """What one training run came to."""

    seconds: float
    kept: int
    rewards: tuple[float, ...]
    start: Tensor
    end: Tensor


def train_run(seed: int, shared: bool, report: Report) -> Run:
    """``STEPS`` updates of the seedling; ``seconds`` counts the updates only."""
    policy = LanguagePolicy.load(shared_prefix=shared)
    tasks = WithExamples(Arithmetic(seed=seed, train=64), EXAMPLES).load("train")
    sgd = torch.optim.SGD(policy.module.parameters(), lr=RATE)
    start, seconds, rewards = flat(policy), 0.0, []
    for step in range(STEPS):
        drawn = tasks[step * GROUPS : (step + 1) * GROUPS]
        with torch.no_grad():
            rows = policy.sample(drawn, GROUP, Sampling(max_tokens=TOKENS), seed * STEPS + step)
        scores = digits(rows)
        credit = GroupNormalised()(scores, rows)
        if step == 0:
            kept = kept_bytes(policy, rows)
        began = time.perf_counter()
        update(policy, sgd, ClippedSurrogate(), rows, credit, guard=Guard())
        seconds += time.perf_counter() - began
        rewards.append(float(scores.value.mean()))
        report((step + 1) / STEPS)
    return Run(seconds, kept, tuple(rewards), start, flat(policy))


def flat(policy: LanguagePolicy) -> Tensor:
    """All weights in one vector."""
    return torch.cat([p.detach().flatten() for p in policy.module.parameters()])


def kept_bytes(policy: LanguagePolicy, rollouts: Rollouts) -> int:
    """Bytes that the forward pass keeps for the backward pass, weights left out."""
    weights = {p.untyped_storage().data_ptr() for p in policy.module.parameters()}
    kept: dict[int, Tensor] = {}  # holding them keeps their addresses from being used again

    def note(tensor: Tensor) -> Tensor:
        kept[tensor.untyped_storage().data_ptr()] = tensor
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor):
        policy.forward(rollouts)
    return sum(t.untyped_storage().nbytes() for at, t in kept.items() if at not in weights)


@dataclass(frozen=True)
class Cost:
    """One arm: what training costs with or without sharing."""

    shared: bool

    def __call__(self, seed: int, report: Report) -> dict[str, float]:
        run = train_run(seed, self.shared, report)
        return {
            "log2 seconds": math.log2(run.seconds),
            "log2 kept bytes": math.log2(run.kept),
            "reward": run.rewards[-1],
        }


def gap(seed: int, report: Report) -> dict[str, float]:
    """How far two runs are apart that differ in sharing only, and how far they went."""
    one, other = (train_run(seed, shared, report) for shared in (True, False))
    return {
        "weights apart": float((one.end - other.end).abs().max()),
        "weights moved": float((one.end - one.start).abs().max()),
        "rewards apart": max(abs(a - b) for a, b in zip(one.rewards, other.rewards, strict=True)),
    }


def claim() -> Claim:
    """The same training for less."""
    seconds, kept = "log2 seconds", "log2 kept bytes"
    return Claim(
        slug=SLUG,
        statement="Computing each prompt once leaves training as it is at half the cost or less",
        arms={"once per completion": Cost(False), "once per group": Cost(True), "both": gap},
        metric=seconds,
        expectations=(
            Expectation("once per completion", "once per group", seconds, 1.0, why="2x faster"),
            Expectation("once per completion", "once per group", kept, 1.0, why="half the memory"),
            Expectation(1e-4, "both", "weights apart", why="the same weights"),
            Expectation(1e-3, "both", "rewards apart", why="the same curve"),
            Expectation("both", 1e-3, "weights moved", why="they were trained"),
        ),
        seeds=3,
    )
