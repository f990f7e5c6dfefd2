"""Small rollouts and scores for tests of the mathematics, and a small decoder's settings."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from threading import Barrier
from typing import Any

import torch

from guerdon.records import Progress, Rollouts, Scores, Task
from guerdon.training import Shard

SMALL_DECODER: dict[str, Any] = {
    "vocab_size": 64,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 8,
    "initializer_range": 0.3,
    "pad_token_id": 0,
    "bos_token_id": 1,
    "eos_token_id": 2,
    "attention_dropout": 0.0,
}
"""Settings of a decoder of any family, with weights large enough that faults show."""


def make_rollouts(
    group: Sequence[int],
    lengths: Sequence[int] | None = None,
    *,
    mask: Sequence[Sequence[int]] | None = None,
    logps: torch.Tensor | None = None,
    states: Sequence[Sequence[Hashable]] | None = None,
    turn_rewards: Sequence[Sequence[float]] | None = None,
    **more: object,
) -> Rollouts:
    """Rollouts of the given groups and lengths; ``mask`` (0/1 rows) instead of lengths."""
    n = len(group)
    if mask is None:
        lengths = lengths or [1] * n
        width = max(lengths, default=0)
        table = torch.arange(width) < torch.tensor(lengths)[:, None]
    else:
        table = torch.tensor(mask).bool()
        width = table.shape[1]
        lengths = [width] * n
    tasks = tuple(Task(f"t{g}", f"prompt {g}") for g in range(max(group, default=-1) + 1))
    return Rollouts(
        tasks=tasks,
        group=torch.tensor(group, dtype=torch.long),
        prompts=tuple(torch.tensor([1, 2]) for _ in tasks),
        ids=torch.ones(n, width, dtype=torch.long),
        mask=table,
        lengths=torch.tensor(lengths, dtype=torch.long),
        logps=torch.zeros(n, width) if logps is None else logps,
        texts=("",) * n,
        states=None if states is None else tuple(tuple(s) for s in states),
        turn=None if states is None else torch.arange(width).expand(n, width),
        turn_rewards=None if turn_rewards is None else torch.tensor(turn_rewards),
        **more,  # type: ignore[arg-type]
    )


def make_scores(
    values: Sequence[float], valid: Sequence[bool] | None = None, **more: object
) -> Scores:
    """Scores of the given values."""
    return Scores(
        torch.tensor(values),
        valid=None if valid is None else torch.tensor(valid),  # type: ignore[arg-type]
        **more,  # type: ignore[arg-type]
    )


@dataclass(frozen=True)
class ShareOfSevens:
    """A dense reward for runs that must have a gradient: a group's rows nearly always differ."""

    def __call__(self, rollouts: Rollouts, progress: Progress) -> Scores:
        return Scores(torch.tensor([t.count("7") / max(len(t), 1) for t in rollouts.texts]))


class Exchange:
    """Two processes as threads: each gets what both gave."""

    def __init__(self) -> None:
        self.held: list[Any] = [None, None]
        self.barrier = Barrier(2, timeout=60)

    def shard(self, rank: int) -> Shard:
        def gather(mine: Any) -> list[Any]:
            self.held[rank] = mine
            self.barrier.wait()
            found = list(self.held)
            self.barrier.wait()
            return found

        return Shard(rank, 2, gather=gather)
