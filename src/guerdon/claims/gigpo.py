"""GiGPO in miniature.

The miniature: a 6x6 grid from corner to far corner, 10 at the goal, at most 24 steps; a softmax
table; plain policy gradient summed over steps. Its learning rate is the one at which the
*baseline* is nearest to its pilot figure, on seeds that the claim does not use.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from guerdon.advantages import TwoLevel
from guerdon.objectives import PolicyGradient, SequenceSumMean
from guerdon.recipes.gigpo import SLUG
from guerdon.records import Experience, Progress
from guerdon.reproduction import Claim, Expectation, Report, Role
from guerdon.rewards import EnvironmentReturn
from guerdon.rollout import TabularPolicy
from guerdon.stages import Advantage, Sampling
from guerdon.tasks import CornerTasks
from guerdon.training import Guard, update


def step_only(experience: Experience) -> Tensor:
    """The step level alone: both levels less the episode level."""
    return TwoLevel()(experience) - TwoLevel(omega=0.0)(experience)


@dataclass(frozen=True)
class UniqueStates:
    """Another advantage, with no two states alike: every step group is a singleton.

    A step counter alone would not do it: episodes of a group share their first state.
    """

    inner: Advantage

    def __call__(self, experience: Experience) -> Tensor:
        states = tuple(
            tuple((state, row, turn) for turn, state in enumerate(visited))
            for row, visited in enumerate(experience.rollouts.states or ())
        )
        apart = replace(experience.rollouts, states=states)
        return self.inner(replace(experience, rollouts=apart))


SIDE = 6
HORIZON = 24
ITERATIONS = 80
RATE = 0.09


def walk(advantage: Advantage, seed: int, report: Report) -> list[float]:
    """The success rate of each iteration: two seats of the board, eight episodes each."""
    cells = [("grid", (i % SIDE, i // SIDE), (SIDE - 1, SIDE - 1), None) for i in range(SIDE**2)]
    policy = TabularPolicy(cells, ("up", "down", "left", "right"))
    objective = PolicyGradient(aggregation=SequenceSumMean())
    optimiser = torch.optim.SGD(policy.parameters(), lr=RATE)
    tasks, success = CornerTasks(SIDE).load("train"), []
    for step in range(ITERATIONS):
        rows = policy.sample(tasks, 8, Sampling(max_turns=HORIZON), seed * ITERATIONS + step)
        scores = EnvironmentReturn()(rows, Progress(step, ITERATIONS))
        learned = Experience(rows, advantage=advantage(Experience(rows, scores)))
        update(policy, optimiser, objective, learned, guard=Guard(), clip=0)
        success.append(rows.finished.float().mean().item())
        report((step + 1) / ITERATIONS)
    return success


@dataclass(frozen=True)
class Miniature:
    """One arm; ``same_as`` also reports how far its curve is from that advantage's."""

    advantage: Advantage
    same_as: Advantage | None = None

    def __call__(self, seed: int, report: Report) -> dict[str, float]:
        curve = walk(self.advantage, seed, report)
        figures = {"success": sum(curve[20:40]) / 20, "late success": sum(curve[-20:]) / 20}
        if self.same_as is not None:
            other = walk(self.same_as, seed, report)
            gaps = [abs(a - b) for a, b in zip(curve, other, strict=True)]
            figures["distance from grpo"] = max(gaps)
        return figures


def claim() -> Claim:
    """Comparing steps from the same state makes learning faster, and only that does."""
    grpo, gigpo = TwoLevel(omega=0.0), TwoLevel()
    return Claim(
        slug=SLUG,
        statement="On a grid with one reward at its end, GiGPO learns faster than GRPO",
        arms={
            "grpo": Miniature(grpo),
            "gigpo": Miniature(gigpo),
            "step only": Miniature(step_only),
            "unique states": Miniature(UniqueStates(gigpo), same_as=grpo),
        },
        metric="success",
        expectations=(
            Expectation("gigpo", "grpo", "success", 0.2),
            Expectation(
                "unique states", 0.0, "distance from grpo", within=1e-6, role=Role.IDENTITY
            ),
        ),
        seeds=6,
    )
