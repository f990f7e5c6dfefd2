"""A scorer of responses that are known by tensors: vectors for an MLP, pictures for a tower."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from guerdon.records import Task


@dataclass(frozen=True)
class Features:
    """Features [N, ...] of N responses."""

    values: Tensor

    def select(self, rows: Tensor) -> Features:
        """Those of ``rows`` long[M], in that order."""
        return Features(self.values[rows])


class FeatureScorer:
    """A `Scorer`: ``module`` maps the responses' features [N, ...] to their scores [N] or [N, 1].

    A task's column ``column`` maps each of its responses to that response's features: a tensor, or
    lists of numbers as data files hold them. All have one shape.
    """

    def __init__(self, module: nn.Module, column: str = "features") -> None:
        self._module, self.column = module, column

    @property
    def module(self) -> nn.Module:
        """All that is trained."""
        return self._module

    def score(self, tasks: Sequence[Task], responses: Sequence[Sequence[str]]) -> Tensor:
        """float[N], with gradient where grad mode is on. Raises ValueError as `encode` does."""
        return self.forward(self.encode(tasks, responses))

    def encode(self, tasks: Sequence[Task], responses: Sequence[Sequence[str]]) -> Features:
        """The features of the responses to each task, for `forward`.

        Raises ValueError for a response without features and where they do not fit together.
        """
        found = [
            self._features(task, text)
            for task, some in zip(tasks, responses, strict=True)
            for text in some
        ]
        for one in found:
            if one.shape != found[0].shape:
                raise ValueError(
                    f"column {self.column!r} holds features of shape {tuple(found[0].shape)} and "
                    f"of shape {tuple(one.shape)}; all responses need the same"
                )
        return Features(torch.stack(found) if found else torch.zeros(0))

    def forward(self, rows: Features) -> Tensor:
        """float[N], the scores of what `encode` made, in any order and selection."""
        if not len(rows.values):
            return torch.zeros(0)
        scores: Tensor = self.module(rows.values)
        return scores.reshape(len(rows.values))

    def save(self, folder: Path) -> None:
        """The module's weights as ``model.safetensors``; its shape is the caller's to know."""
        folder.mkdir(parents=True, exist_ok=True)
        save_file(self.module.state_dict(), folder / "model.safetensors")

    def _features(self, task: Task, text: str) -> Tensor:
        known = task.columns.get(self.column)
        if known is None or text not in known:
            raise ValueError(
                f"task {task.id!r} has no features of its response {text!r:.60} in column "
                f"{self.column!r}"
            )
        return torch.as_tensor(known[text], dtype=torch.float32)
