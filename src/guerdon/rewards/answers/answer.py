r"""The answer of a completion: where it is read, and whether it is the reference answer.

The readers, in the order in which the default asks them (`READERS`): after the thinking
(`AfterThinking`), the ``<answer>`` tag (`Tagged`), the last box (`Boxed`), ``#### 42`` (`Hash`),
"the answer is 42" (`Stated`), the number that the text settles on (`LastNumber`), and a text that
is one short line (`Alone`).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Annotated, ClassVar

from guerdon.examples import Example, numbers
from guerdon.parsing import (
    after_thinking,
    answer_text,
    boxed_answer,
    hashed_answer,
    lone_answer,
    only_number,
    parse_number,
    plain_answer,
    section_text,
    stated_answer,
    undecorated,
)
from guerdon.parsing.end_tokens import without_end_tokens
from guerdon.parsing.last_number import last_amount
from guerdon.ranges import between, check_ranges
from guerdon.records import Progress, Rollouts, Scores, Task
from guerdon.rewards.answers.equality import any_same, same_answer
from guerdon.rewards.running.rows import Judged, Ungradable, accepted_answers, gather, unread

Extractor = Callable[[str], str | None]
"""Completion text to its answer; None where this reader finds none."""


@dataclass(frozen=True)
class Tagged:
    """The inside of the last ``<name>`` section; of the last box in it, if it holds one.

    A section that is cut at a stop string counts where it is the only one (see
    `guerdon.parsing.section_text`); the tag's case is none of its meaning. "The answer is 42" in
    it gives 42, and so does ``**42**``.
    """

    name: str = "answer"

    def __call__(self, text: str) -> str | None:
        inside = section_text(text, self.name, last=True)
        if inside is None and "<" in text and f"<{self.name.lower()}>" in text.lower():
            inside = section_text(_tags_in_case(text, self.name), self.name, last=True)
        return None if inside is None else _short(inside)


@dataclass(frozen=True)
class Boxed:
    r"""The inside of the last ``\boxed{...}``, cut off or not; ``\fbox`` is a box too.

    Boxes that a comma, "or" or "and" joins are one answer: ``\boxed{1} or \boxed{2}`` gives
    "1 or 2", which is no number.
    """

    def __call__(self, text: str) -> str | None:
        return _boxed(text)


def _boxed(text: str) -> str | None:
    found = boxed_answer(text)
    if found is None:
        return None
    stated = stated_answer(found)
    return undecorated(found) if stated is None else stated


@dataclass(frozen=True)
class Hash:
    """What stands after ``####``, the form of GSM8K (see `guerdon.parsing.hashed_answer`)."""

    def __call__(self, text: str) -> str | None:
        return hashed_answer(text)


@dataclass(frozen=True)
class Stated:
    """What the text says its answer is: "The answer is 42", "Answer: 42", "**Answer:** 42".

    See `guerdon.parsing.stated_answer` for what ends it and what takes it back.
    """

    def __call__(self, text: str) -> str | None:
        return stated_answer(text)


@dataclass(frozen=True)
class LastNumber:
    """The number that the text settles on at its end (see `guerdon.parsing.last_number`).

    One of several in a row ("75 or 85"), an operand, and one in doubt are none. A unit goes with
    it: "It is 5 m" is not 5 cm.
    """

    def __call__(self, text: str) -> str | None:
        return last_amount(text)


@dataclass(frozen=True)
class Alone:
    """The whole text where it is one short line: "Oslo", "It is Oslo." """

    def __call__(self, text: str) -> str | None:
        return lone_answer(text)


@dataclass(frozen=True)
class WholeText:
    """The whole text, or the inside of its ``<answer>`` section (see `answer_text`)."""

    def __call__(self, text: str) -> str | None:
        return answer_text(text)


@dataclass(frozen=True)
class AfterThinking:
    """What the first of ``readers`` finds after the thinking: nothing within it is an answer.

    Thinking is what stands before ``</think>`` or ``</thinking>``, or from ``<think>`` to an
    ``<answer>`` tag or the end where it is never closed. With ``prefilled``, the chat template
    has opened it in the prompt: a text without the closing tag is still thinking.
    """

    readers: tuple[Extractor, ...] = (Tagged(), Boxed(), Hash(), Stated(), LastNumber(), Alone())
    """What reads the rest; the first that finds an answer counts."""
    prefilled: bool = False
    """Whether the prompt ends in ``<think>``."""

    def __call__(self, text: str) -> str | None:
        if self.prefilled and "</think" not in text and "<think" not in text:
            text = "<think>" + text
        return first_found(self.readers, after_thinking(text))


READERS: tuple[Extractor, ...] = (AfterThinking(),)
"""Where the default looks for an answer."""


def first_found(extract: Sequence[Extractor], text: str) -> str | None:
    """What the first of several readers finds; None where none finds an answer.

    End tokens at the end of the text are none of it.
    """
    if text.endswith((">", ">\n")):
        text = without_end_tokens(text)
    for read in extract:
        found = read(text)
        if found is not None:
            return found
    return None


def _tags_in_case(text: str, name: str) -> str:
    """The text with the tags of that name as they are written: ``<Answer>`` as ``<answer>``."""
    written = re.compile(rf"<(/?){re.escape(name)}>", re.IGNORECASE)
    return written.sub(rf"<\1{name}>", text)


def _short(inside: str) -> str:
    """The answer that a section holds: its last box, what it states, or all of it, plainly."""
    if "box" in inside and (boxed := _boxed(inside)) is not None:
        return boxed
    if (found := hashed_answer(inside)) is not None or (found := stated_answer(inside)) is not None:
        return found
    return undecorated(inside)


@dataclass(frozen=True)
class AnswerMatch:
    r"""1 where the completion's answer equals the reference answer, else 0.

    The answer is what the first of ``extract`` finds, by default after the thinking: the last
    ``<answer>`` section, else the last box, ``#### 42``, what the text says its answer is, the
    number that it settles on. References are read in the same way
    (`guerdon.rewards.running.rows.accepted_answers`). The two are compared exactly where that
    settles it (see `guerdon.rewards.answers.equality.same_answer`): as text, as numbers
    (``1,000`` = ``1000.0``, ``0.5`` = ``\frac{1}{2}``), as expressions. What stays open is decided
    by symbolic equality, in a process that has ``symbolic_seconds`` of processor time (0 = what is
    open is wrong). An expression such as ``3+4`` is not accepted where the reference is the number
    7; a sentence with one number in it is.

    Value and part "accuracy": float[N] of 0 and 1. No answer found: 0. A task without a reference
    answer that can be read is invalid, and a symbolic comparison over its limit on account of the
    reference; on account of the answer it is 0.
    A list as reference answer accepts each of its members.
    """

    name: ClassVar[str] = "answer-match"

    extract: tuple[Extractor, ...] = READERS
    """Where the answer is looked for; the first that finds one counts."""
    symbolic_seconds: Annotated[float, between(0, 1_000_000, "0 is off")] = 2.0
    """Processor time of a symbolic comparison; 0 takes what is open for wrong."""

    scope: ClassVar[str] = "completion"
    range: ClassVar[tuple[float, float]] = (0.0, 1.0)

    def __post_init__(self) -> None:
        check_ranges(self)

    def __call__(self, rollouts: Rollouts, progress: Progress) -> Scores:
        answers = [self.read(text) for text in rollouts.texts]
        golds = accepted_answers(rollouts)
        decided: dict[tuple[str | None, tuple[str, ...]], Judged | Ungradable] = {}
        open_pairs: list[tuple[str, tuple[str, ...]]] = []
        for answer, gold in zip(answers, golds, strict=True):
            if isinstance(gold, Ungradable) or (answer, gold) in decided:
                continue
            equal = None if answer is None else _same(answer, gold)
            if answer is not None and equal is None and self.symbolic_seconds > 0:
                open_pairs.append((answer, gold))
                decided[answer, gold] = _judged(False)
            else:
                decided[answer, gold] = _judged(bool(equal))
        for pair, outcome in zip(open_pairs, self._symbolic(open_pairs), strict=True):
            decided[pair] = outcome
        return gather(
            [
                gold if isinstance(gold, Ungradable) else decided[answer, gold]
                for answer, gold in zip(answers, golds, strict=True)
            ]
        )

    def unreadable(self, tasks: Sequence[Task]) -> list[tuple[Task, str]]:
        """The tasks whose reference can't be read, each with the reason."""
        return unread(tasks)

    def read(self, text: str) -> str | None:
        """The answer of one completion, None where no extractor finds one."""
        return first_found(self.extract, text)

    def _symbolic(self, pairs: Sequence[tuple[str, tuple[str, ...]]]) -> list[Judged | Ungradable]:
        if not pairs:
            return []
        # Imported at first need: the symbolic library takes most of a second to load.
        from guerdon.rewards.answers.symbolic import compare

        flat = [(a, g) for a, gold in pairs for g in gold if same_answer(a, g) is None]
        by_pair = dict(zip(flat, compare(flat, self.symbolic_seconds), strict=True))
        return [_any_of([by_pair[a, g] for g in gold if (a, g) in by_pair]) for a, gold in pairs]

    @classmethod
    def example(cls) -> Example:
        return Example(cls(), numbers())


def _same(answer: str, gold: tuple[str, ...]) -> bool | None:
    """`any_same`, or a sentence whose only number is the reference."""
    equal = any_same(answer, gold)
    if equal or (number := only_number(answer)) is None:
        return equal
    unit = plain_answer(answer).unit
    alike = (one for one in gold if plain_answer(one).unit in ("", unit))
    values = {parse_number(one) for one in alike} - {None}
    return True if values and parse_number(number) in values else equal


def _judged(correct: bool) -> Judged:
    return Judged(float(correct), {"accuracy": float(correct)})


def _any_of(outcomes: Sequence[bool | str]) -> Judged | Ungradable:
    """One match is enough; a failed comparison matters only where nothing else matches."""
    if any(outcome is True for outcome in outcomes):
        return _judged(True)
    failed = [outcome for outcome in outcomes if isinstance(outcome, str)]
    return Ungradable(failed[0], failed[0]) if failed else _judged(False)
