"""A reward's failures: in a line, with their place, by kind, and when they are too many."""

from __future__ import annotations

import os
import traceback
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from guerdon.parsing.visible import visible
from guerdon.records import Rollouts, Scores

FEWEST = 4
"""Rows from which it is concluded that a reward fails; fewer are counted with the next."""

_OURS = str(Path(__file__).parent) + os.sep
_STANDARD = str(Path(traceback.__file__).parent) + os.sep
_REASON, _HEADLINE, _LINE, _EXCERPT = 200, 800, 300, 300
_HEAD, _TAIL = 24, 24
_KINDS = 20


class RewardFailed(ValueError):
    """A reward raised on too many rows to go on; the message names exception, file and mend."""


class NotGiven(ValueError):
    """What a reward reads (a column, a group, tokens) was not given: the caller's mistake.

    The message says what, and quotes nothing but what was given.
    """


def told(error: BaseException) -> tuple[str, str]:
    """An exception as one short line, and as a text whose first line also says where.

    The place is the innermost line outside the package, libraries and Python, which is the
    user's own; else the innermost of all. Nothing that the exception does can raise here, and
    signs that a terminal would obey are shown as their numbers.
    """
    line, headline = one_line(error), one_line(error, _HEADLINE)
    try:
        steps = traceback.extract_tb(error.__traceback__)
        text = "".join(traceback.format_exception(error))
    except Exception:  # an exception whose own methods raise
        return line, headline
    lines = [visible(one[:_LINE]) for one in text.rstrip("\n").split("\n")]
    if len(lines) > _HEAD + _TAIL + 1:
        left_out = f"  ... {len(lines) - _HEAD - _TAIL} lines left out ..."
        lines = [*lines[:_HEAD], left_out, *lines[-_TAIL:]]
    own = [step for step in steps if not _foreign(step.filename)]
    places = [f" (at {step.filename}, line {step.lineno})" for step in own or steps]
    at = places[-1] if places else ""
    return line, "\n".join([f"{headline}{at}", *lines])


def _foreign(file: str) -> bool:
    """Whether a file is the package's, a library's or Python's own."""
    return file.startswith((_OURS, _STANDARD, "<")) or "site-packages" in file


def one_line(error: BaseException, most: int = _REASON) -> str:
    """``Type: message`` of an exception, at most ``most`` signs of message."""
    name = type(error).__name__
    try:
        text = " ".join(str(error)[: 4 * _HEADLINE].split())
    except Exception:
        text = "its message can't be shown"
    text = visible(text[:most])
    return f"{name}: {text}" if text else name


def kind_of(error: str) -> str:
    """What sort of failure an entry of ``Scores.errors`` is: ``ValueError``, say."""
    first = error.split("\n", 1)[0].split(" (at ", 1)[0]
    return first.split(": ", 1)[0][:80]


@dataclass(frozen=True)
class Failure:
    """One kind of failure: how many rows, and one of them with its traceback."""

    kind: str
    count: int
    error: str
    task: str
    completion: str

    @property
    def headline(self) -> str:
        """Exception, file and line."""
        return self.error.split("\n", 1)[0]


@dataclass(frozen=True)
class Tally:
    """How many rows were judged, and why some of them are invalid.

    ``failures``: rows on which the reward raised, ran out of time or lost its process, by kind,
    the most frequent first. ``ungradable``: reasons of the other invalid rows, with counts.
    """

    rows: int = 0
    failures: tuple[Failure, ...] = ()
    ungradable: Mapping[str, int] = field(default_factory=dict)

    @property
    def failed(self) -> int:
        """Rows that are invalid by exception."""
        return sum(failure.count for failure in self.failures)

    @property
    def invalid(self) -> int:
        """Rows that are invalid for any reason."""
        return self.failed + sum(self.ungradable.values())

    @property
    def reasons(self) -> dict[str, int]:
        """All invalid rows by kind of failure or reason; the kinds of failure come first."""
        failed = {f"failed: {failure.kind}": failure.count for failure in self.failures}
        return {**failed, **self.ungradable}

    def __add__(self, other: Tally) -> Tally:
        merged: dict[str, Failure] = {}
        for failure in (*self.failures, *other.failures):
            known = merged.get(failure.kind, replace(failure, count=0))
            merged[failure.kind] = replace(known, count=known.count + failure.count)
        reasons = Counter(self.ungradable) + Counter(other.ungradable)
        return Tally(self.rows + other.rows, _sorted(merged), dict(_fewer(reasons)))


def tally(rollouts: Rollouts, scores: Scores) -> Tally:
    """The invalid rows of scores by kind."""
    found: dict[str, list[int]] = {}
    ungradable: Counter[str] = Counter()
    for row in (~scores.valid).nonzero().flatten().tolist():
        error = scores.errors[row]
        if error is None:
            ungradable[visible((scores.reasons[row] or "")[:_REASON])] += 1
        else:
            found.setdefault(kind_of(error), []).append(row)
    failures = {
        kind: Failure(
            kind,
            len(rows),
            scores.errors[rows[0]] or "",
            visible(str(rollouts.task_of(rows[0]).id)),
            rollouts.shown[rows[0]][:_EXCERPT],
        )
        for kind, rows in found.items()
    }
    return Tally(len(scores), _sorted(failures), dict(_fewer(ungradable)))


def _sorted(failures: Mapping[str, Failure]) -> tuple[Failure, ...]:
    return tuple(sorted(failures.values(), key=lambda one: -one.count))


def _fewer(reasons: Counter[str]) -> list[tuple[str, int]]:
    """The most frequent reasons, the rest together: a reason may quote its row."""
    kept = reasons.most_common(_KINDS)
    others = reasons.total() - sum(count for _, count in kept)
    return [*kept, *([("other reasons", others)] if others else [])]


def too_many(failed: int, rows: int, most: float, fewest: int = FEWEST) -> bool:
    """Whether a reward that failed on so many rows is not to be called again.

    It is where all of at least ``fewest`` rows failed, or more than the share ``most`` of them.
    """
    return rows >= fewest and (failed == rows or failed > most * rows)


def failing(found: Tally) -> str:
    """The failures in a sentence: exception, file and line, a completion, and the mend.

    "" where nothing failed.
    """
    if not found.failures:
        return ""
    first = found.failures[0]
    others = "".join(f"; {one.count} × {one.headline}" for one in found.failures[1:4])
    return (
        f"the reward failed on {found.failed} of {found.rows} completions: "
        f"{first.headline}{others}. One of them: task {first.task}, completion "
        f"{first.completion[:120]!r}. Mend the reward (`guerdon score FILE` and `guerdon sample` "
        "try it without training), or let it return None for what it can't judge"
    )


def refuse_failing(found: Tally, most: float = 1.0) -> None:
    """Raise `RewardFailed` where a reward failed on all rows, or on more than the share ``most``.

    For judging once, where even one row is all there is.
    """
    if too_many(found.failed, found.rows, most, fewest=1):
        raise RewardFailed(failing(found))
