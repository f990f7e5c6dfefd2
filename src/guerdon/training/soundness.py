"""Whether a run may go on: rewards that fail, steps with nothing in them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from guerdon.failures import FEWEST, RewardFailed, Tally, failing, too_many
from guerdon.training.held_out import HeldOut
from guerdon.training.recipe import Loop
from guerdon.training.stopping import TrainingStopped


class TooManyFailed(TrainingStopped, RewardFailed):
    """A reward failed on more rows than ``loop.max_failed`` allows, or on all of them."""


class Soundness:
    """Looks at evaluations and steps; ``stopped`` is why the run can't go on, once it can't.

    Rows are counted over steps until there are enough to conclude from.
    """

    def __init__(self, loop: Loop) -> None:
        self.loop = loop
        self.stopped: Exception | None = None
        self._pending = Tally()
        self._empty = 0
        self._learned = False

    def take_up(self, history: Sequence[Mapping[str, Any]]) -> None:
        """Count on from the figures of steps already done."""
        self._learned = any(map(_learned, history))
        self._empty = 0
        for figures in history:
            self._empty = 0 if _learned(figures) else self._empty + 1

    def evaluated(self, results: Mapping[str, HeldOut], fewest: int = FEWEST) -> None:
        """After an evaluation: a set's reward may fail on too many of its tasks."""
        for name, result in results.items():
            if too_many(result.failed, len(result.results), self.loop.max_failed, fewest):
                where = f"exam {name!r}: " if name else ""
                self.stopped = self.stopped or TooManyFailed(where + result.failure)

    def begin(self, judged: Tally) -> None:
        """Before the first step: raise where the reward fails, while nothing is lost by it."""
        if too_many(judged.failed, judged.rows, self.loop.max_failed):
            raise TooManyFailed(failing(judged))

    def step(self, judged: Tally, figures: Mapping[str, Any]) -> None:
        """After a step with these rows and figures: failures, and whether it learned anything."""
        learned = _learned(figures)
        self._learned, self._empty = self._learned or learned, 0 if learned else self._empty + 1
        self._pending += judged
        if too_many(self._pending.failed, self._pending.rows, self.loop.max_failed):
            self.stopped = TooManyFailed(failing(self._pending))
        elif 0 < self.loop.max_empty <= self._empty:
            self.stopped = TrainingStopped(
                f"{self._empty} steps in a row had nothing to learn from (loop.max_empty): {_WHY}"
            )
        if self._pending.rows >= FEWEST:
            self._pending = Tally()

    def nothing_learned(self, steps: int) -> str:
        """Why a run that did all its ``steps`` came to nothing; "" if it did not."""
        if self._learned or not 0 < self.loop.steps <= steps:
            return ""
        return f"nothing was learned in {steps} steps: {_WHY}"

    def check(self) -> None:
        """Raise what stopped the run, if anything did."""
        if self.stopped is not None:
            raise self.stopped


def _learned(figures: Mapping[str, Any]) -> bool:
    """Whether a step learned anything; one that counts no updates is one."""
    return bool(figures.get("updates", 1))


_WHY = (
    "the filter dropped every group, no completion could be graded, or all tasks were probes; take "
    "tasks of another difficulty, a finer reward or no filter, and look at invalid rows' reasons "
    "in the report"
)
