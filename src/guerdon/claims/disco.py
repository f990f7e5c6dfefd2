"""DisCO in miniature: what GRPO forgets on hard questions.

A contextual bandit: 112 contexts with 1 to 6 right arms of 32, so that their success rates differ,
and a perceptron of one hidden layer from 16 features to the arms' logits, in which contexts are
in each other's way. 200 batches of 32 contexts and 8 draws, each in four minibatches of whole
groups. The figures are exact: the probability of a right arm, over all contexts and over the hard
ones, those with one or two right arms. Two more arms hold the paper's analysis: how strongly right
and wrong answers of a question are pulled apart, against ``sqrt(p (1 - p))`` of its share p of
right ones.

The number of contexts is one at which GRPO is near its pilot figures at the best of its rates, on
seeds that the claim does not use. ``delta`` and ``beta`` are the specification's for this toy, not
those of the real run.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from guerdon.advantages import GroupNormalised, GroupStd, NoScale
from guerdon.objectives import ClippedSurrogate, DisCO, LikelihoodRatio, LogLikelihood
from guerdon.recipes.disco import SLUG
from guerdon.records import Experience, PolicyOutput, Rollouts, Scores, Task
from guerdon.reproduction import Claim, Expectation, Report, Role
from guerdon.rollout import SlotPolicy
from guerdon.stages import Advantage, Objective, Sampling
from guerdon.training import Guard, update
from guerdon.training.update import minibatches

ARMS = 32
CONTEXTS = 112
FEATURES = 16
HIDDEN = 64
MOST_RIGHT = 6
HARD = 2

ITERATIONS = 200
QUESTIONS = 32
GROUP = 8
MINIBATCH = 64
RATE = 0.005
DELTA = 1e-2
BETA = 100.0


class Perceptron(nn.Module):
    """The logits of a `SlotPolicy` as a network's, from the contexts' features float[S, F]."""

    def __init__(self, features: Tensor, draw: torch.Generator) -> None:
        super().__init__()
        self.features = features
        self.into = nn.Parameter(torch.randn(FEATURES, HIDDEN, generator=draw) / FEATURES**0.5)
        self.shift = nn.Parameter(torch.zeros(HIDDEN))
        self.out = nn.Parameter(0.01 * torch.randn(HIDDEN, ARMS, generator=draw))

    def forward(self, start_S1A: Tensor) -> Tensor:
        hidden = torch.tanh(self.features @ self.into + self.shift)
        return start_S1A + (hidden @ self.out)[:, None]


def right_arms(draw: torch.Generator) -> Tensor:
    """bool[S, A]: one to six arms of each context, as many contexts of each number."""
    count_S1 = torch.arange(CONTEXTS)[:, None] % MOST_RIGHT + 1
    return torch.rand(CONTEXTS, ARMS, generator=draw).argsort(1).argsort(1) < count_S1


def untrained(features: Tensor, draw: torch.Generator) -> SlotPolicy:
    """One choice among the arms in each context, by a network that starts almost even."""
    names, arms = [f"c{i}" for i in range(len(features))], [str(i) for i in range(ARMS)]
    policy = SlotPolicy(names, [arms], lambda _, chosen: chosen[0])
    policy.logits.requires_grad_(False)
    parametrize.register_parametrization(policy, "logits", Perceptron(features, draw))
    return policy


@dataclass(frozen=True)
class Miniature:
    """One arm of the bandit: an objective at its learning rate."""

    objective: Objective
    rate: float
    advantage: Advantage = GroupNormalised()

    def __call__(self, seed: int, report: Report) -> dict[str, float]:
        draw = torch.Generator().manual_seed(seed)
        right_SA = right_arms(draw)
        policy = untrained(torch.randn(CONTEXTS, FEATURES, generator=draw), draw)
        learned = [weight for weight in policy.parameters() if weight.requires_grad]
        optimiser = torch.optim.Adam(learned, self.rate)
        waiting: list[int] = []
        for step in range(ITERATIONS):
            waiting = waiting or torch.randperm(CONTEXTS, generator=draw).tolist()
            asked, waiting = waiting[:QUESTIONS], waiting[QUESTIONS:]
            tasks, key = [Task(f"c{i}", "") for i in asked], seed * ITERATIONS + step
            rows = policy.sample(tasks, GROUP, Sampling(), key)
            right_N = right_SA[torch.tensor(asked)[rows.group], rows.ids[:, 0]]
            credit_NT = self.advantage(Experience(rows, Scores(right_N.float())))
            for piece in minibatches(torch.arange(len(rows)), rows.group, MINIBATCH, key):
                some, credit = rows.select(piece), credit_NT[piece]
                told = Experience(some, advantage=credit)
                update(policy, optimiser, self.objective, told, guard=Guard(), clip=0)
            report((step + 1) / ITERATIONS)
        p_SA = policy.logits.detach()[:, 0].softmax(-1)
        right_S = (p_SA * right_SA).sum(1)
        hard_S = right_SA.sum(1) <= HARD
        return {"accuracy": right_S.mean().item(), "hard": right_S[hard_S].mean().item()}


@dataclass(frozen=True)
class Weight:
    """How much a question counts: the gradient that parts its right answers from its wrong ones.

    One group of 8 for each number of right answers from 1 to 7, on policy; the slope is that of
    a least-squares line over ``sqrt(p (1 - p))``.
    """

    objective: Objective
    advantage: Advantage = GroupNormalised(GroupStd(epsilon=0.0), unbiased=False)

    def __call__(self, seed: int, report: Report) -> dict[str, float]:
        shares = [right / GROUP for right in range(1, GROUP)]
        draw = torch.Generator().manual_seed(seed)
        found = [self.pull(share, draw) for share in shares]
        report(1.0)
        slope, _ = np.polyfit([math.sqrt(p * (1 - p)) for p in shares], found, 1)
        return {"slope": float(slope)}

    def pull(self, share: float, draw: torch.Generator) -> float:
        """The derivative of what is maximised by the right answers' scores, all raised alike."""
        policy = SlotPolicy(["c"], [["right", "wrong"]], lambda _, chosen: chosen[0])
        rows = policy.sample([Task("c", "")], GROUP, Sampling(), 0)
        old_N1 = -torch.rand(GROUP, 1, generator=draw, dtype=torch.float64)
        right_N = torch.arange(GROUP) < share * GROUP
        rows = Rollouts(**{**vars(rows), "logps": old_N1})
        now = PolicyOutput(old_N1.clone().requires_grad_())
        credit_NT = self.advantage(Experience(rows, Scores(right_N.float())))
        learned = Experience(rows, advantage=credit_NT)
        loss = self.objective(now, learned, self.objective.aggregation(rows.lengths))
        (slope_N1,) = torch.autograd.grad(loss.value, now.logps)
        return -slope_N1[right_N].sum().item()


def disco(score: LogLikelihood | LikelihoodRatio, tau: float) -> DisCO:
    """The objective with the toy's constraint; ``tau`` inf is DisCO-b."""
    return DisCO(score=score, tau=tau, delta=DELTA, beta=BETA)


def claim() -> Claim:
    """Questions that count alike are learned alike: the hard ones gain."""
    ratio, likelihood = LikelihoodRatio(), LogLikelihood()
    return Claim(
        slug=SLUG,
        statement="DisCO learns contexts with few right arms better than GRPO, and all of them",
        arms={
            "grpo": Miniature(ClippedSurrogate(), RATE),
            "dr-grpo": Miniature(ClippedSurrogate(), RATE, GroupNormalised(NoScale())),
            "disco ratio": Miniature(disco(ratio, 1.0), RATE),
            "disco likelihood": Miniature(disco(likelihood, 10.0), RATE),
            "disco-b ratio": Miniature(disco(ratio, math.inf), RATE),
            "disco-b likelihood": Miniature(disco(likelihood, math.inf), RATE),
            "weight in grpo": Weight(ClippedSurrogate()),
            "weight in disco-b": Weight(disco(likelihood, math.inf)),
        },
        metric="hard",
        expectations=(
            Expectation("disco ratio", "grpo", "accuracy", matters=0.02),
            Expectation("disco ratio", "grpo", "hard", matters=0.04, why="hard ones count alike"),
            Expectation("grpo", 0.814, "accuracy", within=0.08, role=Role.CHECK, why="pilot"),
            Expectation(0.814, "grpo", "accuracy", within=0.08, role=Role.CHECK, why="pilot"),
            Expectation("grpo", 0.685, "hard", within=0.1, role=Role.CHECK, why="pilot"),
            Expectation(0.685, "grpo", "hard", within=0.1, role=Role.CHECK, why="pilot"),
            Expectation("weight in grpo", 1.0, "slope", within=1e-6, role=Role.IDENTITY),
            Expectation("weight in disco-b", 0.0, "slope", role=Role.IDENTITY),
        ),
        seeds=12,
    )
