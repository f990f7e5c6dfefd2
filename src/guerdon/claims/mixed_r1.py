"""Mixed-R1 in miniature.

The miniature: places for 6 or 12 of 16 tokens with random embeddings of 8 numbers, the reference
5 of the tokens; with 12 places a blank is a choice, so that answers can be short. One half of BMAS
against both. Read off the likeliest token of each place. Left out: exact matching, whose one hit
in ten thousand draws teaches nothing, and the mixture on a transformer.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch

from guerdon.advantages import GroupNormalised
from guerdon.objectives import ClippedSurrogate, SequenceSumMean
from guerdon.recipes.mixed_r1 import SLUG
from guerdon.records import Experience, Progress, Task
from guerdon.reproduction import Claim, Expectation, Report
from guerdon.rewards import TokenSimilarity
from guerdon.rollout import SlotPolicy
from guerdon.shaping import WeightedParts
from guerdon.stages import Sampling
from guerdon.training import Guard, update

TOKENS = 16
SIZE = 8
REFERENCE = 5
GROUP = 8
UPDATES = 400
RATE = 1.0
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
            [task.id],
            [options] * self.places,
            lambda _, said: " ".join(filter(None, said)),
        )
        reward = TokenSimilarity(lambda text: table[[int(word) for word in text.split()]])
        shaper = WeightedParts(dict.fromkeys(self.halves, 1.0))
        optimiser = torch.optim.SGD(policy.parameters(), lr=RATE)
        for at in (Progress(step, UPDATES) for step in range(UPDATES)):
            rows = policy.sample([task], GROUP, Sampling(), seed * UPDATES + at.step)
            scores = shaper(reward(rows, at), rows, at)
            advantage_NT = GroupNormalised()(Experience(rows, scores))
            learned = Experience(rows, advantage=advantage_NT)
            update(policy, optimiser, OBJECTIVE, learned, guard=Guard(), clip=0)
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
