"""The answer of a completion against the reference answer."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import ClassVar

from guerdon.parsing import answer_text, last_boxed, last_number, parse_number, sections
from guerdon.records import Progress, Rollouts, Scores
from guerdon.rewards.rows import Judged, Ungradable, accepted_answers, gather

Extractor = Callable[[str], str | None]
"""Completion text to its answer; None where this reader finds none."""


@dataclass(frozen=True)
class Tagged:
    """The inside of the last ``<name>`` section; of the last box in it, if it holds one."""

    name: str = "answer"

    def __call__(self, text: str) -> str | None:
        inside = sections(text, (self.name,)).last(self.name)
        if inside is None:
            return None
        boxed = last_boxed(inside)
        return inside.strip() if boxed is None else boxed


@dataclass(frozen=True)
class Boxed:
    r"""The inside of the last balanced ``\boxed{...}``."""

    def __call__(self, text: str) -> str | None:
        return last_boxed(text)


@dataclass(frozen=True)
class LastNumber:
    """The last number in the text."""

    def __call__(self, text: str) -> str | None:
        return last_number(text)


@dataclass(frozen=True)
class WholeText:
    """The whole text, or the inside of its ``<answer>`` section (see `answer_text`)."""

    def __call__(self, text: str) -> str | None:
        return answer_text(text)


def same_text(answer: str, gold: str) -> bool:
    """Equal as text, apart from white space at the ends and its amount between words."""
    return answer == gold or answer.split() == gold.split()


@dataclass(frozen=True)
class AnswerMatch:
    r"""1 where the completion's answer equals the reference answer, else 0.

    The answer is what the first of ``extract`` finds: the last ``<answer>`` section, else the
    last box, else the last number. It is compared exactly: as numbers where both are numbers
    (``1,000`` = ``1000.0``, ``0.5`` = ``\frac{1}{2}``), else as text, else — only where the
    reference is an expression rather than a number and both look like mathematics — by
    symbolic equality, in a process that is stopped after ``symbolic_seconds`` (0 = never
    compare so). An expression such as ``3+4`` is therefore not accepted for the number 7.

    Value and part "accuracy": float[N] of 0 and 1. No answer found: 0. A task without
    reference answer and a symbolic comparison that ran over its limit or crashed: invalid.
    A list as reference answer accepts each of its members.
    """

    extract: tuple[Extractor, ...] = (Tagged(), Boxed(), LastNumber())
    symbolic_seconds: float = 2.0

    scope: ClassVar[str] = "completion"
    range: ClassVar[tuple[float, float]] = (0.0, 1.0)

    def __call__(self, rollouts: Rollouts, progress: Progress) -> Scores:
        answers = [self.read(text) for text in rollouts.texts]
        golds = accepted_answers(rollouts)
        decided: dict[tuple[str | None, tuple[str, ...]], Judged | Ungradable] = {}
        open_pairs: list[tuple[str, tuple[str, ...]]] = []
        for answer, gold in zip(answers, golds, strict=True):
            if (answer, gold) in decided:
                continue
            verdict = _plain_verdict(answer, gold)
            if verdict is None and answer is not None and self._worth_symbols(answer, gold):
                open_pairs.append((answer, gold))
            decided[answer, gold] = verdict or _judged(False)
        for pair, outcome in zip(open_pairs, self._symbolic(open_pairs), strict=True):
            decided[pair] = outcome
        return gather([decided[pair] for pair in zip(answers, golds, strict=True)])

    def read(self, text: str) -> str | None:
        """The answer of one completion, None where no extractor finds one."""
        for extract in self.extract:
            found = extract(text)
            if found is not None:
                return found
        return None

    def _worth_symbols(self, answer: str, gold: tuple[str, ...]) -> bool:
        return self.symbolic_seconds > 0 and any(_both_mathematics(answer, one) for one in gold)

    def _symbolic(self, pairs: Sequence[tuple[str, tuple[str, ...]]]) -> list[Judged | Ungradable]:
        if not pairs:
            return []
        # Imported at first need: the symbolic library takes most of a second to load.
        from guerdon.rewards.symbolic import compare

        flat = [(a, g) for a, gold in pairs for g in gold if _both_mathematics(a, g)]
        by_pair = dict(zip(flat, compare(flat, self.symbolic_seconds), strict=True))
        return [_any_of([by_pair[a, g] for g in gold if (a, g) in by_pair]) for a, gold in pairs]


def _judged(correct: bool) -> Judged:
    return Judged(float(correct), {"accuracy": float(correct)})


def _plain_verdict(answer: str | None, gold: tuple[str, ...]) -> Judged | Ungradable | None:
    """The verdict where exact comparison settles it, None where the answer differs."""
    if not gold:
        return Ungradable("the task has no reference answer")
    if answer is None:
        return _judged(False)
    number = parse_number(answer)
    for one in gold:
        if (number is not None and parse_number(one) == number) or same_text(answer, one):
            return _judged(True)
    return None


_OPERATOR = re.compile(r"[\d\\^_=+*/()\[\]{}|√π∞−-]")
_COMMAND = re.compile(r"\\[a-zA-Z]+")
_LONG_WORD = re.compile(r"[a-zA-Z]{4,}")
_FUNCTIONS = frozenset(
    ["sqrt", "sinh", "cosh", "tanh", "asin", "acos", "atan", "arcsin", "arccos", "arctan"]
)
_DATE = re.compile(r"\d+(?:[-/]\d+){2}")
_LONGEST_EXPRESSION = 300


def _both_mathematics(answer: str, gold: str) -> bool:
    return parse_number(gold) is None and all(map(_looks_mathematical, (answer, gold)))


def _looks_mathematical(text: str) -> bool:
    """Operators or digits, and neither prose, a query, JSON nor a date: those aren't solved."""
    if len(text) > _LONGEST_EXPRESSION or '"' in text or _DATE.fullmatch(text.strip()):
        return False
    words = _LONG_WORD.findall(_COMMAND.sub(" ", text))
    return bool(_OPERATOR.search(text)) and all(word in _FUNCTIONS for word in words)


def _any_of(outcomes: Sequence[bool | str]) -> Judged | Ungradable:
    """One match is enough; a failed comparison matters only where nothing else matches."""
    if any(outcome is True for outcome in outcomes):
        return _judged(True)
    failed = [outcome for outcome in outcomes if isinstance(outcome, str)]
    return Ungradable(failed[0]) if failed else _judged(False)
