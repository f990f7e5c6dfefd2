"""Saved completions, read back as rollouts, so that any reward can be tried on them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from guerdon.records import Rollouts, Task
from guerdon.tasks import read_rows

_KNOWN = ("prompt", "completion", "answer", "id", "task_id")


def load_completions(path: Path) -> Rollouts:
    """Rollouts of a JSONL or Parquet file with ``prompt`` and ``completion`` columns.

    Rows with the same ``task_id`` (or ``id``) form a group; without one each row is its own.
    Other columns reach the reward. The rows have no tokens: rewards that read text work,
    those that read log-probs or lengths see empty ones.

    Raises ValueError naming file and line where a row lacks a column or repeats an id with
    another prompt.
    """
    tasks: dict[str, Task] = {}
    group: list[int] = []
    texts: list[str] = []
    for line, (where, row) in enumerate(read_rows(path), 1):
        task = _task(row, f"{path}, {where}", f"row-{line}")
        known = tasks.setdefault(task.id, task)
        if known.prompt != task.prompt:
            raise ValueError(
                f"{path}, {where}: id {task.id!r} was used above for another prompt; "
                "give every task its own id"
            )
        group.append(list(tasks).index(task.id) if known is not task else len(tasks) - 1)
        texts.append(str(row["completion"]))
    if not texts:
        raise ValueError(f"{path} holds no completions")
    n = len(texts)
    return Rollouts(
        tasks=tuple(tasks.values()),
        group=torch.tensor(group),
        prompts=tuple(torch.zeros(0, dtype=torch.long) for _ in tasks),
        ids=torch.zeros(n, 1, dtype=torch.long),
        mask=torch.ones(n, 1, dtype=torch.bool),
        lengths=torch.ones(n, dtype=torch.long),
        logps=torch.zeros(n, 1),
        texts=tuple(texts),
        finished=torch.ones(n, dtype=torch.bool),
    )


def _task(row: Mapping[str, Any], where: str, unnamed: str) -> Task:
    for name in ("prompt", "completion"):
        if row.get(name) is None:
            raise ValueError(
                f"{where}: no {name!r} column; the file needs prompt and completion "
                f"(it has {', '.join(row)})"
            )
    name = row.get("task_id", row.get("id"))
    return Task(
        id=unnamed if name is None else str(name),
        prompt=row["prompt"],
        answer=row.get("answer"),
        columns={k: v for k, v in row.items() if k not in _KNOWN},
    )
