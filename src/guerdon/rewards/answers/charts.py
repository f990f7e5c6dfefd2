"""Quantities read off charts and pictures: relaxed numbers, counts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from typing import ClassVar

from guerdon.examples import Example, probe
from guerdon.parsing import last_number, parse_number, section_text, stated_answer, undecorated
from guerdon.parsing.number_words import in_digits
from guerdon.records import Progress, Rollouts, Scores
from guerdon.rewards.running.rows import Judged, Ungradable, accepted_answers, gather

_WORST = Fraction(10**6)

MAX_EDITED = 200
"""Longest reference text that is compared by edit distance."""

Tolerance = Callable[[float], float]
"""Relative error (0 or more) to a credit in [0, 1]."""


def within_five_per_cent(error: float) -> float:
    """1 for a relative error of at most 0.05 (the chart-QA convention), else 0."""
    return float(error <= 0.05)


def linear_credit(error: float) -> float:
    """max(0, 1 - error)."""
    return max(0.0, 1.0 - error)


@dataclass(frozen=True)
class ChartAnswer:
    """Relaxed accuracy of an answer read off a chart (Mixed-R1, arXiv 2505.24164).

    The answer is the first ``section``, which may be cut at a stop string. Where it and the
    reference are numbers (``,``, ``$`` and ``%`` allowed; per cent divides by 100 only where
    exactly one of the two has it), the
    value is ``credit(|a - y| / max(|y|, 1e-6))``, reckoned exactly. Else, with both texts in
    lower case and single spaces, 1 - edit distance / length of the longer, or 0 below 0.5.
    Value and part "chart": float[N] in [0, 1]; no section is 0. Of several references the
    best counts. A task without reference answer makes its rows invalid.
    """

    name: ClassVar[str] = "chart"

    credit: Tolerance = within_five_per_cent
    """From a relative difference to what it is worth."""
    section: str = "answer"
    """The section that is read."""

    scope: ClassVar[str] = "completion"
    range: ClassVar[tuple[float, float]] = (0.0, 1.0)

    def __call__(self, rollouts: Rollouts, progress: Progress) -> Scores:
        rows: list[Judged | Ungradable] = []
        for text, golds in zip(rollouts.texts, accepted_answers(rollouts), strict=True):
            if isinstance(golds, Ungradable):
                rows.append(golds)
                continue
            inside = section_text(text, self.section)
            answer = None if inside is None else stated_answer(inside) or undecorated(inside)
            value = 0.0 if answer is None else max(self.judge(answer, gold) for gold in golds)
            rows.append(Judged(value, {"chart": value}))
        return gather(rows)

    def judge(self, answer: str, gold: str) -> float:
        """One answer against one reference."""
        a, y = parse_number(answer), parse_number(gold)
        if a is None or y is None:
            return edit_similarity(answer, gold)
        if _per_cent(answer) and _per_cent(gold):
            a, y = a * 100, y * 100
        error = abs(a - y) / max(abs(y), Fraction(1, 10**6))
        return self.credit(float(min(error, _WORST)))

    @classmethod
    def example(cls) -> Example:
        probes = (
            probe("sales", "Sales in May?", "2400", ("4800", "24", "-2400"), ("2,400", "$2400")),
            probe(
                "who", "Which country leads?", "Norway", ("Chile", "Peru"), ("norway", " Norway ")
            ),
        )
        return Example(cls(), probes)


def _per_cent(text: str) -> bool:
    return "%" in text


def edit_similarity(one: str, two: str) -> float:
    """1 - Levenshtein distance / length of the longer; below 0.5 it is 0.

    Case and amount of white space do not count. A reference ``two`` over `MAX_EDITED`
    characters must be met exactly. Both empty: 1.
    """
    if len(one) > 4 * MAX_EDITED + 4 * len(two):
        return 0.0
    a, b = (" ".join(text.lower().split()) for text in (one, two))
    if a == b:
        return 1.0
    # A length difference is a lower bound of the distance.
    if len(b) > MAX_EDITED or 2 * min(len(a), len(b)) < max(len(a), len(b)):
        return 0.0
    row = list(range(len(b) + 1))
    for i, letter in enumerate(a, 1):
        above, row[0] = row[0], i
        for j, other in enumerate(b, 1):
            above, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, above + (letter != other))
    similarity = 1 - row[-1] / max(len(a), len(b))
    return similarity if similarity >= 0.5 else 0.0


@dataclass(frozen=True)
class CountReward:
    """1 where the last number of the first ``section`` is the reference count, else 0.

    With ``credit`` (such as `linear_credit`), near counts earn ``credit(|a - y| / max(y, 1))``
    instead. Value and part "count": float[N] in [0, 1]. An answer that is no whole number
    from 0 up is 0. The reference is the task's ``column``, or its answer where that is "". Raises
    ValueError naming the task where that is no such number.
    """

    name: ClassVar[str] = "count"

    credit: Tolerance | None = None
    """From a relative difference to what it is worth; null: only the right count is."""
    section: str = "answer"
    """The section that is read."""
    column: str = "count"
    """The column of the count; empty: the task's answer."""

    scope: ClassVar[str] = "completion"
    range: ClassVar[tuple[float, float]] = (0.0, 1.0)

    def __call__(self, rollouts: Rollouts, progress: Progress) -> Scores:
        golds = []
        for task in rollouts.tasks:
            given = task.columns.get(self.column) if self.column else task.answer
            gold = _count(str(given))
            if gold is None:
                place = f"column {self.column!r}" if self.column else "its answer"
                raise ValueError(f"task {task.id!r}: {place} is {given!r:.40}; give a count")
            golds.append(gold)
        values = [
            self._judge(text, golds[group])
            for text, group in zip(rollouts.texts, rollouts.group.tolist(), strict=True)
        ]
        return gather([Judged(value, {"count": value}) for value in values])

    def _judge(self, text: str, gold: int) -> float:
        inside = section_text(text, self.section)
        said = in_digits((inside or "").strip().removesuffix("."))
        count = _count(last_number(said) or "") if inside is not None else None
        if count is None or self.credit is None:
            return float(count == gold)
        return self.credit(float(min(Fraction(abs(count - gold), max(gold, 1)), _WORST)))

    @classmethod
    def example(cls) -> Example:
        rewrites = ("7.0", "7 birds", "There are 7")
        probes = (
            probe("birds", "How many birds?", "7", ("8", "17", "70", "-7"), rewrites, count=7),
        )
        return Example(cls(), probes)


def _count(text: str) -> int | None:
    number = parse_number(text)
    return int(number) if number is not None and number >= 0 and number.denominator == 1 else None
