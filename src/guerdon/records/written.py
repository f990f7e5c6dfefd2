"""Rollouts of completions whose token ids are known: written elsewhere, or read from a file."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from guerdon.records.rollouts import Rollouts
from guerdon.records.tasks import Task


def rollouts_of_ids(
    tasks: Sequence[Task],
    group: Sequence[int],
    prompts: Sequence[Tensor],
    ids: Sequence[Sequence[int]],
    texts: Sequence[str],
    *,
    logps: Sequence[Sequence[float]] | None = None,
    **more: Any,
) -> Rollouts:
    """N rows of token ids, padded right to the longest; the policy acted at every one of them.

    ``group`` has each row's index into ``tasks``. Without ``logps`` (as many as ids, row by row)
    they are 0; give NaN where the policy did not sample a row. ``more`` are further fields of
    `Rollouts`. No rows, and rows without ids, are fine.

    >>> rows = rollouts_of_ids([Task("a", "Hi")], [0, 0], [torch.tensor([5])], [[7, 8], [9]],
    ...                        ["x", "y"])
    >>> rows.ids.tolist(), rows.mask.tolist()
    ([[7, 8], [9, 0]], [[True, True], [True, False]])
    """
    lengths_N = torch.tensor([len(row) for row in ids], dtype=torch.long)
    mask_NT = torch.arange(int(lengths_N.max()) if len(ids) else 0) < lengths_N[:, None]
    ids_NT = torch.zeros(mask_NT.shape, dtype=torch.long)
    ids_NT[mask_NT] = torch.tensor([i for row in ids for i in row], dtype=torch.long)
    logps_NT = torch.zeros(mask_NT.shape)
    if logps is not None:
        logps_NT[mask_NT] = torch.tensor([p for row in logps for p in row], dtype=torch.float32)
    return Rollouts(
        tasks=tuple(tasks),
        group=torch.tensor(group, dtype=torch.long),
        prompts=tuple(prompts),
        ids=ids_NT,
        mask=mask_NT,
        lengths=lengths_N,
        logps=logps_NT,
        texts=tuple(texts),
        **more,
    )
