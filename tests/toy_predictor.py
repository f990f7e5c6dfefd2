"""A language model of four tokens whose probabilities are written down."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from guerdon.records import Task

TABLE = torch.tensor(
    [
        [0.7, 0.1, 0.1, 0.1],  # after a
        [0.25, 0.25, 0.25, 0.25],  # after b
        [0.5, 0.5, 0.0, 0.0],  # after c
        [0.4, 0.3, 0.2, 0.1],  # after d
    ]
)


@dataclass(frozen=True)
class ToyPredictor:
    """The next token depends on the last one only; a character is the token ``ord % 4``."""

    shift: int = 1  # so that "a" (97) is token 0

    def prompt(self, task: Task) -> list[int]:
        return self.encode(task.text) or [0]

    def encode(self, text: str) -> list[int]:
        return [(ord(c) - self.shift) % 4 for c in text[:64]]

    def log_probs(self, prompt: list[int], between: list[int], following: list[int]) -> Tensor:
        before = [[*prompt, *between][-1], *following[:-1]]
        return TABLE[before].log()


def letter_vectors(text: str) -> Tensor:
    """float[M, 3]: a vector for every letter or digit among the first 50 characters."""
    codes = [float(ord(c) % 97) for c in text[:50] if c.isalnum()]
    return torch.tensor([[c, 10 - c, 1.0] for c in codes]).reshape(-1, 3)


def count_vectors(texts: list[str]) -> Tensor:
    """float[N, 3]: how many letters, digits and others a text has."""
    rows = [
        [sum(map(str.isalpha, t)), sum(map(str.isdigit, t)), 1 + len(t) - len(t.strip())]
        for t in texts
    ]
    return torch.tensor(rows).float().reshape(-1, 3)


@dataclass(frozen=True)
class ToyScorer:
    """A response is worth its length less its prompt's, per letter of the prompt."""

    def score(self, tasks: Sequence[Task], responses: Sequence[Sequence[str]]) -> Tensor:
        return torch.tensor(
            [
                (len(text) - len(task.text)) / len(task.text)
                for task, texts in zip(tasks, responses, strict=True)
                for text in texts
            ]
        )
