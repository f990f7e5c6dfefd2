"""ToolRL: partial credit for tool names, parameter names and values, without any SFT before.

Paper: ToolRL (2504.13958). Changed against GRPO: `ToolReward` (form in [0, 1], correctness in
[-3, 3] with credit for each part of a call). Their other scales, schedules and granularities are
`smooth`, `two_stage` and the credits of `guerdon.rewards.tool_calls`. The real run: the
seedling's tool calls, without the thinking section, which it does not write for them. Left out:
dialogues, several calls a turn and answers in words (the reward has them), PPO.

The miniature: twenty contexts, each with one right call among 8 tools, 6 parameter names and two
values of 10. Independent softmaxes start uniform, so a call is right once in 4,800. A fifth
choice is the number of words thought before it, mostly none at the start; it matters to the
length reward alone.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import Any

import torch

from guerdon.advantages import GroupNormalised
from guerdon.curriculum import Informative
from guerdon.objectives import ClippedSurrogate
from guerdon.recipes import Paper
from guerdon.records import Progress, Task
from guerdon.reproduction import Claim, Expectation, Report
from guerdon.rewards import ToolReward
from guerdon.rewards.tool_calls import Credit, all_or_nothing, partial_credit
from guerdon.rewards.tools import ThinkLength
from guerdon.rollout import SlotPolicy
from guerdon.stages import Sampling
from guerdon.tasks import ToolCalls
from guerdon.training import Guard, Loop, Optimiser, Recipe, update

SLUG = "toolrl"
PAPER = Paper("ToolRL: Reward is All Tool Learning Needs", "2504.13958")


def build(**overrides: Any) -> Recipe:
    """The real run: the seedling learns to call tools from graded correctness."""
    recipe = Recipe(
        name=SLUG,
        tasks=ToolCalls(),
        reward=ToolReward(tag="tool", think=False),
        objective=ClippedSurrogate(),
        optimiser=Optimiser(lr=1e-4),
        loop=Loop(steps=60, groups=16, group_size=8),
    )
    return replace(recipe, **overrides)


CONTEXTS, GROUP, STEPS, RATE = 20, 8, 300, 1.0
WORDS = (0, 1, 2, 4, 8, 16, 32, 40, 48, 64)
CHOICES = (
    tuple(f"tool{i}" for i in range(8)),
    tuple(f"name{i}" for i in range(6)),
    tuple(map(str, range(10))),
    tuple(map(str, range(10))),
    tuple(map(str, WORDS)),
)


def right_choices(context: int) -> tuple[int, ...]:
    """Places of the right tool, parameter and values; which they are makes no difference."""
    return tuple((context + 3 * slot) % len(CHOICES[slot]) for slot in range(4))


def call_of(chosen: tuple[str, ...]) -> dict[str, Any]:
    """The call that four choices make."""
    tool, name, value, count = chosen[:4]
    return {"name": tool, "parameters": {name: value, "count": count}}


def write(task: Task, chosen: tuple[str, ...]) -> str:
    """Thought and call in the paper's form."""
    thought = " ".join(["word"] * int(chosen[4]))
    call = json.dumps(call_of(chosen))
    return f"<think>{thought}</think>\n<tool_call>\n{call}\n</tool_call>"


def contexts() -> list[Task]:
    """One task a context, its gold call in column ``calls``."""
    golds = [
        tuple(options[i] for options, i in zip(CHOICES, right_choices(c), strict=False))
        for c in range(CONTEXTS)
    ]
    return [Task(f"context-{c}", "", None, {"calls": [call_of(g)]}) for c, g in enumerate(golds)]


def starting_logits() -> torch.Tensor:
    """float[5, 10]: uniform calls; words fall off by e^-0.8 a choice, 1.3 on average."""
    logits_TA = torch.zeros(len(CHOICES), len(WORDS))
    logits_TA[4] = -0.8 * torch.arange(len(WORDS))
    return logits_TA


@dataclass(frozen=True)
class Miniature:
    """One arm. ``allowance`` is taken off "exact within 0.02": an arm may lose that much."""

    credit: Credit = partial_credit
    length: ThinkLength | None = None
    allowance: float = 0.0

    def __call__(self, seed: int, report: Report) -> dict[str, float]:
        tasks = contexts()
        policy = SlotPolicy([t.id for t in tasks], CHOICES, write, starting_logits())
        reward, advantage = ToolReward(credit=self.credit, length=self.length), GroupNormalised()
        objective, informative = ClippedSurrogate(), Informative()
        # The loss is a mean over all choices; the rate is meant for one slot of one context.
        rate = RATE * CONTEXTS * len(CHOICES)
        optimiser = torch.optim.SGD(policy.parameters(), lr=rate)
        before, dead = self._words(policy, tasks), 0.0
        for step in range(STEPS):
            rows = policy.sample(tasks, GROUP, Sampling(), seed * STEPS + step)
            scores = reward(rows, Progress(step, STEPS))
            dead += 1 - informative(scores, rows).float().mean().item()
            update(
                policy, optimiser, objective, rows, advantage(scores, rows), guard=Guard(), clip=0
            )
            report((step + 1) / STEPS)
        exact = self._exact(policy, tasks)
        return {
            "exact": exact,
            "exact within 0.02": exact - self.allowance,
            "groups without contrast": dead / STEPS,
            "lengthening": self._words(policy, tasks) / before,
        }

    @staticmethod
    def _exact(policy: SlotPolicy, tasks: list[Task]) -> float:
        p_NTA = policy.log_probs(tasks).detach().exp()
        wanted = torch.tensor([right_choices(c) for c in range(CONTEXTS)])
        return p_NTA[:, :4].gather(2, wanted[..., None]).prod(1).mean().item()

    @staticmethod
    def _words(policy: SlotPolicy, tasks: list[Task]) -> float:
        p_NA = policy.log_probs(tasks).detach().exp()[:, 4]
        return (p_NA @ torch.tensor(WORDS).float()).mean().item()


def claim() -> Claim:
    """Graded credit finds the calls that an all-or-nothing reward does not."""
    graded, coarse, longer = "partial credit", "all or nothing", "with length reward"
    return Claim(
        slug=SLUG,
        statement="Partial credit for names, parameters and values learns calls that an "
        "all-or-nothing reward never finds; paying for longer thought adds length, not accuracy",
        arms={
            coarse: Miniature(all_or_nothing),
            graded: Miniature(allowance=0.02),
            longer: Miniature(length=ThinkLength(64)),
        },
        metric="exact",
        expectations=(
            Expectation(graded, coarse, "exact", at_least=0.5),
            Expectation(0.2, coarse, "exact", why="all or nothing stays below a fifth"),
            Expectation(coarse, graded, "groups without contrast", at_least=0.2),
            Expectation(longer, 5.0, "lengthening", why="five times the words"),
            Expectation(longer, graded, "exact within 0.02", why="accuracy is kept"),
        ),
        seeds=3,
    )
