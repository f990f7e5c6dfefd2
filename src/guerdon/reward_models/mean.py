"""Several scorers as one: the mean of their scores."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from guerdon.records import Task


class MeanScorer:
    """A `Scorer`: the mean of what ``scorers`` say, each of which has a ``module`` and ``save``.

    Its folder holds theirs, ``1``, ``2`` and so on; each of them loads as it would alone. Raises
    ValueError without scorers.
    """

    def __init__(self, scorers: Sequence[Any]) -> None:
        if not scorers:
            raise ValueError("a mean of scores needs a scorer at least")
        self.scorers = tuple(scorers)

    @property
    def module(self) -> nn.Module:
        """All that is trained."""
        return nn.ModuleList([one.module for one in self.scorers])

    def score(self, tasks: Sequence[Task], responses: Sequence[Sequence[str]]) -> Tensor:
        """float[N], with gradient where grad mode is on."""
        return torch.stack([one.score(tasks, responses) for one in self.scorers]).mean(0)

    def save(self, folder: Path) -> None:
        """Every scorer into a folder of its own inside this one."""
        for number, one in enumerate(self.scorers, 1):
            one.save(folder / str(number))
