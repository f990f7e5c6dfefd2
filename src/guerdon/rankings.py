"""Responses in order of preference: what preference learning and reward models learn from."""

from __future__ import annotations

from dataclasses import dataclass

from guerdon.records import Task


@dataclass(frozen=True)
class PreferencePair:
    """A task with one completion preferred over another.

    ``margin`` is how much better the chosen one is (in the annotator's units), if known.
    """

    task: Task
    chosen: str
    rejected: str
    margin: float | None = None


@dataclass(frozen=True)
class Ranking:
    """A task with responses in order of preference, the best first.

    ``margin`` is how much better the first is than the second (in the annotator's units), if
    known; only rankings of two have one. Raises ValueError for no response, and for a margin
    of a longer or shorter list.
    """

    task: Task
    responses: tuple[str, ...]
    margin: float | None = None

    def __post_init__(self) -> None:
        if not self.responses:
            raise ValueError(f"the ranking of task {self.task.id!r} has no responses")
        if self.margin is not None and len(self.responses) != 2:
            raise ValueError(
                f"the ranking of task {self.task.id!r} has a margin and "
                f"{len(self.responses)} responses; only a pair can have a margin"
            )

    @classmethod
    def of_pair(cls, pair: PreferencePair) -> Ranking:
        """The chosen response before the rejected one."""
        return cls(pair.task, (pair.chosen, pair.rejected), pair.margin)
