"""A part that needs the policy's own figures reads those of the moment, in a run."""

import math
from dataclasses import dataclass
from typing import ClassVar

import pytest
import torch

from guerdon.curriculum import Informative
from guerdon.records import Scores, Task
from guerdon.rewards import PolicyEntropy
from guerdon.rollout import Groups, TabularPolicy
from guerdon.training import SGD, Loop, PolicyRecipe, train


@dataclass(frozen=True)
class TwoTasks:
    def load(self, split):
        return [Task("a", ""), Task("b", "")] if split == "train" else []


LOOP = Loop(steps=3, groups=2, checkpoint_every=0)


PAID: list[float] = []
OBSERVED: list[list[str]] = []


@dataclass(frozen=True)
class FirstAndCertain:
    """1 for "x", less the policy's entropy; what it paid is written down."""

    entropy: PolicyEntropy = PolicyEntropy()

    def __call__(self, rollouts, progress):
        told = self.entropy(rollouts, progress).value
        PAID.append(told.mean().item())
        return Scores(torch.tensor([text == "x" for text in rollouts.texts]).float() - told)


@dataclass(frozen=True)
class OnTaskA:
    """1 for "x" on task a, 0 on task b; what it observes is written down."""

    def __call__(self, rollouts, progress):
        tasks = [rollouts.task_of(row).id for row in range(len(rollouts))]
        right = [t == "x" and id == "a" for t, id in zip(rollouts.texts, tasks, strict=True)]
        return Scores(torch.tensor(right).float())

    def observe(self, rollouts, scores):
        OBSERVED.append(sorted(task.id for task in rollouts.tasks))


def run(**settings):
    made = PolicyRecipe(tasks=TwoTasks(), loop=LOOP, sampler=Groups(4), **settings)
    return train(made, policy=TabularPolicy(["a", "b"], list("xyz")), quiet=True)


def test_a_reward_reads_the_policy_that_learns():
    """Three equal choices have log 3 nats; each update makes one of them likelier."""
    PAID.clear()
    run(reward=FirstAndCertain(), optimiser=SGD(5.0))
    first, second, third = PAID
    assert first == pytest.approx(math.log(3), rel=1e-6)
    assert third < second < first - 1e-3


def test_every_sampled_group_is_observed_before_the_filter():
    """The groups of b are all equal, and the filter drops them."""
    OBSERVED.clear()
    run(reward=OnTaskA(), filter=Informative(), optimiser=SGD(0.1))
    assert [["a", "b"]] * LOOP.steps == OBSERVED


@dataclass(frozen=True)
class ReadsTheReference:
    needs: ClassVar[frozenset[str]] = frozenset({"reference"})

    def __call__(self, rollouts, progress):
        return Scores(rollouts.reference_logps.sum(1))


def test_a_reward_that_needs_what_comes_after_it_is_refused():
    with pytest.raises(
        ValueError, match="needs reference, which is not known when rows are judged"
    ):
        PolicyRecipe(reward=ReadsTheReference())
