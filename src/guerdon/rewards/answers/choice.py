"""Multiple-choice answers, and the format-and-accuracy reward of DianJin-R1."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from guerdon.examples import ANSWER, BOXED, Example, choices
from guerdon.parsing import (
    LETTERS,
    choice_letters,
    chosen_letters,
    last_boxed,
    sections,
    separated_choice_letters,
)
from guerdon.records import Progress, Rollouts, Scores, Task
from guerdon.rewards.answers.answer import Boxed, Extractor, Tagged, WholeText, first_found
from guerdon.rewards.running.rows import single
from guerdon.rewards.text.format import FormatReward


@dataclass(frozen=True)
class ChoiceMatch:
    r"""1 where the chosen letters are exactly the reference's, else 0: no partial credit.

    The letters are read from the last box of the ``section`` that occurs exactly once
    ("" = from the last box of the whole text). ``strict`` accepts separated letters only
    (see `separated_choice_letters`); else every letter that occurs counts (the released rule
    of DianJin-R1, arXiv 2504.15716). The reference is always read by the released rule; a
    reference that is a list is one set of letters.

    Value and part "accuracy": float[N] of 0 and 1. No section or no box: 0.
    Raises ValueError naming the task where the reference holds no choice letter: an empty
    reference would reward empty boxes.
    """

    name: ClassVar[str] = "choice-match"

    section: str = "answer"
    """The section that is read; empty: the whole text."""
    strict: bool = False
    """Whether letters must stand apart."""
    letters: str = LETTERS
    """The letters that name choices."""

    scope: ClassVar[str] = "completion"
    range: ClassVar[tuple[float, float]] = (0.0, 1.0)

    def __call__(self, rollouts: Rollouts, progress: Progress) -> Scores:
        golds = [gold_letters(task, self.letters) for task in rollouts.tasks]
        rows = zip(rollouts.texts, rollouts.group.tolist(), strict=True)
        correct = [float(self.read(text) == golds[group]) for text, group in rows]
        return single("accuracy", torch.tensor(correct))

    def read(self, text: str) -> str | None:
        """The letters one completion chooses; None where it has no box to read."""
        inside = sections(text, (self.section,)).once(self.section) if self.section else text
        boxed = None if inside is None else last_boxed(inside)
        if boxed is None:
            return None
        parse = separated_choice_letters if self.strict else choice_letters
        return parse(boxed, self.letters)

    @classmethod
    def example(cls) -> Example:
        return Example(cls(), choices(BOXED))


def gold_letters(task: Task, letters: str) -> str:
    """The right letters of a task. Raises ValueError naming the task where there are none."""
    answer = task.answer
    text = "".join(map(str, answer)) if isinstance(answer, list | tuple) else str(answer or "")
    found = choice_letters(text, letters)
    if not found:
        raise ValueError(
            f"task {task.id!r}: its answer {answer!r} holds none of the choice letters "
            f"{letters}; give the letters of the right choices"
        )
    return found


Credit = Callable[[str, str], float]
"""Chosen letters and right letters (at least one) to a score in [0, 1]."""


def none_wrong(chosen: str, right: str) -> float:
    """The share of the right letters that are chosen; 0 with any wrong one (arXiv 2505.24718)."""
    return len(set(chosen)) / len(set(right)) if set(chosen) <= set(right) else 0.0


def jaccard(chosen: str, right: str) -> float:
    """Letters chosen rightly, over letters chosen or right.

    >>> jaccard("AC", "ABC")
    0.6666666666666666
    """
    return len(set(chosen) & set(right)) / len(set(chosen) | set(right))


@dataclass(frozen=True)
class ChoiceCredit:
    """Partial credit for several right choices: ``credit(chosen, right)``.

    The letters are read by `guerdon.parsing.chosen_letters` from what the first of ``extract``
    finds: "B, D", "(b) because" or "B: text". ``credit`` is `none_wrong` (TW-GRPO: a wrong
    letter loses all) or `jaccard`. Naming every choice earns 0 or the share that is right.

    Value and part "choices": float[N] in [0, 1]; nothing chosen is 0. Raises ValueError naming
    the task whose reference holds no choice letter.
    """

    name: ClassVar[str] = "choice-credit"

    credit: Credit = none_wrong
    """From chosen and right letters to what they are worth."""
    extract: tuple[Extractor, ...] = (Tagged(), Boxed(), WholeText())
    """Where the answer is looked for, the first that finds one."""
    letters: str = LETTERS
    """The letters that name choices."""

    scope: ClassVar[str] = "completion"
    range: ClassVar[tuple[float, float]] = (0.0, 1.0)

    def __call__(self, rollouts: Rollouts, progress: Progress) -> Scores:
        golds = [gold_letters(task, self.letters) for task in rollouts.tasks]
        values = []
        for text, group in zip(rollouts.texts, rollouts.group.tolist(), strict=True):
            chosen = chosen_letters(first_found(self.extract, text) or "", self.letters)
            values.append(self.credit(chosen, golds[group]) if chosen else 0.0)
        return single("choices", torch.tensor(values))

    @classmethod
    def example(cls) -> Example:
        return Example(cls(), choices(ANSWER))


Combination = Callable[[Tensor, Tensor], Mapping[str, Tensor]]
"""Format float[N] and accuracy float[N] to named parts float[N] that sum to the value."""


def gated(format_N: Tensor, accuracy_N: Tensor) -> Mapping[str, Tensor]:
    """format x accuracy, in {0, 1}: the released DianJin-R1 reward.

    Part "accuracy" is what accuracy changes once the form holds: 0 or -1.
    """
    return {"format": format_N, "accuracy": format_N * accuracy_N - format_N}


def summed(format_N: Tensor, accuracy_N: Tensor) -> Mapping[str, Tensor]:
    """format + accuracy, in {0, 1, 2}: the two rewards of the DianJin-R1 paper.

    An answer out of form can't be read, so accuracy counts only where the form holds.
    """
    return {"format": format_N, "accuracy": format_N * accuracy_N}


def right_in_form(format_N: Tensor, accuracy_N: Tensor) -> Mapping[str, Tensor]:
    """The value of `gated` as the one part "accuracy": a share of answers, right and in form."""
    return {"accuracy": format_N * accuracy_N}


@dataclass(frozen=True)
class DianjinReward:
    r"""Format and accuracy of ``<think>...</think><answer>...\boxed{B}...</answer>``.

    Format: each section exactly once and a box inside the answer; with ``strict_outside``
    nothing outside the sections (and so in order), with ``require_order`` the answer after
    the thinking. Accuracy: the letters of the answer's last box are the reference's
    (`ChoiceMatch`, with ``strict_choices``). ``combine`` is `gated` (released) or `summed`
    (paper), arXiv 2504.15716. Parts "format" and "accuracy", float[N], sum to the value.
    Raises ValueError for a reference without choice letters.
    """

    name: ClassVar[str] = "dianjin"

    combine: Combination = gated
    """How form and accuracy become one number."""
    strict_outside: bool = False
    """Whether nothing may stand outside the sections."""
    require_order: bool = False
    """Whether the answer must come after the thinking."""
    strict_choices: bool = False
    """Whether letters must stand apart."""

    scope: ClassVar[str] = "completion"

    @property
    def range(self) -> tuple[float, float]:
        """0 to what a right answer in form is worth."""
        one = torch.ones(1)
        return 0.0, float(sum(part.item() for part in self.combine(one, one).values()))

    def __call__(self, rollouts: Rollouts, progress: Progress) -> Scores:
        form = FormatReward(
            strict=self.strict_outside, require_order=self.require_order, box_in="answer"
        )
        format_N = form(rollouts, progress).value
        accuracy_N = ChoiceMatch(strict=self.strict_choices)(rollouts, progress).value
        parts = self.combine(format_N, accuracy_N)
        return Scores(value=torch.stack(list(parts.values())).sum(0), parts=parts)

    @classmethod
    def example(cls) -> Example:
        return Example(cls(), choices(BOXED))
