"""An on-disk memory for expensive rewards, keyed by the content that was judged."""

from __future__ import annotations

import dataclasses
import hashlib
import inspect
import json
import types
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import torch

from guerdon.parts import describe
from guerdon.records import Progress, Rollouts, Scores
from guerdon.rewards.running.cache_file import keep, look_up
from guerdon.rewards.running.rows import Judged, Ungradable, gather
from guerdon.stages import Reward
from guerdon.traits import range_of, scope_of


@dataclass(frozen=True)
class Cached:
    """A reward whose judgements are kept in ``folder``; a row seen before is not judged again.

    The key is a hash of the reward (its settings, and the source of its classes and functions),
    the completion's text and number of tokens, whether it ended by itself, and the task's
    prompt, answer and columns. Equal rows of a batch are judged once. Invalid rows are not
    kept: they are tried again. Change ``version`` when something else matters, such as a
    grader's model or a function that the reward calls.

    For rewards that judge single rows and do not look at progress: raises ValueError for group
    scope, for placed scores and for comparisons, which are of rows that came together. Several
    processes may share a folder. A file in it that is damaged is set aside and built anew, and one
    that can't be read or written is done without; a warning says so.
    """

    name: ClassVar[str] = "cached"
    made_of: ClassVar[str] = "another reward"
    no_example: ClassVar[str] = "it passes on what another reward says"

    reward: Reward
    folder: str
    version: str = ""

    def __post_init__(self) -> None:
        if self.scope != "completion":
            raise ValueError(
                f"Cached keeps judgements of single completions, but {type(self.reward).__name__} "
                f"has the scope {self.scope!r}"
            )

    @property
    def scope(self) -> str:
        return scope_of(self.reward)

    @property
    def range(self) -> tuple[float, float] | None:
        return range_of(self.reward)

    def __call__(self, rollouts: Rollouts, progress: Progress) -> Scores:
        keys, folder = self._keys(rollouts), Path(self.folder)
        known: dict[bytes, Judged | Ungradable] = dict(look_up(folder, set(keys)))
        first = {key: row for row, key in reversed(list(enumerate(keys))) if key not in known}
        if first:
            rows = torch.tensor(sorted(first.values()))
            fresh = self.reward(rollouts.select(rows), progress)
            if fresh.placed is not None:
                raise ValueError("Cached keeps totals, but these scores are placed")
            if fresh.comparisons is not None:
                raise ValueError(
                    f"{type(self.reward).__name__} compares rows (Scores.comparisons), and what it "
                    "says of a pair depends on which rows came together; Cached keeps what is said "
                    "of one row alone: put it around the rewards inside that judge single rows"
                )
            judged = dict(zip([keys[row] for row in rows.tolist()], _rows(fresh), strict=True))
            keep(folder, judged)
            known |= judged
        return gather([known[key] for key in keys])

    def _keys(self, rollouts: Rollouts) -> list[bytes]:
        own = _fingerprint(self.reward, self.version)
        tasks = [
            json.dumps([task.text, task.answer, dict(task.columns)], sort_keys=True, default=repr)
            for task in rollouts.tasks
        ]
        rows = zip(
            rollouts.texts,
            rollouts.group.tolist(),
            rollouts.mask.sum(1).tolist(),
            rollouts.finished.tolist(),
            strict=True,
        )
        return [
            hashlib.sha256(json.dumps([own, tasks[g], text, n, done]).encode()).digest()
            for text, g, n, done in rows
        ]


def _rows(scores: Scores) -> list[Judged | Ungradable]:
    parts = {name: part.tolist() for name, part in scores.parts.items()}
    figures = {name: figure.tolist() for name, figure in scores.diagnostics.items()}
    rows: list[Judged | Ungradable] = []
    for row, (value, reason) in enumerate(zip(scores.value.tolist(), scores.reasons, strict=True)):
        beside = {n: f[row] for n, f in figures.items() if f[row] == f[row]}, scores.remarks[row]
        if reason is None:
            rows.append(Judged(value, {name: part[row] for name, part in parts.items()}, *beside))
        else:
            rows.append(Ungradable(reason, scores.errors[row], *beside))
    return rows


def _fingerprint(reward: Reward, version: str) -> str:
    sources = "".join(sorted(set(_sources(reward))))
    text = json.dumps([describe(reward, "reward"), version, sources], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def _sources(value: Any) -> Iterator[str]:
    """The source code of every function and class that a reward is made of."""
    if isinstance(value, types.FunctionType):
        yield inspect.getsource(value)
    elif dataclasses.is_dataclass(value) and not isinstance(value, type):
        yield inspect.getsource(type(value))
        for field in dataclasses.fields(value):
            if field.init:
                yield from _sources(getattr(value, field.name))
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from _sources(item)
    elif isinstance(value, tuple | list):
        for item in value:
            yield from _sources(item)
