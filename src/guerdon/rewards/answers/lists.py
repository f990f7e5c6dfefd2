"""Answers that are lists or sets, with partial credit."""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, ClassVar

from guerdon.examples import Example, probe
from guerdon.parsing import list_items, parse_number
from guerdon.parsing.characters import latex_characters
from guerdon.records import Progress, Rollouts, Scores, Task
from guerdon.rewards.answers.answer import Boxed, Extractor, Tagged, WholeText, first_found
from guerdon.rewards.running.rows import Judged, Ungradable, gather

_LONGEST_ITEM = 1000
"""Longer items are compared as they stand: normalising marks out of order takes quadratic time."""

Item = str | Fraction | tuple["Item", ...]
Credit = Callable[[Sequence[Item], Sequence[Item]], float]
"""Given items and right items (at least one) to a score in [0, 1]."""


def set_f1(given: Sequence[Item], right: Sequence[Item]) -> float:
    """``2 |G & R| / (|G| + |R|)`` over multisets, so that repeating a right item costs.

    >>> set_f1(["2", "3", "9"], ["2", "3", "5"])
    0.6666666666666666
    """
    if not given:
        return 0.0
    common = (Counter(given) & Counter(right)).total()
    return 2 * common / (len(given) + len(right))


def same_set(given: Sequence[Item], right: Sequence[Item]) -> float:
    """1 where both hold the same items, whatever their order and repetition, else 0."""
    return float(set(given) == set(right))


def same_list(given: Sequence[Item], right: Sequence[Item]) -> float:
    """1 where both are the same list in the same order, else 0."""
    return float(list(given) == list(right))


def right_places(given: Sequence[Item], right: Sequence[Item]) -> float:
    """Share of places that hold the right item; the longer list sets the number of places.

    >>> right_places(["a", "b", "c"], ["a", "c"])
    0.3333333333333333
    """
    hits = sum(a == b for a, b in zip(given, right, strict=False))
    return hits / max(len(given), len(right))


@dataclass(frozen=True)
class ListMatch:
    """A list or set of items against the task's list, by ``credit``.

    The list is what the first of ``extract`` finds, read by `guerdon.parsing.list_items`. Items
    are equal as exact numbers (``0.5`` = ``1/2``), in brackets of one kind item by item
    (``(1,2)`` = ``(1.0, 2)``), else as text without case and with one space between words; items
    over 1,000 characters must be equal as they stand. ``credit`` is
    `set_f1`, `same_set`, `same_list`, `right_places` or a function of the same kind. The task's
    answer is a list, or a text that is read as one.

    Value and part "items": float[N] in [0, 1]. An empty answer is 0; a task without items makes
    its rows invalid.
    """

    name: ClassVar[str] = "list-match"

    credit: Credit = set_f1
    """From two lists to what the answer is worth."""
    extract: tuple[Extractor, ...] = (Tagged(), Boxed(), WholeText())
    """Where the answer is looked for, the first that finds one."""

    scope: ClassVar[str] = "completion"
    range: ClassVar[tuple[float, float]] = (0.0, 1.0)

    def __call__(self, rollouts: Rollouts, progress: Progress) -> Scores:
        golds = [_gold(task) for task in rollouts.tasks]
        rows: list[Judged | Ungradable] = []
        for text, group in zip(rollouts.texts, rollouts.group.tolist(), strict=True):
            if not golds[group]:
                rows.append(Ungradable("the task's answer holds no items"))
                continue
            found = first_found(self.extract, text) or ""
            value = self.credit([_key(item) for item in list_items(found)], golds[group])
            rows.append(Judged(value, {"items": value}))
        return gather(rows)

    @classmethod
    def example(cls) -> Example:
        probes = (
            probe(
                *("primes", "Which primes lie below 6?", "2, 3, 5", ("7, 11", "4", "1, 4, 6, 8")),
                ("[2, 3, 5]", "5, 3 and 2", r"\{2, 3, 5\}", "- 2\n- 3\n- 5", "2; 3; 5.0"),
            ),
            probe(
                *("colours", "Which colours has the flag?", "red, white", ("green, black", "blue")),
                ("White, Red", '["red", "white"]', "red and white"),
            ),
        )
        return Example(cls(), probes)


def _gold(task: Task) -> list[Item]:
    answer: Any = task.answer
    if isinstance(answer, Mapping):
        return []  # no list, whatever its text looks like
    if isinstance(answer, list | tuple | set | frozenset):
        return [_key(str(item)) for item in answer]
    return [_key(item) for item in list_items("" if answer is None else str(answer))]


def _key(item: str, inside: bool = False) -> Item:
    number = parse_number(item)
    if number is None:
        number = parse_number(latex_characters(item)) if len(item) <= _LONGEST_ITEM else None
    if number is not None:
        return number
    if len(item) > _LONGEST_ITEM:
        return item
    if not inside and item[:1] in "([{" and item[-1:] in ")]}" and len(item) > 2:
        return (item[0], *(_key(part, inside=True) for part in list_items(item)), item[-1])
    return " ".join(unicodedata.normalize("NFKC", item).casefold().split())
