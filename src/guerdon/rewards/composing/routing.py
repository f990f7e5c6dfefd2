"""Rewards that choose, row by row, which other reward judges."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

import torch
from torch import Tensor

from guerdon.examples import BOXED, Example, choices, numbers, sentences
from guerdon.ranges import Finite, check_ranges
from guerdon.records import INVALID, Comparisons, Progress, Rollouts, Scores, Task
from guerdon.records.pairs import joined
from guerdon.rewards.composing.compose import (
    OfRewards,
    check_names,
    combined,
    range_of,
    refuse_placed,
    scope_of,
)
from guerdon.stages import Reward


@dataclass(frozen=True)
class Router:
    """Each task is judged by the reward that its column ``by`` names.

    A reward sees only its own rows, whole groups at a time. Parts: those of each reward (its
    route's name where it has none), 0 on other routes' rows. A task whose column is missing or
    names no route goes to ``otherwise``; without one its rows are invalid. Raises ValueError
    for placed scores.
    """

    name: ClassVar[str] = "router"
    made_of: ClassVar[str] = "other rewards"

    rewards: Mapping[str, Reward]
    by: str = "task_type"
    otherwise: Reward | None = None

    def __post_init__(self) -> None:
        check_names(self, self.rewards)

    @property
    def scope(self) -> str:
        return scope_of(self._all().values())

    @property
    def range(self) -> tuple[float, float]:
        ends = [range_of(reward) for reward in self._all().values()]
        return min(low for low, _ in ends), max(high for _, high in ends)

    def __call__(self, rollouts: Rollouts, progress: Progress) -> Scores:
        rewards = self._all()
        routes = [self._route(value, rewards) for value in rollouts.column(self.by)]
        made = _Rows(len(rollouts))
        for name, reward in rewards.items():
            rows = torch.tensor([i for i, route in enumerate(routes) if route == name]).long()
            if len(rows):
                made.put(rows, reward(rollouts.select(rows), progress), name, self)
        for row, route in enumerate(routes):
            if route is None:
                made.reasons[row] = self._refused(rollouts.task_of(row))
        return made.scores()

    def routed(self, tasks: Sequence[Task]) -> dict[str, list[Task]]:
        """The tasks that each reward judges, by its place in the router."""
        rewards = self._all()
        found: dict[str, list[Task]] = {f"rewards.{name}": [] for name in self.rewards}
        found["otherwise"] = []
        for task in tasks:
            route = self._route(task.columns.get(self.by), rewards)
            if route is not None:
                found[f"rewards.{route}" if route in self.rewards else route].append(task)
        return found

    def unreadable(self, tasks: Sequence[Task]) -> list[tuple[Task, str]]:
        """The tasks that no reward judges, each with the reason."""
        rewards = self._all()
        routes = ((task, self._route(task.columns.get(self.by), rewards)) for task in tasks)
        return [(task, self._refused(task)) for task, route in routes if route is None]

    def _refused(self, task: Task) -> str:
        return f"no reward for {self.by} = {task.columns.get(self.by)!r:.40}"

    def _all(self) -> dict[str, Reward]:
        more = {} if self.otherwise is None else {"otherwise": self.otherwise}
        return {**self.rewards, **more}

    def _route(self, value: object, rewards: Mapping[str, Reward]) -> str | None:
        if value is not None and str(value) in self.rewards:
            return str(value)
        return "otherwise" if "otherwise" in rewards else None

    @classmethod
    def example(cls) -> Example:
        from guerdon.rewards.answers.answer import AnswerMatch
        from guerdon.rewards.answers.choice import ChoiceMatch

        kinds = {"number": numbers()[:2], "choice": choices(BOXED)}
        probes = [one.with_columns(task_type=kind) for kind in kinds for one in kinds[kind]]
        return Example(cls({"number": AnswerMatch(), "choice": ChoiceMatch()}), tuple(probes))


@dataclass(frozen=True)
class OnlyIfWrong:
    """``first`` where it is above ``threshold``; elsewhere ``then``, called on those rows only.

    For an expensive or lenient second opinion: a judge that looks only at answers that an exact
    check refused. Parts: those of ``first`` where it decides and of ``then`` where that does, 0
    elsewhere. A row that ``first`` could not judge is invalid. Raises ValueError where ``then``
    compares rows of a group, since it does not see whole groups, and for placed scores.
    """

    name: ClassVar[str] = "only-if-wrong"
    made_of: ClassVar[str] = "other rewards"

    first: Reward
    then: Reward
    threshold: Finite = 0.5

    def __post_init__(self) -> None:
        check_ranges(self)
        if scope_of([self.then]) in ("group", "linked"):
            raise ValueError("OnlyIfWrong: then sees single rows, but its scope is a whole group")

    @property
    def scope(self) -> str:
        return scope_of((self.first, self.then))

    @property
    def range(self) -> tuple[float, float]:
        (_, high), (low_then, high_then) = range_of(self.first), range_of(self.then)
        return min(self.threshold, low_then), max(high, high_then)

    def __call__(self, rollouts: Rollouts, progress: Progress) -> Scores:
        first = self.first(rollouts, progress)
        wrong_N = first.valid & ~(first.value > self.threshold)
        made = _Rows(len(rollouts))
        decided = (~wrong_N).nonzero().flatten()
        made.put(decided, first.select(decided), "first", self)
        rows = wrong_N.nonzero().flatten()
        if len(rows):
            made.put(rows, self.then(rollouts.select(rows), progress), "then", self)
        return made.scores()

    @classmethod
    def example(cls) -> Example:
        from guerdon.rewards.answers.free_text import TextMatch, TokenF1

        return Example(cls(TextMatch(), TokenF1()), sentences(short=True))


@dataclass(frozen=True)
class Maximum(OfRewards):
    """The largest of several rewards.

    Parts: each reward's value where it is the largest (the first such, at ties), 0 elsewhere. A
    row that is invalid in any reward is invalid. Raises ValueError for placed scores.
    """

    name: ClassVar[str] = "maximum"
    made_of: ClassVar[str] = "other rewards"

    @property
    def range(self) -> tuple[float, float]:
        ends = [range_of(reward) for reward in self.rewards.values()]
        return max(low for low, _ in ends), max(high for _, high in ends)

    def __call__(self, rollouts: Rollouts, progress: Progress) -> Scores:
        scores = self.totals(rollouts, progress)
        value_KN = torch.stack([score.value.nan_to_num() for score in scores.values()])
        best_N = value_KN.argmax(0) if len(rollouts) else torch.zeros(0, dtype=torch.long)
        parts = {name: torch.where(best_N == k, value_KN[k], 0.0) for k, name in enumerate(scores)}
        return combined(scores, value_KN.amax(0), parts)

    @classmethod
    def example(cls) -> Example:
        from guerdon.rewards.answers.free_text import TextMatch, TokenF1

        return Example(cls({"match": TextMatch(), "overlap": TokenF1()}), sentences(short=True))


class _Rows:
    """Scores of subsets of rows, put back where the rows stood."""

    def __init__(self, rows: int) -> None:
        self.value = torch.full((rows,), INVALID)
        self.valid = torch.zeros(rows, dtype=torch.bool)
        self.reasons: list[str | None] = [None] * rows
        self.errors: list[str | None] = [None] * rows
        self.parts: dict[str, Tensor] = {}
        self.diagnostics: dict[str, Tensor] = {}
        self.remarks: list[str | None] = [None] * rows
        self.comparisons: list[Comparisons] = []

    def put(self, rows: Tensor, scores: Scores, name: str, owner: object) -> None:
        refuse_placed(owner, {name: scores})
        self.value[rows], self.valid[rows] = scores.value, scores.valid
        told = zip(rows.tolist(), scores.reasons, scores.errors, scores.remarks, strict=True)
        for row, reason, error, remark in told:
            self.reasons[row], self.errors[row], self.remarks[row] = reason, error, remark
        for part, values in (scores.parts or {name: scores.value}).items():
            self.parts.setdefault(part, torch.zeros(len(self.value)))[rows] = values
        for figure, values in scores.diagnostics.items():
            nothing = torch.full((len(self.value),), INVALID)
            self.diagnostics.setdefault(figure, nothing)[rows] = values
        if (said := scores.comparisons) is not None:
            moved = replace(said, first=rows[said.first], second=rows[said.second])
            self.comparisons.append(moved)

    def scores(self) -> Scores:
        reasons, errors = tuple(self.reasons), tuple(self.errors)
        return Scores(
            self.value,
            self.parts,
            self.valid,
            reasons,
            errors=errors,
            diagnostics=self.diagnostics,
            remarks=tuple(self.remarks),
            comparisons=joined(self.comparisons),
        )
