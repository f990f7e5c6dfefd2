"""A reward as other trainers call it: from many threads, and row by row."""

from __future__ import annotations

import logging
import threading
from collections.abc import Sequence
from dataclasses import dataclass, replace
from time import monotonic
from typing import Any, TypeVar

import torch

from guerdon.connectors.given import Given, rollouts_of
from guerdon.failures import NotGiven, RewardFailed, tally, too_many
from guerdon.judging import judged
from guerdon.records import Progress, Rollouts, Scores
from guerdon.shaping import Chain
from guerdon.stages import Reward, Shaper
from guerdon.traits import judges_several, scope_of

logger = logging.getLogger("guerdon.connectors")

NAN = float("nan")
T = TypeVar("T")

MOST_ROWS = 4096
"""How many rows calls are joined to; a single call may have more."""

MOST_PLACES = 2**26
"""How large the mask of joined calls may grow: rows times the largest token count, in bytes."""


@dataclass(eq=False)
class _Call:
    rows: Sequence[Given]
    progress: Progress
    scores: Scores | None = None
    error: Exception | None = None

    @property
    def done(self) -> bool:
        return self.scores is not None or self.error is not None


class Judge:
    """``reward`` and then ``shaping`` on given rows; may be called from several threads.

    Trainers that score one completion at a time do so from many threads. Here one thread
    judges at a time, and takes with it what has come in meanwhile: the reward sees batches and
    its own parallelism works. Calls are joined only where no score depends on other rows.

    Rows on which the reward raises are invalid (`guerdon.judging.judged`): no completion ends a
    trainer. Raised, for the call at fault alone, are NotGiven, where the reward reads what the
    trainer does not give; what a shaper raises; and RewardFailed, where the reward has failed on
    all rows since the first, at least `guerdon.failures.FEWEST` of them: then it is at fault and
    not the completions. Errors are logged too, since several trainers swallow them, and invalid
    rows as one warning a call, with a reason. With ``quiet`` neither is: the caller tells, and
    knows for whom it was judged.
    """

    def __init__(
        self, source: str, reward: Reward, shaping: Sequence[Shaper] = (), quiet: bool = False
    ) -> None:
        self.source, self.reward, self.shaping = source, reward, tuple(shaping)
        self.quiet = quiet
        self.busy_since: float | None = None
        self._failed, self._works = 0, False
        self._waiting: list[_Call] = []
        self._changed = threading.Condition()

    def __reduce__(self) -> tuple[Any, ...]:
        return Judge, (self.source, self.reward, self.shaping, self.quiet)

    @property
    def needs_groups(self) -> bool:
        """True where a row's score depends on others; a user's shaper must say that it doesn't."""
        if judges_several(self.reward):
            return True
        return not all(_row_by_row(shaper) for shaper in self.shaping)

    def refuse_groups(self, why: str) -> None:
        """Raise ValueError if whole groups are needed, which the trainer doesn't give."""
        if self.needs_groups:
            raise ValueError(
                f"{_name(self.reward)} with {len(self.shaping)} shapers scores whole groups, but "
                f"{self.source} {why}"
            )

    def __call__(self, rows: Sequence[Given], progress: Progress | None = None) -> Scores:
        call = _Call(rows, progress or Progress())
        with self._changed:
            self._waiting.append(call)
            self._changed.wait_for(lambda: call.done or self.busy_since is None)
            calls = [] if call.done else self._taken(call)
        if calls:
            try:
                self._judge(calls)
            finally:
                with self._changed:
                    self.busy_since = None
                    self._changed.notify_all()
        if call.scores is None:
            raise call.error or RuntimeError("not judged")
        if not self.quiet:
            self._tell(call.scores)
        return call.scores

    def _taken(self, call: _Call) -> list[_Call]:
        """The calls to judge with this one, from now on; others stay for their own threads."""
        self.busy_since = monotonic()
        others = [one for one in self._waiting if one is not call]
        taken, rows, widest = [call], len(call.rows), _widest(call)
        for one in [] if self.needs_groups else others:
            joined, width = rows + len(one.rows), max(widest, _widest(one))
            fits = joined <= MOST_ROWS and joined * width <= MOST_PLACES
            if one.progress == call.progress and fits:
                taken.append(one)
                rows, widest = joined, width
        self._waiting = [one for one in others if one not in taken]
        return taken

    def _judge(self, calls: list[_Call]) -> None:
        rows = [row for call in calls for row in call.rows]
        try:
            rollouts = rollouts_of(rows, self.source, self.needs_groups)
            scores = self._scores(rows, rollouts, calls[0].progress)
        except Exception as error:
            if len(calls) > 1:
                for call in calls:
                    self._judge([call])
                return
            self._refuse(calls[0], error)
            return
        start = 0
        for call in calls:
            own = torch.arange(start, start + len(call.rows))
            start += len(call.rows)
            try:
                call.scores = self._unless_failing(rollouts, scores, own)
            except RewardFailed as error:
                self._refuse(call, error)

    def _refuse(self, call: _Call, error: Exception) -> None:
        if not self.quiet:
            logger.error("%s: %s: %s", self.source, type(error).__name__, error)
        call.error = error

    def _unless_failing(self, rollouts: Rollouts, scores: Scores, own: torch.Tensor) -> Scores:
        """A call's own scores; raises RewardFailed where the reward has only failed so far."""
        chosen = scores.select(own)
        self._works = self._works or bool(chosen.valid.any())
        if not self._works:
            found = tally(rollouts.select(own), chosen)
            self._failed += found.failed
            if found.failed == found.rows and too_many(self._failed, self._failed, 1.0):
                raise RewardFailed(
                    f"the reward has failed on every completion so far ({self._failed}), here by "
                    f"{found.failures[0].headline}; mend it (`guerdon score FILE` tries it)"
                )
        return chosen

    def _scores(self, rows: Sequence[Given], rollouts: Rollouts, progress: Progress) -> Scores:
        scores = judged(self.reward, rollouts, progress, raised=(NotGiven,))
        if any(row.refused for row in rows):
            refused_N = torch.tensor([row.refused is not None for row in rows])
            reasons = [row.refused or r for row, r in zip(rows, scores.reasons, strict=True)]
            scores = replace(scores, valid=scores.valid & ~refused_N, reasons=tuple(reasons))
        return Chain(self.shaping)(scores, rollouts, progress)

    def _tell(self, scores: Scores) -> None:
        reasons = [reason for reason in scores.reasons if reason is not None]
        if reasons:
            logger.warning(
                "%s: %d of %d completions invalid; %s",
                self.source,
                len(reasons),
                len(scores),
                "; ".join(list(dict.fromkeys(reasons))[:3]),
            )


def _widest(call: _Call) -> int:
    return max((row.tokens or len(row.ids or ()) for row in call.rows), default=0)


def _row_by_row(shaper: Any) -> bool:
    inside = [*getattr(shaper, "shapers", ()), *filter(None, [getattr(shaper, "shaper", None)])]
    ours = type(shaper).__module__.startswith("guerdon.shaping.")
    told = scope_of(shaper, "completion" if ours else "group")
    return told == "completion" and all(_row_by_row(one) for one in inside)


def _name(reward: Any) -> str:
    return str(getattr(reward, "__name__", type(reward).__name__))


def extras(scores: Scores, row: int, parts: Sequence[str]) -> dict[str, float]:
    """ "valid" (1 or 0), and the named parts as ``part/NAME``, NaN where the row lacks one.

    Trainers stack what they are told of a batch, and fail where a row's names differ. Names are
    therefore fixed beforehand, not taken from the row: an invalid row may have no parts.
    """
    named = {f"part/{n}": float(scores.parts[n][row]) if n in scores.parts else NAN for n in parts}
    return {"valid": float(scores.valid[row]), **named}


def parts_of(scores: Scores, row: int) -> dict[str, float]:
    """A row's parts by name."""
    return {name: float(part[row]) for name, part in scores.parts.items()}


def numbers(scores: Scores, invalid: T) -> list[float | T]:
    """N values with ``invalid`` in place of those of invalid rows."""
    pairs = zip(scores.value.tolist(), scores.valid.tolist(), strict=True)
    return [value if ok else invalid for value, ok in pairs]


def group_means(scores: Scores, keys: Sequence[Any]) -> list[float]:
    """N values with the mean of its group's valid rows in place of an invalid one.

    Such a row has advantage 0 under a mean-centred advantage, and leaves the others' mean
    where it was; their std shrinks by the factor sqrt(valid / rows) (biased). A group without
    a valid row is 0 throughout, which is also no advantage.
    """
    kept: dict[Any, list[float]] = {}
    for key, value, ok in zip(keys, scores.value.tolist(), scores.valid.tolist(), strict=True):
        kept.setdefault(key, []).extend([value] if ok else [])
    means = {key: sum(values) / len(values) if values else 0.0 for key, values in kept.items()}
    own = zip(numbers(scores, None), keys, strict=True)
    return [means[key] if value is None else value for value, key in own]
