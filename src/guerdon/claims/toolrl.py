"""ToolRL in miniature.

The miniature: twenty contexts, each with one right call among 8 tools, 6 parameter names and two
values of 10. Independent softmaxes start uniform, so a call is right once in 4,800. A fifth
choice is the number of words thought before it, mostly none at the start; it matters to the
length reward alone.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch

from guerdon.recipes.toolrl import SLUG, build
from guerdon.records import Task
from guerdon.reproduction import Claim, Expectation, Report
from guerdon.rewards import ToolReward
from guerdon.rewards.actions.tool_calls import all_or_nothing
from guerdon.rewards.actions.tools import ThinkLength
from guerdon.rollout import SlotPolicy
from guerdon.training import AdamW, Loop, train

CONTEXTS = 20
STEPS = 300
WORDS = (0, 1, 2, 4, 8, 16, 32, 40, 48, 64)
SLOTS = (range(8), range(6), range(10), range(10), WORDS)
CHOICES = tuple(tuple(map(str, options)) for options in SLOTS)


def call_of(chosen: Sequence[str]) -> dict[str, Any]:
    """The call that the first four choices make."""
    parameters = {f"name{chosen[1]}": chosen[2], "count": chosen[3]}
    return {"name": f"tool{chosen[0]}", "parameters": parameters}


def write(task: Task, chosen: Sequence[str]) -> str:
    """Thought and call in the paper's form."""
    thought, call = "word " * int(chosen[4]), json.dumps(call_of(chosen))
    return f"<think>{thought}</think>\n<tool_call>\n{call}\n</tool_call>"


@dataclass(frozen=True)
class Contexts:
    """The contexts; in each the first choices are right, which the policy can't know."""

    def load(self, split: str) -> Sequence[Task]:
        """All of them, whatever the split: nothing is held out, for nothing generalises."""
        gold = {"calls": [call_of([options[0] for options in CHOICES])]}
        return [Task(f"context-{i}", "", None, gold) for i in range(CONTEXTS)]


def untrained() -> SlotPolicy:
    """Uniform over calls; words fall off by e^-0.8 a choice, to 1.3 on average."""
    logits_TA = torch.zeros(len(CHOICES), len(WORDS))
    logits_TA[4] = -0.8 * torch.arange(len(WORDS))
    return SlotPolicy([t.id for t in Contexts().load("train")], CHOICES, write, logits_TA)


def figures(policy: SlotPolicy) -> tuple[float, float]:
    """Probability of the whole right call and mean number of words, over the contexts."""
    p_STA = policy.log_probs(Contexts().load("train")).detach().exp()
    words_S = p_STA[:, 4] @ torch.tensor(WORDS).float()
    return p_STA[:, :4, 0].prod(1).mean().item(), words_S.mean().item()


@dataclass(frozen=True)
class Miniature:
    """One arm. ``allowance`` is taken off "exact within 0.02": an arm may lose that much."""

    reward: ToolReward
    allowance: float = 0.0

    def __call__(self, seed: int, report: Report) -> dict[str, float]:
        policy, words = untrained(), figures(untrained())[1]
        loop = Loop(STEPS, CONTEXTS, checkpoint_every=0, evaluation_tasks=0, seed=seed)
        recipe = build(tasks=Contexts(), reward=self.reward, loop=loop, optimiser=AdamW(lr=0.05))
        silent = [h["zero_std_share"] for h in train(recipe, policy=policy, quiet=True).history]
        report(1.0)
        exact, longer = figures(policy)
        return {
            "exact": exact,
            "exact within 0.02": exact - self.allowance,
            "zero_std_share": sum(silent) / len(silent),
            "lengthening": longer / words,
        }


def claim() -> Claim:
    """Graded credit finds the calls that an all-or-nothing reward does not."""
    graded, coarse, longer = "partial credit", "all or nothing", "with length reward"
    return Claim(
        slug=SLUG,
        statement="Partial credit finds calls that all-or-nothing never does; length adds nothing",
        arms={
            coarse: Miniature(ToolReward(credit=all_or_nothing, released=True)),
            graded: Miniature(ToolReward(released=True), allowance=0.02),
            longer: Miniature(ToolReward(length=ThinkLength(64), released=True)),
        },
        metric="exact",
        expectations=(
            Expectation(graded, coarse, "exact", matters=0.5),
            Expectation(0.2, coarse, "exact", why="all or nothing stays below a fifth"),
            Expectation(coarse, graded, "zero_std_share", matters=0.2),
            Expectation(longer, 5.0, "lengthening", why="five times the words"),
            Expectation(longer, graded, "exact within 0.02", why="accuracy is kept"),
        ),
    )
