"""Prefix Grouper in miniature.

The miniature trains the seedling by plain gradient descent (Adam would blow rounding up) on
prompts of some 500 tokens, a question behind 38 others with their answers. The seedling can't
answer there, so the reward is digits in the completion, which most texts move. "Kept" is what
the forward pass holds for the backward pass.
"""

from __future__ import annotations

import math
import time
from functools import partial
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.utils import parameters_to_vector

from guerdon.advantages import GroupNormalised
from guerdon.objectives import ClippedSurrogate
from guerdon.recipes.prefix_grouper import SLUG
from guerdon.records import Experience, Progress
from guerdon.reproduction import Claim, Expectation, Report, Role
from guerdon.reproduction.memory import kept_bytes
from guerdon.rewards import reward
from guerdon.rollout import LanguagePolicy
from guerdon.stages import Sampling
from guerdon.tasks import Arithmetic, WithExamples
from guerdon.training import Guard, update

STEPS = 4
GROUPS = 2
GROUP = 8
TOKENS = 24
EXAMPLES = 38
RATE = 0.05


@reward
def digits(completion: str) -> float:
    """The share of digits among a completion's characters; 0 for an empty one."""
    return sum(c in "0123456789" for c in completion) / max(len(completion), 1)


class Run(NamedTuple):
    """What one training run came to: weights, rewards by step, seconds and bytes kept."""

    weights: Tensor
    rewards: list[float]
    seconds: float
    kept: int


def train_run(seed: int, shared: bool, report: Report) -> Run:
    """``STEPS`` updates of the seedling; ``seconds`` counts the updates only."""
    policy = LanguagePolicy.load(shared_prefix=shared)
    tasks = WithExamples(Arithmetic(seed=seed, train=64), EXAMPLES).load("train")
    sgd = torch.optim.SGD(policy.module.parameters(), lr=RATE)
    seconds, rewards, kept = 0.0, [], 0
    for step in range(STEPS):
        drawn = tasks[step * GROUPS : (step + 1) * GROUPS]
        with torch.no_grad():
            rows = policy.sample(drawn, GROUP, Sampling(max_tokens=TOKENS), seed * STEPS + step)
        scores = digits(rows, Progress(step, STEPS))
        credit = GroupNormalised()(Experience(rows, scores))
        kept = kept or kept_bytes(policy.module, partial(policy.forward, rows))
        began = time.perf_counter()
        update(policy, sgd, ClippedSurrogate(), Experience(rows, advantage=credit), guard=Guard())
        seconds += time.perf_counter() - began
        rewards.append(float(scores.value.mean()))
        report((step + 1) / STEPS)
    return Run(flat(policy), rewards, seconds, kept)


def flat(policy: LanguagePolicy) -> Tensor:
    """All weights in one vector."""
    return parameters_to_vector(policy.module.parameters()).detach()


def cost(shared: bool, seed: int, report: Report) -> dict[str, float]:
    """What training costs with or without sharing."""
    run = train_run(seed, shared, report)
    return {
        "log2 seconds": math.log2(run.seconds),
        "log2 kept bytes": math.log2(run.kept),
    }


def gap(seed: int, report: Report) -> dict[str, float]:
    """How far two runs are apart that differ in sharing only, and how far they went."""
    one, other = (train_run(seed, shared, report) for shared in (True, False))
    return {
        "weights apart": float((one.weights - other.weights).abs().max()),
        "weights moved": float((one.weights - flat(LanguagePolicy.load())).abs().max()),
        "rewards apart": max(abs(a - b) for a, b in zip(one.rewards, other.rewards, strict=True)),
    }


def claim() -> Claim:
    """The same training for less."""
    seconds, kept = "log2 seconds", "log2 kept bytes"
    return Claim(
        slug=SLUG,
        statement="Computing each prompt once leaves training as it is at half the cost or less",
        arms={"once per completion": partial(cost, False), "once per group": partial(cost, True)}
        | {"both": gap},
        metric=seconds,
        expectations=(
            Expectation("once per completion", "once per group", seconds, 1.0, why="2x faster"),
            Expectation("once per completion", "once per group", kept, 1.0, why="half the memory"),
            Expectation("both", 0.0, "weights apart", within=1e-4, role=Role.IDENTITY),
            Expectation("both", 0.0, "rewards apart", within=1e-3, role=Role.IDENTITY),
            Expectation("both", 1e-3, "weights moved", role=Role.CHECK, why="they were trained"),
        ),
    )
