"""Boxes and intervals described in words, to be given as numbers."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Annotated, ClassVar

from guerdon.ranges import Count, Seed, between, check_ranges
from guerdon.tasks.procedural import Drawn, Problem


@dataclass(frozen=True)
class TextBoxes(Drawn):
    """A box by its corner and its sides; the answer is "[x1,y1,x2,y2]".

    Coordinates lie on a square canvas of side ``canvas``. Column ``box`` holds the numbers.
    """

    kind: ClassVar[str] = "boxes"

    canvas: Annotated[int, between(4, 999)] = 15
    """The side of the square that boxes lie on."""
    train: Count = 4096
    """Tasks to learn from."""
    test: Count = 512
    """Held-out tasks."""
    seed: Seed = 0
    """What they are drawn from."""

    def __post_init__(self) -> None:
        check_ranges(self)

    def draw(self, source: random.Random) -> Problem:
        """One problem."""
        x1, y1 = (source.randint(0, self.canvas - 2) for _ in range(2))
        wide, high = source.randint(1, self.canvas - x1), source.randint(1, self.canvas - y1)
        box = (x1, y1, x1 + wide, y1 + high)
        return Problem(
            prompt=f"A box at ({x1},{y1}) is {wide} wide and {high} high. Corners?\n",
            answer="[" + ",".join(map(str, box)) + "]",
            columns={"box": box},
        )


@dataclass(frozen=True)
class TextIntervals(Drawn):
    """An event by its start and length; the answer is "[start,end]".

    Times lie between 0 and ``horizon``. Column ``interval`` holds the numbers.
    """

    kind: ClassVar[str] = "intervals"

    horizon: Annotated[int, between(10, 9999)] = 99
    """The latest time."""
    train: Count = 2048
    """Tasks to learn from."""
    test: Count = 256
    """Held-out tasks."""
    seed: Seed = 0
    """What they are drawn from."""

    def __post_init__(self) -> None:
        check_ranges(self)

    def draw(self, source: random.Random) -> Problem:
        """One problem."""
        start = source.randint(0, self.horizon - 1)
        length = source.randint(1, self.horizon - start)
        return Problem(
            prompt=f"It starts at {start} and lasts {length}. When?\n",
            answer=f"[{start},{start + length}]",
            columns={"interval": (start, start + length)},
        )
