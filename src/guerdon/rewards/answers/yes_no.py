"""Questions of yes or no."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import takewhile
from typing import ClassVar

import torch

from guerdon.examples import Example, probe
from guerdon.records import Progress, Rollouts, Scores, Task
from guerdon.rewards.answers.answer import Extractor, first_found
from guerdon.rewards.answers.choice import CHOICE_READERS
from guerdon.rewards.running.rows import answer_texts, single

VERDICTS = ("yes", "no", "true", "false")
_BETWEEN = ("or", "and")
_READ = 1_000
"""Characters of an answer in which its first words are looked for."""


def verdict(text: str) -> str:
    """The first word of a text where it is one of `VERDICTS`, whatever its case and signs; else "".

    A list of different ones, such as "yes or no", is none.

    >>> verdict("No."), verdict("**Yes**, it is"), verdict("No, that is not true")
    ('no', 'yes', 'no')
    >>> verdict("yes or no"), verdict("No-one"), verdict("I say no")
    ('', '', '')
    """
    words = ("".join(c for c in one if c.isalnum() or c in "-'") for one in text[:_READ].split())
    named = takewhile(
        (*VERDICTS, *_BETWEEN).__contains__, (w.lower() for w in words if w.strip("-'"))
    )
    first, *others = [*named] or [""]
    return first if first in VERDICTS and {first, *_BETWEEN}.issuperset(others) else ""


@dataclass(frozen=True)
class YesNo:
    """1 where the answer's first word is the reference's: yes, no, true or false (`verdict`).

    What follows is not read, unless it names another at once ("yes or no" is no answer). Mixed-R1
    (arXiv 2505.24164) matches such questions so. The reference may be a truth value.
    Value and part "verdict": float[N] of 0 and 1; no verdict is 0. Raises ValueError naming the
    task whose reference is none of the four words.
    """

    name: ClassVar[str] = "yes-no"

    extract: tuple[Extractor, ...] = CHOICE_READERS
    """Where the answer is looked for; the first that finds something counts."""

    scope: ClassVar[str] = "completion"
    range: ClassVar[tuple[float, float]] = (0.0, 1.0)

    def __call__(self, rollouts: Rollouts, progress: Progress) -> Scores:
        golds = [_gold(task) for task in rollouts.tasks]
        rows = zip(rollouts.texts, rollouts.group.tolist(), strict=True)
        said = [
            float(verdict(first_found(self.extract, text) or "") == golds[group])
            for text, group in rows
        ]
        return single("verdict", torch.tensor(said))

    @classmethod
    def example(cls) -> Example:
        negative = probe(
            "odd", "Is 12 odd?", "no", ("yes", "true", "12"), ("No", "No.", "no, it is not")
        )
        positive = probe(
            "even", "Is 12 even?", "yes", ("no", "maybe", "12"), ("Yes.", "YES", "yes!")
        )
        once = {"repeated-answer": "a verdict said thirty times is one verdict"}
        return Example(cls(), (negative, positive), stays=once)


def _gold(task: Task) -> str:
    found = [verdict(text) for text in answer_texts(task.answer)[0]]
    if len(found) != 1 or not found[0]:
        raise ValueError(
            f"task {task.id!r}: its answer is {task.answer!r:.200}; give one of "
            f"{', '.join(VERDICTS)}"
        )
    return found[0]
