"""The answer of a completion against the reference answer."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Annotated, ClassVar

from guerdon.examples import Example, numbers
from guerdon.parsing import answer_text, last_boxed, last_number, sections
from guerdon.ranges import between, check_ranges
from guerdon.records import Progress, Rollouts, Scores
from guerdon.rewards.answers.equality import any_same, same_answer
from guerdon.rewards.running.rows import Judged, Ungradable, accepted_answers, gather

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


def first_found(extract: Sequence[Extractor], text: str) -> str | None:
    """What the first of several readers finds; None where none finds an answer."""
    return next((found for read in extract if (found := read(text)) is not None), None)


@dataclass(frozen=True)
class AnswerMatch:
    r"""1 where the completion's answer equals the reference answer, else 0.

    The answer is what the first of ``extract`` finds: the last ``<answer>`` section, else the
    last box, else the last number. It is compared exactly where that settles it (see
    `guerdon.rewards.answers.equality.same_answer`): as text, as numbers (``1,000`` = ``1000.0``,
    ``0.5`` = ``\frac{1}{2}``), as expressions. What stays open is decided by symbolic equality,
    in a process that is stopped after ``symbolic_seconds`` (0 = what is open is wrong). An
    expression such as ``3+4`` is not accepted where the reference is the number 7.

    Value and part "accuracy": float[N] of 0 and 1. No answer found: 0. A task without
    reference answer and a symbolic comparison that ran over its limit or crashed: invalid.
    A list as reference answer accepts each of its members.
    """

    name: ClassVar[str] = "answer-match"

    extract: tuple[Extractor, ...] = (Tagged(), Boxed(), LastNumber())
    """Where the answer is looked for; the first that finds one counts."""
    symbolic_seconds: Annotated[float, between(0, 1_000_000, "0 is off")] = 2.0
    """Limit of a symbolic comparison; 0 takes what is open for wrong."""

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
            if (answer, gold) in decided:
                continue
            equal = None if answer is None else any_same(answer, gold)
            if not gold:
                decided[answer, gold] = Ungradable("the task has no reference answer")
            elif answer is not None and equal is None and self.symbolic_seconds > 0:
                open_pairs.append((answer, gold))
                decided[answer, gold] = _judged(False)
            else:
                decided[answer, gold] = _judged(bool(equal))
        for pair, outcome in zip(open_pairs, self._symbolic(open_pairs), strict=True):
            decided[pair] = outcome
        return gather([decided[pair] for pair in zip(answers, golds, strict=True)])

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


def _judged(correct: bool) -> Judged:
    return Judged(float(correct), {"accuracy": float(correct)})


def _any_of(outcomes: Sequence[bool | str]) -> Judged | Ungradable:
    """One match is enough; a failed comparison matters only where nothing else matches."""
    if any(outcome is True for outcome in outcomes):
        return _judged(True)
    failed = [outcome for outcome in outcomes if isinstance(outcome, str)]
    return Ungradable(failed[0], failed[0]) if failed else _judged(False)
