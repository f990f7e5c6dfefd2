"""A reward called on what a model wrote: whatever it raises costs the rows at fault, no more."""

from __future__ import annotations

import copy
import logging
import os
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import torch

from guerdon.failures import tally, told
from guerdon.parts import memories
from guerdon.records import INVALID, Progress, Rollouts, Scores, concat_scores
from guerdon.stages import Reward
from guerdon.traits import scope_of

logger = logging.getLogger("guerdon.judging")

PATIENCE = 300.0
"""Seconds for finding the rows at fault; those not tried by then are invalid with the others."""

_TOLD: set[str] = set()
"""Failures whose traceback stood in the log as a warning: again, it is information."""


def judged(
    reward: Reward,
    rollouts: Rollouts,
    progress: Progress,
    raised: tuple[type[BaseException], ...] = (),
) -> Scores:
    """``reward(rollouts, progress)``, in which no completion can end anything.

    Where the reward raises on the whole batch, the rows are halved until the ones at fault are
    found: these are invalid, with a reason and the traceback in ``Scores.errors``, and the
    others keep the scores they get without them. A reward of scope "group" or "linked" is given
    whole groups (all views of a question); in one that raises, rows that raise alone are left
    out and the rest is tried once more; if it raises again, the group is invalid.

    Caught is all but KeyboardInterrupt and what ``raised`` names: SystemExit too, and what native
    code raises beside Exception. A result that is not `Scores` of N rows counts as raised on every
    row. What a reward remembers (``state_dict``) is taken back to before each call that raised: no
    row is counted twice; memory that it does not show can't be. A reward that never returns
    or ends the process is not this function's: give it a time limit in a process of its own.

    Each kind of failure is logged to "guerdon.judging" with its traceback: as a warning the
    first time, as information from then on.
    """
    try:
        return _called(reward, rollouts, progress)
    except KeyboardInterrupt:
        raise
    except raised:
        raise
    except BaseException as caught:
        error = caught
    # Not inside the handler: what is raised there would drag this exception along.
    scores = _Search(reward, rollouts, progress, raised).scores(error)
    _log(reward, rollouts, scores)
    return scores


class WrongResult(TypeError):
    """A reward returned something other than a score for each row."""


def _called(reward: Reward, rollouts: Rollouts, progress: Progress) -> Scores:
    """The reward's scores; what it remembers is as before where it raises."""
    remembered, process = _remembered(reward), os.getpid()
    try:
        try:
            scores = reward(rollouts, progress)
        finally:
            if os.getpid() != process:  # a copy of the run, which the reward forked and let go on
                os._exit(1)
        if not isinstance(scores, Scores):
            raise WrongResult(
                f"the reward returned {type(scores).__name__}, not Scores; lift a plain function "
                "of one completion with @guerdon.rewards.reward"
            )
        if len(scores) != len(rollouts):
            raise WrongResult(
                f"the reward returned {len(scores)} scores for {len(rollouts)} completions"
            )
    except BaseException:
        _take_back(reward, remembered)
        raise
    return scores


def _remembered(reward: Reward) -> dict[str, Any]:
    parts = memories(reward, "reward").items()
    return {place: copy.deepcopy(part.state_dict()) for place, part in parts}


def _take_back(reward: Reward, remembered: dict[str, Any]) -> None:
    for place, part in memories(reward, "reward").items():
        part.load_state_dict(copy.deepcopy(remembered[place]))


@dataclass
class _Search:
    """For the rows at fault in a batch on which the reward raised."""

    reward: Reward
    rollouts: Rollouts
    progress: Progress
    raised: tuple[type[BaseException], ...] = ()
    until: float = field(default_factory=lambda: time.monotonic() + PATIENCE)

    def scores(self, error: BaseException) -> Scores:
        """All rows' scores, those at fault invalid."""
        if isinstance(error, WrongResult) or not len(self.rollouts):
            return _failed(len(self.rollouts), error)
        pieces = list(self._halved(_units(self.reward, self.rollouts), error))
        order = torch.argsort(torch.cat([rows for rows, _ in pieces]), stable=True)
        whole = concat_scores(_alike([scores for _, scores in pieces])).select(order)
        if whole.placed is None:
            return whole
        # Selected rows were trimmed to the longest of them.
        missing = max(self.rollouts.mask.shape[1] - whole.placed.shape[1], 0)
        return replace(whole, placed=torch.nn.functional.pad(whole.placed, (0, missing)))

    def _halved(
        self, units: Sequence[torch.Tensor], error: BaseException
    ) -> Iterator[tuple[torch.Tensor, Scores]]:
        """Rows and their scores, of units that raised ``error`` together."""
        if time.monotonic() > self.until:
            rows = torch.cat(list(units))
            yield rows, _failed(len(rows), error)
            return
        if len(units) == 1:
            yield from self._unit(units[0], error)
            return
        middle = len(units) // 2
        for half in (units[:middle], units[middle:]):
            rows = torch.cat(list(half))
            found = self._tried(rows)
            if isinstance(found, Scores):
                yield rows, found
            else:
                yield from self._halved(half, found)

    def _unit(
        self, rows: torch.Tensor, error: BaseException
    ) -> Iterator[tuple[torch.Tensor, Scores]]:
        """One row, or one group: of this, the rows that raise by themselves are at fault."""
        if len(rows) == 1:
            yield rows, _failed(1, error)
            return
        before = _remembered(self.reward)
        raised: dict[int, BaseException] = {}
        for row in rows.tolist():
            alone = self._tried(torch.tensor([row]))
            if isinstance(alone, BaseException):
                raised[row] = alone
        _take_back(self.reward, before)
        good = torch.tensor([row for row in rows.tolist() if row not in raised], dtype=torch.long)
        found = self._tried(good) if raised and len(good) else error
        if isinstance(found, BaseException):
            yield rows, _failed(len(rows), found)
            return
        yield good, found
        for row, alone in raised.items():
            yield torch.tensor([row]), _failed(1, alone)

    def _tried(self, rows: torch.Tensor) -> Scores | BaseException:
        """The scores of these rows, or what was raised."""
        try:
            return _called(self.reward, self.rollouts.select(rows), self.progress)
        except KeyboardInterrupt:
            raise
        except self.raised:
            raise
        except BaseException as error:
            return error


def _units(reward: Reward, rollouts: Rollouts) -> list[torch.Tensor]:
    """Rows that the reward must see together: one, a group, or all views of a question."""
    scope = scope_of(reward)
    keys: list[Any] = list(range(len(rollouts)))
    if scope in ("group", "linked"):
        keys = rollouts.group.tolist()
    if scope == "linked":
        links = [task.link for task in rollouts.tasks]
        keys = [g if links[g] is None else f"link {links[g]}" for g in keys]
    units: dict[Any, list[int]] = {}
    for row, key in enumerate(keys):
        units.setdefault(key, []).append(row)
    return [torch.tensor(rows) for rows in units.values()]


def _failed(rows: int, error: BaseException) -> Scores:
    reason, trace = told(error)
    return Scores(
        value=torch.full((rows,), INVALID),
        valid=torch.zeros(rows, dtype=torch.bool),
        reasons=(reason,) * rows,
        errors=(trace,) * rows,
    )


def _alike(pieces: Sequence[Scores]) -> list[Scores]:
    """Pieces with the same parts, as one call would have made them: 0 where none has a part."""
    names = dict.fromkeys(name for piece in pieces for name in piece.parts)
    return [
        replace(
            piece,
            parts={n: piece.parts.get(n, torch.where(piece.valid, 0.0, INVALID)) for n in names},
        )
        for piece in pieces
    ]


def _log(reward: Any, rollouts: Rollouts, scores: Scores) -> None:
    name = getattr(reward, "__name__", type(reward).__name__)
    for failure in tally(rollouts, scores).failures:
        level = logging.INFO if failure.headline in _TOLD else logging.WARNING
        if len(_TOLD) < 1000:
            _TOLD.add(failure.headline)
        logger.log(
            level,
            "reward %s failed on %d of %d completions, which are invalid; e.g. task %s, "
            "completion %.120r\n%s",
            *(name, failure.count, len(scores), failure.task, failure.completion, failure.error),
        )
