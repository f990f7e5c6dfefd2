"""Questions answered by one letter or by several."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from guerdon.tasks.procedural import Drawn, Problem

LETTERS = "ABCDEFGH"


@dataclass(frozen=True)
class MultipleChoice(Drawn):
    """Which of the offered numbers is the largest or the smallest? One letter answers.

    ``options`` numbers (2 to 8) of one or two digits, all different. Columns: ``choices`` (letter
    to text), ``superlative``.
    """

    kind: ClassVar[str] = "multiple-choice"

    options: int = 4
    train: int = 4096
    test: int = 512
    seed: int = 0

    def __post_init__(self) -> None:
        _check_options("MultipleChoice", self.options)

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

    options: int = 5
    divisors: tuple[int, ...] = (2, 3, 5)
    train: int = 4096
    test: int = 512
    seed: int = 0

    def __post_init__(self) -> None:
        _check_options("MultiChoice", self.options)
        if not self.divisors or not all(2 <= d <= 9 for d in self.divisors):
            raise ValueError(f"MultiChoice.divisors is {self.divisors}; give numbers from 2 to 9")

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


def _check_options(part: str, options: int) -> None:
    if not 2 <= options <= len(LETTERS):
        raise ValueError(f"{part}.options is {options}; give 2 to {len(LETTERS)}")


def _listed(numbers: Sequence[int]) -> str:
    return " ".join(f"{letter}) {n}" for letter, n in zip(LETTERS, numbers, strict=False))
