"""Mixed-R1: each kind of task has its reward, open answers too, on one scale.

Paper: Mixed-R1 (2505.24164). Changed against GRPO: a task's kind picks its reward (`Router`):
matching for choices, relaxed accuracy for charts, IoU for boxes and, for open answers, BMAS
(`TokenSimilarity`), the best cosine of every token in both directions over a frozen table of
input embeddings; plus 1 for the form. Left out: images and the data engine that filters 45,000
tasks. The real run has the text forms of the tasks on the seedling, which writes a thinking
section for sums and choices alone, and its own embeddings.

The miniature: places for 6 or 12 of 16 tokens with random embeddings of 8 numbers, the reference
5 of the tokens; with 12 places a blank is a choice, so that answers can be short. One half of BMAS
against both. Read off the likeliest token of each place. Left out: exact matching, whose one hit
in ten thousand draws teaches nothing, and the mixture on a transformer.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import torch

from guerdon.advantages import GroupNormalised
from guerdon.objectives import KL, ClippedSurrogate, SequenceSumMean
from guerdon.recipes import Paper
from guerdon.records import Progress, Task
from guerdon.reproduction import Claim, Expectation, Report
from guerdon.rewards import (
    BoxReward,
    ChartAnswer,
    ChoiceCredit,
    FormatReward,
    Router,
    StaticEmbeddings,
    TokenSimilarity,
    WeightedSum,
)
from guerdon.rollout import SlotPolicy
from guerdon.shaping import WeightedParts
from guerdon.stages import Reward, Sampling
from guerdon.tasks import Arithmetic, FactQuestions, MixedTasks, MultipleChoice, TextBoxes
from guerdon.training import FixedReference, Guard, Loop, Optimiser, PolicyRecipe, update

SLUG = "mixed-r1"
PAPER = Paper(
    "Mixed-R1: Unified Reward Perspective For Reasoning Capability in Multimodal Large Language "
    "Models",
    "2505.24164",
)


def build(**overrides: Any) -> PolicyRecipe:
    """The real run: the seedling on four kinds of tasks, each with its reward."""
    kinds = {
        "mcq": MultipleChoice(train=512),
        "chart": Arithmetic(train=512),
        "grounding": TextBoxes(train=512),
        "open": FactQuestions(train=512),
    }
    rewards: dict[str, Reward] = {
        "mcq": ChoiceCredit(),
        "chart": ChartAnswer(),
        "grounding": BoxReward(),
        "open": TokenSimilarity(StaticEmbeddings("seedling")),
    }
    recipe = PolicyRecipe(
        name=SLUG,
        tasks=MixedTasks(kinds),
        reward=WeightedSum({"task": Router(rewards), "form": FormatReward()}),
        objective=ClippedSurrogate(kl=KL(0.04)),
        reference=FixedReference(),
        optimiser=Optimiser(lr=1e-4),
        loop=Loop(steps=50, groups=16, group_size=8),
    )
    return replace(recipe, **overrides)


TOKENS, SIZE, REFERENCE, GROUP, UPDATES, RATE = 16, 8, 5, 8, 400, 1.0
OBJECTIVE = ClippedSurrogate(aggregation=SequenceSumMean())


@dataclass(frozen=True)
class Miniature:
    """One arm: which halves of BMAS are paid, and how many places there are to fill."""

    halves: tuple[str, ...]
    places: int
    blank: bool = False

    def __call__(self, seed: int, report: Report) -> dict[str, float]:
        table = torch.randn(TOKENS, SIZE, generator=torch.Generator().manual_seed(seed))
        gold = [str(i) for i in range(REFERENCE)]
        task = Task("answer", "", " ".join(gold))
        options = [*map(str, range(TOKENS)), *([""] if self.blank else [])]
        policy = SlotPolicy(
            [task.id], [options] * self.places, lambda _, said: " ".join(filter(None, said))
        )
        reward = TokenSimilarity(lambda text: table[[int(word) for word in text.split()]])
        shaper = WeightedParts(dict.fromkeys(self.halves, 1.0))
        optimiser = torch.optim.SGD(policy.parameters(), lr=RATE)
        for at in (Progress(step, UPDATES) for step in range(UPDATES)):
            rows = policy.sample([task], GROUP, Sampling(), seed * UPDATES + at.step)
            scores = shaper(reward(rows, at), rows, at)
            advantage_NT = GroupNormalised()(scores, rows)
            update(policy, optimiser, OBJECTIVE, rows, advantage_NT, guard=Guard(), clip=0)
        report(1.0)
        said = policy.sample([task], 1, Sampling(temperature=0.0), 0).texts[0].split()
        precision = sum(word in gold for word in said) / max(len(said), 1)
        return {"precision": precision, "recall": len(set(said) & set(gold)) / REFERENCE}


def claim() -> Claim:
    """Either half of BMAS alone is gamed; both together are not."""
    both = ("precision", "recall")
    return Claim(
        slug=SLUG,
        statement="Similarity one way is gamed by repeating, the other by listing, BMAS by neither",
        arms={
            "forward, 6 places": Miniature(("precision",), 6),
            "both, 6 places": Miniature(both, 6),
            "backward, 12 places": Miniature(("recall",), 12, blank=True),
            "both, 12 places": Miniature(both, 12, blank=True),
        },
        metric="recall",
        expectations=(
            Expectation("both, 6 places", "forward, 6 places", "recall", 0.1, why="repeats"),
            Expectation("both, 12 places", "backward, 12 places", "precision", 0.1, why="lists"),
            Expectation("both, 6 places", 0.9, "recall", why="and finds the reference"),
        ),
        seeds=6,
    )
