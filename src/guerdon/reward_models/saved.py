"""A saved reward model by its folder, so that a recipe can be written down and loaded again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from guerdon.models.loaded import loaded
from guerdon.ranges import FloatType, PositiveInt, check_ranges
from guerdon.records import Task
from guerdon.reward_models.scalar_head import RewardModel


@dataclass(frozen=True)
class SavedRewardModel:
    """A `Scorer` without gradient: the reward model in ``folder`` (or of that Hub id).

    It is loaded at its first use, and once in a process (see `LoadedModels`). ``dtype``,
    ``device`` and ``max_tokens`` are those of `RewardModel.load`.
    """

    folder: str
    """Its folder, or its Hub id."""
    dtype: FloatType = "float32"
    """What weights are held in."""
    device: str = "auto"
    """Where it is computed; auto: where there is one."""
    max_tokens: PositiveInt = 1024
    """How many tokens of a response are read."""

    def __post_init__(self) -> None:
        check_ranges(self)

    @property
    def _model(self) -> RewardModel:
        return loaded(self, _load, self.folder, self.dtype, self.device, self.max_tokens)

    @torch.no_grad()
    def score(self, tasks: Sequence[Task], responses: Sequence[Sequence[str]]) -> Tensor:
        """float[N] in the order of tasks and their responses."""
        return self._model.score(tasks, responses)


def _load(folder: str, dtype: str, device: str, max_tokens: int) -> RewardModel:
    return RewardModel.load(
        folder,
        dtype=dtype,
        mixed_precision="no",
        device=device,
        max_tokens=max_tokens,
        new_head=False,
    )
