"""TimeMaster: form, the right class and, on top of the right class alone, a judged extension.

Paper: TimeMaster (2506.13705). Changed against GRPO: `LabelAndExtension`, 0.1 for a class of the
set, 0.9 for the right one and up to 0.5 for what the judge says of the extension, which is asked
about right answers only. Groups of 5, KL 0.01. Left out: plots of time series, the fine-tuning
before, and the language model as judge. The real run has choices among numbers in words on the
seedling, its letter as the class and its thinking as the extension, which a rule rates: does it
name the number of the letter?

The miniature: three classes, and a feature that is the class with probability 0.85. A policy by
feature: form or none, a class, and by class one of four extensions, a generic one (a logit of 2
above the others at the start) and one for each class. The judge gives 0.2, 0.9 for the extension
of the class given and 0.5 for another's, with noise of 0.1. Policy gradient at 0.4, 300 updates.
A first version drew class and extension from one softmax, against the specification: +0.33
[0.22, 0.43] in quality where 0.4 is expected; expectations were written before both.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, replace
from typing import Any

import torch

from guerdon.advantages import GroupNormalised
from guerdon.objectives import KL, ClippedSurrogate, SequenceSumMean
from guerdon.recipes import Paper
from guerdon.records import Progress, Task
from guerdon.reproduction import Claim, Expectation, Report
from guerdon.rewards.answers.extension import LabelAndExtension
from guerdon.rollout import SlotPolicy
from guerdon.stages import Sampling
from guerdon.tasks import MultipleChoice
from guerdon.training import FixedReference, Guard, Loop, Optimiser, PolicyRecipe, update

SLUG = "timemaster"
PAPER = Paper(
    "TimeMaster: Training Time-Series Multimodal LLMs to Reason via Reinforcement Learning",
    "2506.13705",
)


def names_the_number(task: Task, label: str, thought: str) -> float:
    """1 where the thinking is the number behind the chosen letter, else 0."""
    return float(thought == task.columns["choices"][label.upper()])


def build(**overrides: Any) -> PolicyRecipe:
    """The real run: the seedling chooses, and is to think of what it chooses."""
    recipe = PolicyRecipe(
        name=SLUG,
        tasks=MultipleChoice(),
        reward=LabelAndExtension(names_the_number, label="answer", extension="think"),
        objective=ClippedSurrogate(kl=KL(0.01)),
        reference=FixedReference(),
        optimiser=Optimiser(lr=1e-4),
        loop=Loop(steps=50, groups=16, group_size=5),
    )
    return replace(recipe, **overrides)


CLASSES, GROUP, UPDATES, RATE, CLEAR = "abc", 5, 300, 0.4, 0.85
OTHERS, EXTENSIONS = {"a": "bc", "b": "ac", "c": "ab"}, ("generic", *CLASSES)
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
            advantage_NT = GroupNormalised()(reward(rows, at), rows)
            update(policy, optimiser, OBJECTIVE, rows, advantage_NT, guard=Guard(), clip=0)
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
