"""TimeMaster in miniature.

The miniature: three classes, and a feature that is the class with probability 0.85. A policy by
feature: form or none, a class, and by class one of four extensions, a generic one (a logit of 2
above the others at the start) and one for each class. The judge gives 0.2, 0.9 for the extension
of the class given and 0.5 for another's, with noise of 0.1. Policy gradient at 0.4, 300 updates.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, replace

import torch

from guerdon.advantages import GroupNormalised
from guerdon.objectives import ClippedSurrogate, SequenceSumMean
from guerdon.recipes.timemaster import SLUG
from guerdon.records import Experience, Progress, Task
from guerdon.reproduction import Claim, Expectation, Report
from guerdon.rewards.answers.extension import LabelAndExtension
from guerdon.rollout import SlotPolicy
from guerdon.stages import Sampling
from guerdon.training import Guard, update

CLASSES = "abc"
GROUP = 5
UPDATES = 300
RATE = 0.4
CLEAR = 0.85
OTHERS = {"a": "bc", "b": "ac", "c": "ab"}
EXTENSIONS = ("generic", *CLASSES)
QUALITY = torch.tensor([[0.2, *(0.9 if e == c else 0.5 for e in CLASSES)] for c in CLASSES])
OBJECTIVE = ClippedSurrogate(aggregation=SequenceSumMean())


def untrained() -> SlotPolicy:
    """Form or none, a class, and an extension for each class, generic with a logit of 2."""
    slots, start = [("formed", "not"), CLASSES, *[EXTENSIONS] * 3], torch.zeros(5, 4)
    start[2:, 0] = 2.0
    return SlotPolicy(CLASSES, slots, written, start)


def written(task: Task, chosen: tuple[str, ...]) -> str:
    """The class with its extension, or nothing that can be read."""
    added = chosen[2 + CLASSES.index(chosen[1])]
    text = f"<class>{chosen[1]}</class><extension>{added}</extension>"
    return text if chosen[0] == "formed" else ""


@dataclass(frozen=True)
class Miniature:
    """One arm: the extension's weight, whether it needs the right class, and an allowance."""

    weight: float = 0.5
    gated: bool = True
    allowance: float = 0.0

    def __call__(self, seed: int, report: Report) -> dict[str, float]:
        policy, draw = untrained(), random.Random(seed)

        def judge(task: Task, label: str, extension: str) -> float:
            mean = QUALITY[CLASSES.index(label), EXTENSIONS.index(extension)].item()
            return mean + draw.gauss(0, 0.1)

        weights = (0.1, 0.9, self.weight)
        reward = LabelAndExtension(judge, tuple(CLASSES), weights=weights, gated=self.gated)
        optimiser = torch.optim.SGD(policy.parameters(), lr=RATE * len(CLASSES))
        for at in (Progress(step, UPDATES) for step in range(UPDATES)):
            truth = (c if draw.random() < CLEAR else draw.choice(OTHERS[c]) for c in CLASSES)
            tasks = [Task(c, "", label) for c, label in zip(CLASSES, truth, strict=True)]
            rows = policy.sample(tasks, GROUP, Sampling(), seed * UPDATES + at.step)
            given_NC = rows.ids[:, 1:2] == torch.arange(3)  # other extensions are no acts
            rows = replace(rows, mask=torch.cat([torch.ones_like(given_NC[:, :2]), given_NC], 1))
            advantage_NT = GroupNormalised()(Experience(rows, reward(rows, at)))
            learned = Experience(rows, advantage=advantage_NT)
            update(policy, optimiser, OBJECTIVE, learned, guard=Guard(), clip=0)
        report(1.0)
        p_STA = policy.log_probs([Task(c, "") for c in CLASSES]).detach().exp()
        p_SCE = p_STA[:, 1, :3, None] * p_STA[:, 2:]
        clear = torch.full((3, 3), (1 - CLEAR) / 2).fill_diagonal_(CLEAR)
        accuracy = (p_STA[:, 0, 0] * (p_SCE.sum(2) * clear).sum(1)).mean().item()
        quality = (p_SCE * QUALITY).sum((1, 2)).mean().item()
        figures = {"accuracy": accuracy, "accuracy within 0.03": accuracy - self.allowance}
        return {**figures, "extension quality": quality}


def claim() -> Claim:
    """The judged extension gets better and the class no worse."""
    plain, gated = "form and class", "gated extension"
    return Claim(
        slug=SLUG,
        statement="A judged extension, paid where the class is right, improves at no cost to it",
        arms={
            plain: Miniature(weight=0.0, allowance=0.03),
            gated: Miniature(),
            "ungated extension": Miniature(gated=False),
        },
        metric="extension quality",
        expectations=(
            Expectation(gated, plain, "extension quality", matters=0.4),
            Expectation(gated, plain, "accuracy within 0.03", why="accuracy is kept"),
        ),
        seeds=12,
    )
