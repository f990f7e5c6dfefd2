"""Arithmetic with whole numbers: the default tasks."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Annotated, ClassVar

from guerdon.ranges import Count, Seed, between, check_ranges
from guerdon.tasks.procedural import Drawn, Problem


def addition(source: random.Random, digits: int) -> Problem:
    """``a+b`` with both of two to ``digits`` digits."""
    a, b = _number(source, digits), _number(source, digits)
    return _problem(f"{a}+{b}", a + b, "addition", (a, b))


def subtraction(source: random.Random, digits: int) -> Problem:
    """``a-b`` with ``a >= b``, so that no answer is negative."""
    a, b = sorted((_number(source, digits), _number(source, digits)), reverse=True)
    return _problem(f"{a}-{b}", a - b, "subtraction", (a, b))


def multiplication(source: random.Random, digits: int) -> Problem:
    """``a*b`` with ``b`` of one digit, 2 to 9."""
    a, b = _number(source, digits), source.randint(2, 9)
    return _problem(f"{a}*{b}", a * b, "multiplication", (a, b))


def two_steps(source: random.Random, digits: int) -> Problem:
    """``a+b-c`` with small numbers, worked from the left; never negative."""
    a, b = source.randint(2, 15), source.randint(2, 15)
    c = source.randint(1, min(a + b, 9))
    return _problem(f"{a}+{b}-{c}", a + b - c, "two_steps", (a, b, c))


OPERATIONS: Mapping[str, Callable[[random.Random, int], Problem]] = MappingProxyType(
    {
        "addition": addition,
        "subtraction": subtraction,
        "multiplication": multiplication,
        "two_steps": two_steps,
    }
)


@dataclass(frozen=True)
class Arithmetic(Drawn):
    """Sums, differences, products and two-step expressions: "Compute 37+48."

    ``operations`` are names of `OPERATIONS`, drawn with equal shares; ``digits`` is the most
    digits of a number (2 to 6). Answers are decimal strings; the columns ``operation`` and
    ``operands`` say how the answer comes about. Raises ValueError for settings out of range.
    """

    kind: ClassVar[str] = "arithmetic"

    operations: tuple[str, ...] = ("addition", "subtraction", "multiplication", "two_steps")
    """The kinds of tasks, drawn with equal shares."""
    digits: Annotated[int, between(2, 6)] = 2
    """The most digits of a number."""
    train: Count = 4096
    """Tasks to learn from."""
    test: Count = 512
    """Held-out tasks."""
    seed: Seed = 0
    """What they are drawn from."""

    def __post_init__(self) -> None:
        check_ranges(self)
        unknown = [name for name in self.operations if name not in OPERATIONS]
        if unknown or not self.operations:
            raise ValueError(
                f"Arithmetic.operations is {self.operations}; choose one or more of "
                f"{', '.join(OPERATIONS)}"
            )

    def draw(self, source: random.Random) -> Problem:
        """One problem."""
        return OPERATIONS[source.choice(self.operations)](source, self.digits)


def _number(source: random.Random, digits: int) -> int:
    length = source.randint(2, digits)
    return source.randint(10 ** (length - 1), 10**length - 1)


def _problem(expression: str, answer: int, operation: str, operands: tuple[int, ...]) -> Problem:
    return Problem(
        prompt=f"Compute {expression}.\n",
        answer=str(answer),
        columns={"operation": operation, "operands": operands},
    )
