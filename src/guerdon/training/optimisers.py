"""Optimisers as parts: what moves the weights, how fast, and what it refuses."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Any, Protocol, runtime_checkable

import torch

from guerdon.ranges import Count, Decay, NonNegative, PositiveInt, at_least, check_ranges
from guerdon.records import Progress
from guerdon.schedules import at


class Trainable(Protocol):
    """What an optimiser needs to know of a policy or a reward model."""

    @property
    def module(self) -> torch.nn.Module:
        """All that is trained."""
        ...


def trainable(model: Trainable) -> list[torch.nn.Parameter]:
    """The model's parameters that learn. Raises ValueError where there is none."""
    found = [p for p in model.module.parameters() if p.requires_grad]
    if not found:
        raise ValueError("the model has no trainable parameters")
    return found


@runtime_checkable
class Optimiser(Protocol):
    """The setting of an optimiser; `start` makes the running thing."""

    @property
    def clip(self) -> float: ...

    @property
    def skip_above(self) -> float: ...

    @property
    def max_bad_updates(self) -> int: ...

    def start(self, model: Trainable) -> torch.optim.Optimizer:
        """The optimiser, over all that the model can learn. Raises ValueError for nothing."""
        ...

    def follow(self, running: torch.optim.Optimizer, progress: Progress) -> float:
        """Give a running one the settings of this moment; returns the learning rate."""
        ...


@dataclass(frozen=True, kw_only=True)
class Guarded:
    """What all of them share.

    ``clip`` bounds the gradient norm (0 = off); an update whose norm before clipping exceeds
    ``skip_above`` is left out (0 = never), as is one that is not finite; the run stops after
    ``max_bad_updates`` of these in a row. Over the first ``warmup`` steps the rate rises in a
    straight line, from ``1 / warmup`` of what it would be.
    """

    warmup: Count = 0
    """Steps over which the rate rises to what it is to be."""
    clip: Annotated[float, at_least(0, "0 is off")] = 1.0
    """The longest gradient; a longer one is cut."""
    skip_above: Annotated[float, at_least(0, "0 is never")] = 0.0
    """The gradient norm from which an update is left out."""
    max_bad_updates: PositiveInt = 5
    """After how many updates in a row that are left out the run stops."""

    def __post_init__(self) -> None:
        check_ranges(self)

    def started(self, running: torch.optim.Optimizer) -> torch.optim.Optimizer:
        """``running`` with the settings of the first step."""
        self.follow(running, Progress())
        return running

    def follow(self, running: torch.optim.Optimizer, progress: Progress) -> float:
        """As `Optimiser.follow`."""
        now: Any = at(self, progress)
        rate = float(now.lr * min(1.0, (progress.step + 1) / max(self.warmup, 1)))
        told = {name: getattr(now, name) for name in running.defaults if hasattr(now, name)}
        for group in running.param_groups:
            group.update(told, lr=rate)
        return rate


@dataclass(frozen=True)
class AdamW(Guarded):
    """Adam with decoupled weight decay (1711.05101)."""

    lr: NonNegative = 3e-4
    """The learning rate."""
    betas: tuple[Decay, Decay] = (0.9, 0.99)
    """How much the running means of gradients and their squares keep."""
    weight_decay: NonNegative = 0.0
    """What weights are drawn to 0 with."""

    def start(self, model: Trainable) -> torch.optim.Optimizer:
        # Fused: one pass over each weight; on a processor the default makes nine.
        return self.started(torch.optim.AdamW(trainable(model), fused=True))


@dataclass(frozen=True)
class Adam(AdamW):
    """Adam (1412.6980); ``weight_decay`` is added to the gradient."""

    def start(self, model: Trainable) -> torch.optim.Optimizer:
        return self.started(torch.optim.Adam(trainable(model), fused=True))


@dataclass(frozen=True)
class SGD(Guarded):
    """Gradient descent: ``w - lr g``, or with ``momentum`` a running sum of gradients for ``g``.

    Not clipped unless ``clip`` says so: its steps are as long as its gradients.
    """

    lr: NonNegative = 0.1
    """The learning rate."""
    momentum: Decay = 0.0
    """How much the running sum of gradients keeps; 0: there is none."""
    weight_decay: NonNegative = 0.0
    """What weights are drawn to 0 with."""
    clip: Annotated[float, at_least(0, "0 is off")] = field(default=0.0, kw_only=True)

    def start(self, model: Trainable) -> torch.optim.Optimizer:
        return self.started(torch.optim.SGD(trainable(model)))
