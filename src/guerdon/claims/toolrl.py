"""ToolRL in miniature: calls that only partial credit finds.

Twenty contexts, each with one right call among 8 tools, 6 parameter names and two values of 10.
Independent softmaxes start uniform, so a call is right once in 4,800. One more choice is the number
of words thought before it, mostly none at the start; it matters to the length reward alone. Plain
gradient descent, a row's step the sum over its choices.

What a sceptic should know. At the pilot's rate all-or-nothing never learns from the few right calls
that it meets. At larger rates, and with Adam, one meeting can be enough: over 0.2 to 10 it is right
in up to a half of its contexts. With a third value of 10 it meets none to speak of. So both are
claimed at the pilot's rate and at each arm's best.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch

from guerdon.advantages import GroupNormalised
from guerdon.objectives import ClippedSurrogate, SequenceSumMean
from guerdon.recipes.toolrl import SLUG
from guerdon.records import Experience, Progress, Task
from guerdon.reproduction import Claim, Expectation, Figure, Pilot, Report
from guerdon.rewards import ToolReward
from guerdon.rewards.actions.tool_calls import all_or_nothing
from guerdon.rewards.actions.tools import ThinkLength
from guerdon.rollout import SlotPolicy
from guerdon.stages import Sampling
from guerdon.training import Guard, update

CONTEXTS = 20
GROUP = 8
STEPS = 300
RATE = 0.5
WORDS = (0, 1, 2, 4, 8, 16, 32, 40, 48, 64)
OBJECTIVE = ClippedSurrogate(aggregation=SequenceSumMean())


def choices(values: int) -> tuple[tuple[str, ...], ...]:
    """Words, tool, parameter name, and so many values."""
    offered = (WORDS, range(8), range(6), *[range(10)] * values)
    return tuple(tuple(map(str, options)) for options in offered)


def call_of(chosen: Sequence[str]) -> dict[str, Any]:
    """The call that a tool, a parameter name and values make."""
    tool, name, first, *rest = chosen
    more = {f"count{i}": value for i, value in enumerate(rest)}
    return {"name": f"tool{tool}", "parameters": {f"name{name}": first, **more}}


def write(task: Task, chosen: Sequence[str]) -> str:
    """Thought and call in the paper's form."""
    thought, call = "word " * int(chosen[0]), json.dumps(call_of(chosen[1:]))
    return f"<think>{thought}</think>\n<tool_call>\n{call}\n</tool_call>"


def contexts(values: int) -> list[Task]:
    """In each the first choices are right, which the policy can't know."""
    gold = {"calls": [call_of([options[0] for options in choices(values)[1:]])]}
    return [Task(f"context-{i}", "", None, gold) for i in range(CONTEXTS)]


def untrained(values: int = 2) -> SlotPolicy:
    """Uniform over calls; words fall off by e^-0.8 a choice, to 1.3 on average."""
    offered = choices(values)
    logits_TA = torch.zeros(len(offered), len(WORDS))
    logits_TA[0] = -0.8 * torch.arange(len(WORDS))
    return SlotPolicy([task.id for task in contexts(values)], offered, write, logits_TA)


def figures(policy: SlotPolicy, tasks: Sequence[Task]) -> tuple[float, float]:
    """Probability of the whole right call and mean number of words, over the contexts."""
    p_STA = policy.log_probs(tasks).detach().exp()
    words_S = p_STA[:, 0] @ torch.tensor(WORDS).float()
    return p_STA[:, 1:, 0].prod(1).mean().item(), words_S.mean().item()


@dataclass(frozen=True)
class Miniature:
    """One arm: a reward, the learning rate, and how many values a call has."""

    reward: ToolReward
    rate: float = RATE
    values: int = 2

    def __call__(self, seed: int, report: Report) -> dict[str, float]:
        policy, tasks = untrained(self.values), contexts(self.values)
        _, words = figures(policy, tasks)
        optimiser, silent = torch.optim.SGD(policy.parameters(), lr=self.rate * CONTEXTS), 0.0
        for at in (Progress(step, STEPS) for step in range(STEPS)):
            rows = policy.sample(tasks, GROUP, Sampling(), seed * STEPS + at.step)
            advantage_NT = GroupNormalised()(Experience(rows, self.reward(rows, at)))
            learned = Experience(rows, advantage=advantage_NT)
            update(policy, optimiser, OBJECTIVE, learned, guard=Guard(), clip=0)
            silent += 1 - advantage_NT.reshape(CONTEXTS, -1).any(1).float().mean().item()
            report((at.step + 1) / STEPS)
        exact, longer = figures(policy, tasks)
        return {"exact": exact, "silent groups": silent / STEPS, "lengthening": longer / words}


def claim() -> Claim:
    """Graded credit finds the calls that an all-or-nothing reward does not."""
    coarse, graded, longer = "all or nothing", "partial credit", "with length reward"
    best_coarse, best_graded = f"{coarse}, best rate", f"{graded}, best rate"
    three = f"{coarse}, three values, best rate"
    whole = ToolReward(credit=all_or_nothing, released=True)
    partial = ToolReward(released=True)
    pilot = Pilot(
        (
            Figure(coarse, "exact", 0.0, 0.02),
            Figure(coarse, "silent groups", 0.998, 0.01),
            Figure(graded, "silent groups", 0.59, 0.05),
        ),
        seeds=tuple(range(1000, 1006)),
    )
    return Claim(
        slug=SLUG,
        statement="Partial credit finds calls that all-or-nothing never does; length adds nothing",
        arms={
            coarse: Miniature(whole),
            graded: Miniature(partial),
            longer: Miniature(ToolReward(length=ThinkLength(64), released=True)),
            best_coarse: Miniature(whole, 10.0),
            best_graded: Miniature(partial, 5.0),
            three: Miniature(whole, 10.0, values=3),
        },
        metric="exact",
        expectations=(
            Expectation(graded, coarse, "exact", matters=0.5),
            Expectation(best_graded, best_coarse, "exact", 0.5, why="each at its best rate"),
            Expectation(0.2, three, "exact", why="at any rate, where calls are rarer"),
            Expectation(coarse, graded, "silent groups", matters=0.2),
            Expectation(longer, 5.0, "lengthening", why="five times the words"),
            Expectation(longer, graded, "exact", within=0.02, why="accuracy is kept"),
            *pilot.checks(),
        ),
        pilot=pilot,
    )
