"""How much a model reads: the one check that a prompt leaves room for an answer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import Tensor

from guerdon.records import Task


def context_of(model: Any) -> int | None:
    """The most tokens that a model reads, as its configuration says; None where it says none."""
    most: int | None = getattr(model.config.get_text_config(), "max_position_embeddings", None)
    return most


def refuse_beyond_context(
    most: int | None,
    tasks: Sequence[Task],
    prompts: Sequence[Tensor],
    room: int = 1,
    mend: str = "leave the task out",
) -> None:
    """Raises ValueError for a prompt that leaves no place for ``room`` tokens within ``most``.

    ``most`` None takes any.
    """
    for task, ids in zip(tasks, prompts, strict=True):
        if most is not None and len(ids) + room > most:
            answer = "its answer" if room == 1 else f"an answer of {room:,}"
            raise ValueError(
                f"the prompt of task {task.id!r:.100} has {len(ids):,} tokens, and the model reads "
                f"at most {most:,} with {answer}; shorten it, or {mend}"
            )
