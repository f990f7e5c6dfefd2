"""Multiple-choice answers, and the format-and-accuracy reward of DianJin-R1."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from guerdon.examples import ANSWER, BOXED, Example, choices
from guerdon.parsing import (
    CHOICES,
    LETTERS,
    choice_letters,
    chosen_letters,
    last_boxed,
    lone_answer,
    options_of,
    reference_letters,
    sections,
    separated_choice_letters,
)
from guerdon.parsing.units import WRAPPED
from guerdon.records import Progress, Rollouts, Scores, Task
from guerdon.rewards.answers.answer import (
    AfterThinking,
    Boxed,
    Extractor,
    Hash,
    Stated,
    Tagged,
    WholeText,
    first_found,
)
from guerdon.rewards.answers.free_text import words_of
from guerdon.rewards.running.rows import answer_texts, single
from guerdon.rewards.text.format import FormatReward

Letters = Callable[[str, str], str]
"""An answer and the letters that there are, to those that it chooses; "" for none."""

CHOICE_READERS: tuple[Extractor, ...] = (
    AfterThinking((Tagged(), Hash(), Stated(), Boxed(), WholeText())),
)
"""Where a choice is looked for: as `READERS`, but what is stated goes before a box of symbols."""

_LABELLED = re.compile(r"\W{0,3}([A-Z])\W{0,2}[).:]\s{0,4}(\S.{0,400})", re.DOTALL)
_SEVERAL = re.compile(r"[,;\n]|\band\b")
_LONGEST_OPTION = 400


@dataclass(frozen=True)
class BoxedIn:
    """The last box of the ``section`` that occurs exactly once (DianJin-R1, arXiv 2504.15716)."""

    section: str = "answer"

    def __call__(self, text: str) -> str | None:
        inside = sections(text, (self.section,)).once(self.section)
        return None if inside is None else last_boxed(inside)


@dataclass(frozen=True)
class ChoiceMatch:
    r"""1 where the chosen letters are exactly the reference's, else 0: no partial credit.

    The letters are read by ``read`` from what the first of ``extract`` finds: by default as a
    person reads them (`guerdon.parsing.chosen_letters`); by `choice_letters` every letter that
    occurs counts, and by `separated_choice_letters` only letters that stand alone. The reference
    is read in the same way (`gold_letters`): "B. Dog", "(b)" and "b" are one choice. An answer
    without letters that is an option's own text chooses it (`named_options`).

    Value and part "accuracy": float[N] of 0 and 1. Nothing chosen: 0.
    Raises ValueError naming the task where the reference holds no choice letter: an empty
    reference would reward empty boxes.
    """

    name: ClassVar[str] = "choice-match"

    extract: tuple[Extractor, ...] = CHOICE_READERS
    """Where the choice is looked for; the first that finds something counts."""
    read: Letters = chosen_letters
    """How letters are read from it."""
    letters: str = CHOICES
    """The letters that there are."""

    scope: ClassVar[str] = "completion"
    range: ClassVar[tuple[float, float]] = (0.0, 1.0)

    def __call__(self, rollouts: Rollouts, progress: Progress) -> Scores:
        released = self.read is choice_letters
        golds = [gold_letters(task, self.letters, released) for task in rollouts.tasks]
        rows = zip(rollouts.texts, rollouts.group.tolist(), strict=True)
        correct = [
            float(self.chosen(text, rollouts.tasks[group]) == golds[group]) for text, group in rows
        ]
        return single("accuracy", torch.tensor(correct))

    def chosen(self, text: str, task: Task | None = None) -> str:
        """The letters one completion chooses; "" where it chooses none."""
        found = first_found(self.extract, text) or ""
        chosen = self.read(found, self.letters)
        if chosen or task is None or self.read is not chosen_letters:
            return chosen
        return named_options(found, task, self.letters)

    def unreadable(self, tasks: Sequence[Task]) -> list[tuple[Task, str]]:
        """The tasks whose reference can't be read, each with the reason."""
        return _unread(tasks, self.letters, self.read is choice_letters)

    @classmethod
    def example(cls) -> Example:
        return Example(cls(), choices(BOXED))


def gold_letters(task: Task, letters: str = CHOICES, released: bool = False) -> str:
    """The right letters of a task: of its answer, or of each of a list of answers.

    A text is read by `guerdon.parsing.reference_letters`; if ``released``, every letter that
    occurs counts (DianJin-R1). With the options in the column ``choices``, an option's own text
    stands for its letter, and a whole number is its place from 0, as MMLU counts. Raises ValueError
    naming the task where there are none: a number alone may count from 0 or from 1.
    """
    chosen, refused = _read_gold(task, letters, released)
    if refused:
        raise ValueError(f"task {task.id!r}: {refused}")
    return chosen


def _read_gold(task: Task, letters: str, released: bool) -> tuple[str, str]:
    """The right letters, or why there are none."""
    given = task.answer if isinstance(task.answer, list | tuple | set) else [task.answer]
    options = options_of(task.columns.get("choices"))
    chosen: list[str] = []
    for one in given:
        if isinstance(one, int) and not isinstance(one, bool):
            if not 0 <= one < len(options):
                return "", (
                    f"its answer {one} may count from 0 or from 1; give the letter, or the options "
                    "in the column 'choices' (a list, counted from 0)"
                )
            chosen.append(list(options)[one])
            continue
        for text in answer_texts(one)[0]:
            named = [label for label, option in options.items() if option.strip() == text.strip()]
            read = choice_letters if released else reference_letters
            chosen.append(
                named[0] if len(named) == 1 and text not in options else read(text, letters)
            )
    found = "".join(letter for letter in letters if any(letter in some for some in chosen))
    if not found or not all(chosen):
        return "", (
            f"its answer {task.answer!r:.200} holds none of the choice letters {letters}; give the "
            "letters of the right choices"
        )
    return found, ""


def _unread(tasks: Sequence[Task], letters: str, released: bool = False) -> list[tuple[Task, str]]:
    refused = ((task, _read_gold(task, letters, released)[1]) for task in tasks)
    return [(task, reason) for task, reason in refused if reason]


def named_options(said: str, task: Task, letters: str = CHOICES) -> str:
    """The letters of the options whose own text an answer is, word by word; "" for anything else.

    "Dog" chooses B where the column ``choices`` has it there alone, or where the reference is
    "B. Dog"; "Dog and Hen" chooses both.
    """
    options = options_of(task.columns.get("choices")) or _labelled(task)
    if not options or len(said) > _LONGEST_OPTION:
        return ""
    said = WRAPPED.sub(r"\1", said)
    said = lone_answer(said) or said
    words = {letter: words_of(text) for letter, text in options.items() if letter in letters}
    pieces = [said]
    if not any(words_of(said) == one for one in words.values()):
        pieces = _SEVERAL.split(said)
    chosen = set()
    for piece in pieces:
        meant = [letter for letter, one in words.items() if one and one == words_of(piece)]
        if len(meant) != 1:
            return ""
        chosen.add(meant[0])
    return "".join(letter for letter in letters if letter in chosen)


def _labelled(task: Task) -> dict[str, str]:
    """The options that a reference spells out: "B. Dog"."""
    texts, _ = answer_texts(task.answer)
    found = [match for match in map(_LABELLED.fullmatch, texts) if match]
    return {match[1]: match[2] for match in found} if len(found) == len(texts) else {}


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
    letter loses all) or `jaccard`. Naming every choice earns 0 or the share that is right, and
    several letters earn 0 where one is right.

    Value and part "choices": float[N] in [0, 1]; nothing chosen is 0. Raises ValueError naming
    the task whose reference holds no choice letter.
    """

    name: ClassVar[str] = "choice-credit"

    credit: Credit = none_wrong
    """From chosen and right letters to what they are worth."""
    extract: tuple[Extractor, ...] = CHOICE_READERS
    """Where the choice is looked for; the first that finds something counts."""
    letters: str = CHOICES
    """The letters that name choices."""

    scope: ClassVar[str] = "completion"
    range: ClassVar[tuple[float, float]] = (0.0, 1.0)

    def __call__(self, rollouts: Rollouts, progress: Progress) -> Scores:
        golds = [gold_letters(task, self.letters) for task in rollouts.tasks]
        values = []
        for text, group in zip(rollouts.texts, rollouts.group.tolist(), strict=True):
            found = first_found(self.extract, text) or ""
            chosen = chosen_letters(found, self.letters)
            chosen = chosen or named_options(found, rollouts.tasks[group], self.letters)
            hedged = len(golds[group]) == 1 < len(chosen)
            values.append(self.credit(chosen, golds[group]) if chosen and not hedged else 0.0)
        return single("choices", torch.tensor(values))

    def unreadable(self, tasks: Sequence[Task]) -> list[tuple[Task, str]]:
        """The tasks whose reference can't be read, each with the reason."""
        return _unread(tasks, self.letters)

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
    (every letter that occurs; with ``strict_choices`` separated ones). ``combine`` is `gated`
    (released) or `summed` (paper), arXiv 2504.15716. Parts "format" and "accuracy", float[N],
    sum to the value.
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
            strict=self.strict_outside,
            require_order=self.require_order,
            box_in="answer",
            may_be_empty=("think",),
        )
        format_N = form(rollouts, progress).value
        read = separated_choice_letters if self.strict_choices else choice_letters
        golds = [gold_letters(task, LETTERS, released=True) for task in rollouts.tasks]
        box = BoxedIn("answer")
        accuracy_N = torch.tensor(
            [
                float(read(box(text) or "", LETTERS) == golds[group])
                for text, group in zip(rollouts.texts, rollouts.group.tolist(), strict=True)
            ]
        )
        parts = self.combine(format_N, accuracy_N)
        return Scores(value=torch.stack(list(parts.values())).sum(0), parts=parts)

    @classmethod
    def example(cls) -> Example:
        return Example(cls(), choices(BOXED))
