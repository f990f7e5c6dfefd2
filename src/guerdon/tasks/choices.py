"""Questions answered by one letter or by several."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, ClassVar

from guerdon.ranges import Count, Seed, between, check_ranges
from guerdon.tasks.procedural import Drawn, Problem

LETTERS = "ABCDEFGH"


@dataclass(frozen=True)
class MultipleChoice(Drawn):
    """Which of the offered numbers is the largest or the smallest? One letter answers.

    ``options`` numbers (2 to 8) of one or two digits, all different. Columns: ``choices`` (letter
    to text), ``superlative``.
    """

    kind: ClassVar[str] = "multiple-choice"

    options: Annotated[int, between(2, 8)] = 4
    """How many answers are offered."""
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
        numbers = source.sample(range(1, 100), self.options)
        superlative = source.choice(("largest", "smallest"))
        best = max(numbers) if superlative == "largest" else min(numbers)
        return Problem(
            prompt=f"Which is the {superlative}? {_listed(numbers)}\n",
            answer=LETTERS[numbers.index(best)],
            columns={
                "choices": dict(zip(LETTERS, map(str, numbers), strict=False)),
                "superlative": superlative,
            },
        )


@dataclass(frozen=True)
class MultiChoice(Drawn):
    """Which of the offered numbers are divisible by ``k``? One or more letters answer.

    ``options`` numbers (2 to 8) below 50, all different; at least one is divisible. The answer
    is the letters in alphabetical order, as in "BD". Columns: ``choices``, ``divisor``.
    """

    kind: ClassVar[str] = "multi-choice"

    options: Annotated[int, between(2, 8)] = 5
    """How many answers are offered."""
    divisors: tuple[Annotated[int, between(2, 9)], ...] = (2, 3, 5)
    """The divisors that may be asked for."""
    train: Count = 4096
    """Tasks to learn from."""
    test: Count = 512
    """Held-out tasks."""
    seed: Seed = 0
    """What they are drawn from."""

    def __post_init__(self) -> None:
        check_ranges(self)
        if not self.divisors:
            raise ValueError("MultiChoice.divisors is empty; give numbers from 2 to 9")

    def draw(self, source: random.Random) -> Problem:
        """One problem."""
        divisor = source.choice(self.divisors)
        answer = ""
        numbers: list[int] = []
        while not answer:
            numbers = source.sample(range(2, 50), self.options)
            answer = "".join(x for x, n in zip(LETTERS, numbers, strict=False) if n % divisor == 0)
        return Problem(
            prompt=f"Which are divisible by {divisor}? {_listed(numbers)}\n",
            answer=answer,
            columns={
                "choices": dict(zip(LETTERS, map(str, numbers), strict=False)),
                "divisor": divisor,
            },
        )


def _listed(numbers: Sequence[int]) -> str:
    return " ".join(f"{letter}) {n}" for letter, n in zip(LETTERS, numbers, strict=False))
