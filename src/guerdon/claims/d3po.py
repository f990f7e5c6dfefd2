"""D3PO in miniature.

The miniature: four prompts, chains of ten steps ``x' = 0.8 x + b + 0.3 noise`` in two dimensions,
where a prompt's ``b`` at each step is learned; the reward is the distance of the last point to a
hidden target, negated. Each prompt has 32 pairs of chains a round, the two of a pair from one
start. D3PO sees which chain of a pair is better; DDPO sees the rewards, normalised over the
prompt's 64 chains. Both make one update a round, of norm 1 at most before the rate, by plain
gradient descent. Each has the rate, of a grid of factor 2, at which its mean reward over all rounds
is the highest, on seeds that the claim does not use. Both saturate at what the noise leaves, so
that what is compared is the number of rounds to half of the way, besides where they end.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from guerdon.advantages import GroupNormalised
from guerdon.diffusion import DenoiserPolicy
from guerdon.objectives import ClippedSurrogate, SequenceSumMean, StepwiseDPO
from guerdon.recipes.d3po import SLUG
from guerdon.records import Experience, Pairs, Rollouts, Scores, Task
from guerdon.reproduction import Claim, Expectation, Report, Role
from guerdon.stages import Advantage, Objective, Sampling
from guerdon.training import Guard, update

PROMPTS = 4
STEPS = 10
PAIRS = 32
ROUNDS = 60
KEEP = 0.8
NOISE = 0.3
FAR = 1.3
"""Standard deviation of a target's coordinates."""
D3PO_RATE = 8.0
DDPO_RATE = 0.8
SHARP_ROUNDS = 10
"""Rounds after which what r and exp(3 r) teach is compared."""


@dataclass(frozen=True)
class Linear:
    """``x' = keep x + said``, plus noise of one size."""

    steps: int = STEPS

    @property
    def times(self) -> Tensor:
        return torch.arange(self.steps)

    def __call__(self, latent: Tensor, said: Tensor, step: Tensor) -> tuple[Tensor, Tensor]:
        return KEEP * latent + said, torch.full((len(latent),), NOISE)


class Shifts(nn.Module):
    """``b``: of each prompt (its condition is one-hot) at each step, 0 at the start."""

    def __init__(self) -> None:
        super().__init__()
        self.shift = nn.Parameter(torch.zeros(PROMPTS, STEPS, 2))

    def forward(self, latent: Tensor, time: Tensor, condition: Tensor) -> Tensor:
        return self.shift[condition.argmax(1), time]


def chains(policy: DenoiserPolicy, seed: int) -> Rollouts:
    """64 chains of each prompt; the 2i-th and the next of them start alike."""
    tasks = [
        Task(f"prompt {c}", "", columns={"condition": [float(c == i) for i in range(PROMPTS)]})
        for c in range(PROMPTS)
    ]
    return policy.sample(tasks, 2 * PAIRS, Sampling(), seed)


def distance(rows: Rollouts, target_C2: Tensor) -> Tensor:
    """float[N], of the last point to the target of the row's prompt."""
    assert rows.observations is not None
    gap_N: Tensor = (rows.observations[:, -1] - target_C2[rows.group]).norm(dim=1)
    return gap_N


def neighbours(reward_N: Tensor, flipped: Tensor | None = None) -> Pairs:
    """Each two chains that started alike, the one of more reward first; ties are left out.

    ``flipped`` bool[N / 2]: pairs whose label is turned.
    """
    reward_M2 = reward_N.view(-1, 2)
    better_M = reward_M2.argmax(1)
    if flipped is not None:
        better_M = torch.where(flipped, 1 - better_M, better_M)
    first_M = 2 * torch.arange(len(reward_M2))
    apart_M = reward_M2[:, 0] != reward_M2[:, 1]
    return Pairs((first_M + better_M)[apart_M], (first_M + 1 - better_M)[apart_M])


@dataclass(frozen=True)
class Rule:
    """One rule of learning: from pairs (``advantage`` None), or from values; its rate.

    ``wrong`` is the share of labels that are turned. ``sharp`` puts ``exp(3 r)`` for r.
    """

    objective: Objective
    advantage: Advantage | None
    rate: float
    wrong: float = 0.0
    sharp: bool = False

    def experience(self, rows: Rollouts, reward_N: Tensor, draw: torch.Generator) -> Experience:
        reward_N = (3 * reward_N).exp() if self.sharp else reward_N
        known = replace(rows, reference_logps=rows.logps)  # the reference is the last round's end
        scores = Scores(reward_N)
        if self.advantage is None:
            turned = torch.rand(len(rows) // 2, generator=draw) < self.wrong
            return Experience(known, scores, pairs=neighbours(reward_N, turned))
        some = Experience(known, scores)
        return replace(some, advantage=self.advantage(some))


D3PO = Rule(StepwiseDPO(beta=0.1, clamp=0.1), None, D3PO_RATE)
DDPO = Rule(ClippedSurrogate(aggregation=SequenceSumMean()), GroupNormalised(), DDPO_RATE)


def train(
    rule: Rule, seed: int, report: Report, rounds: int = ROUNDS
) -> tuple[list[float], Tensor]:
    """Mean reward before each round and after the last, and ``b`` [4, 10, 2] in the end."""
    draw = torch.Generator().manual_seed(seed)
    target_C2 = FAR * torch.randn(PROMPTS, 2, generator=draw)
    shifts = Shifts()
    policy = DenoiserPolicy(shifts, Linear(), (2,), shared=2)
    optimiser = torch.optim.SGD(policy.parameters(), lr=rule.rate)
    curve = []
    for step in range(rounds + 1):
        rows = chains(policy, seed * 1_000 + step)
        reward_N = -distance(rows, target_C2)
        curve.append(float(reward_N.mean()))
        report(step / rounds)
        if step < rounds:
            known = rule.experience(rows, reward_N, draw)
            update(policy, optimiser, rule.objective, known, guard=Guard(), clip=1.0)
    return curve, shifts.shift.detach().clone()


def rounds_to_half(curve: list[float], floor: float) -> float:
    """Rounds until the mean reward is half of the way from its start to ``floor``.

    Between two rounds by a straight line; `ROUNDS` where it never is.
    """
    half = (curve[0] + floor) / 2
    for step, reward in enumerate(curve):
        if reward >= half:
            before = curve[step - 1] if step else reward
            return step - (reward - half) / (reward - before) if reward > before else float(step)
    return float(ROUNDS)


def best_possible() -> float:
    """The mean reward where every chain ends around its target: the noise of all steps is left."""
    kept = KEEP ** (2 * STEPS)
    variance = NOISE**2 * (1 - kept) / (1 - KEEP**2) + kept
    return -math.sqrt(variance * math.pi / 2)  # the mean length of a two-dimensional normal


@dataclass(frozen=True)
class Miniature:
    """One arm: where a rule leads, and how fast."""

    rule: Rule

    def __call__(self, seed: int, report: Report) -> dict[str, float]:
        curve, _ = train(self.rule, seed, report)
        final = sum(curve[-5:]) / 5
        return {
            "reward at the start": curve[0],
            "final reward": final,
            "gain": final - curve[0],
            "rounds to half": rounds_to_half(curve, best_possible()),
        }


@dataclass(frozen=True)
class Sharpened:
    """One arm: how far ``exp(3 r)`` in place of r leads the same rule elsewhere."""

    rule: Rule

    def __call__(self, seed: int, report: Report) -> dict[str, float]:
        _, plain = train(self.rule, seed, lambda done: report(done / 2), SHARP_ROUNDS)
        sharp = replace(self.rule, sharp=True)
        _, other = train(sharp, seed, lambda done: report(0.5 + done / 2), SHARP_ROUNDS)
        return {"distance from r": (plain - other).abs().max().item()}


def claim() -> Claim:
    """Which of two chains is better is enough, and all that is read."""
    speed, end, apart = "rounds to half", "final reward", "distance from r"
    return Claim(
        slug=SLUG,
        statement="From comparisons alone D3PO learns as far and as fast as DDPO from the rewards",
        arms={
            "ddpo": Miniature(DDPO),
            "d3po": Miniature(D3PO),
            "a fifth flipped": Miniature(replace(D3PO, wrong=0.2)),
            "all flipped": Miniature(replace(D3PO, wrong=1.0)),
            "d3po of exp(3r)": Sharpened(D3PO),
            "ddpo of exp(3r)": Sharpened(DDPO),
        },
        metric=end,
        expectations=(
            Expectation("d3po", "ddpo", end, within=0.15, why="the specification's bar"),
            Expectation("ddpo", "d3po", speed, within=0.5, why="no slower at best rates"),
            Expectation("a fifth flipped", 0.0, "gain", 0.5, why="wrong labels: same direction"),
            Expectation("a fifth flipped", "d3po", speed, 0.3, why="and slower"),
            Expectation(0.0, "all flipped", "gain", 1.0, why="the labels are what leads"),
            Expectation("ddpo of exp(3r)", 0.0, apart, 0.05, why="values are what DDPO reads"),
            Expectation("d3po of exp(3r)", 0.0, apart, role=Role.IDENTITY, why="order alone"),
            Expectation("ddpo", -0.75, end, role=Role.CHECK, why="the pilot: -0.65 to -0.70"),
            Expectation(-1.0, "ddpo", "reward at the start", role=Role.CHECK, why="far from it"),
        ),
        seeds=8,
    )
