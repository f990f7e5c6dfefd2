"""Rollouts for tests of rewards: texts under tasks, one position per row unless told."""

from collections.abc import Sequence
from typing import Any

import torch

from guerdon.records import Progress, Rollouts, Task

START = Progress(0, 1)


def task(answer: Any = None, name: str = "t", **columns: Any) -> Task:
    return Task(name, "a question", answer, columns)


def rollouts_of(
    texts: Sequence[str], *tasks: Task, group: Sequence[int] = (), **fields: Any
) -> Rollouts:
    """Rows ``texts``; with one task all answer it, with several the i-th answers the i-th."""
    n = len(texts)
    index = list(group) or ([0] * n if len(tasks) == 1 else list(range(n)))
    mask = fields.pop("mask", torch.ones(n, 1, dtype=torch.bool))
    return Rollouts(
        tasks=tuple(tasks),
        group=torch.tensor(index, dtype=torch.long),
        prompts=tuple(torch.zeros(1, dtype=torch.long) for _ in tasks),
        ids=torch.zeros(mask.shape, dtype=torch.long),
        mask=mask,
        lengths=torch.full((n,), mask.shape[1]),
        logps=torch.zeros(mask.shape),
        texts=tuple(texts),
        **fields,
    )
