"""Tasks that are played rather than answered: where an episode starts and what it is after.

A task's columns describe its world (``environment`` and ``settings``); the world itself makes
the text that the policy reads, so ``prompt`` is only a description for logs.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, ClassVar

from guerdon.ranges import Count, Finite, PositiveInt, Seed, between, check_ranges
from guerdon.records import Task
from guerdon.tasks.procedural import SPLITS, Drawn, Problem


@dataclass(frozen=True)
class GridTasks(Drawn):
    """Starts and goals on a square board of ``size`` cells a side, at least ``apart`` steps apart.

    ``locked`` adds a key to fetch first. ``train`` and ``test`` count distinct tasks of each
    split. ``reward`` is paid at the goal.
    """

    kind: ClassVar[str] = "grid"

    size: Annotated[int, between(2, 100)] = 6
    """Cells of a side."""
    apart: PositiveInt = 2
    """The fewest steps from start to goal."""
    locked: bool = False
    """Whether a key is to be fetched first."""
    reward: Finite = 10.0
    """What is paid at the goal."""
    train: Count = 256
    """Tasks to learn from."""
    test: Count = 64
    """Held-out tasks."""
    seed: Seed = 0
    """What they are drawn from."""

    def __post_init__(self) -> None:
        check_ranges(self)
        if self.apart > 2 * (self.size - 1):
            raise ValueError(
                f"GridTasks.apart is {self.apart}; a board of size {self.size} allows 1 to "
                f"{2 * (self.size - 1)}"
            )

    def draw(self, source: random.Random) -> Problem:
        """One board."""
        cells = [(x, y) for x in range(self.size) for y in range(self.size)]
        start, goal, key = source.sample(cells, 3)
        while abs(start[0] - goal[0]) + abs(start[1] - goal[1]) < self.apart:
            start, goal, key = source.sample(cells, 3)
        settings = {"size": self.size, "start": start, "goal": goal, "reward": self.reward}
        if self.locked:
            settings["key"] = key
        fetch = f" by way of {key}" if self.locked else ""
        return Problem(
            prompt=f"Walk from {start} to {goal}{fetch} on a board of {self.size}x{self.size}.",
            answer=None,
            columns={"environment": "grid", "settings": settings},
        )


@dataclass(frozen=True)
class CornerTasks:
    """The one board from corner to far corner, ``train`` times under different ids.

    Every id is a group of its own, as when a benchmark deals the same game to several seats.
    """

    size: PositiveInt = 6
    """Cells of a side."""
    reward: Finite = 10.0
    """What is paid at the goal."""
    train: Count = 2
    """Tasks to learn from."""
    test: Count = 0
    """Held-out tasks."""

    def __post_init__(self) -> None:
        check_ranges(self)

    def load(self, split: str) -> Sequence[Task]:
        """The tasks of "train" or "test"."""
        if split not in SPLITS:
            raise ValueError(f"corner has no split {split!r}; it has {' and '.join(SPLITS)}")
        far = (self.size - 1, self.size - 1)
        settings = {"size": self.size, "start": (0, 0), "goal": far, "reward": self.reward}
        return [
            Task(
                id=f"corner-{split}-{seat}",
                prompt=f"Walk from (0, 0) to {far}.",
                columns={"environment": "grid", "settings": settings},
            )
            for seat in range(self.train if split == "train" else self.test)
        ]


@dataclass(frozen=True)
class ToyTextTasks:
    """Episodes of one of Gymnasium's toy-text worlds; each task is a seed of its own.

    ``world`` names it with its version, as Gymnasium does: another version is another world.
    ``options`` go to ``gymnasium.make``.
    """

    world: str = "FrozenLake-v1"
    """The world's name with its version."""
    options: dict[str, bool] | None = None
    """What gymnasium.make is given."""
    train: Count = 64
    """Tasks to learn from."""
    test: Count = 32
    """Held-out tasks."""

    def __post_init__(self) -> None:
        check_ranges(self)

    def load(self, split: str) -> Sequence[Task]:
        """The tasks of "train" or "test"; their seeds never overlap."""
        if split not in SPLITS:
            raise ValueError(f"toy-text has no split {split!r}; it has {' and '.join(SPLITS)}")
        first = 0 if split == "train" else self.train
        return [
            Task(
                id=f"{self.world}-{seed}",
                prompt=f"{self.world}, seed {seed}.",
                columns={
                    "environment": "toy-text",
                    "settings": {"id": self.world, "seed": seed, "options": self.options},
                },
            )
            for seed in range(first, first + (self.train if split == "train" else self.test))
        ]
