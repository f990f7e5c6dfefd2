"""What the policy says, and what is made of it: a loss."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from torch import Tensor


@dataclass(frozen=True)
class PolicyOutput:
    """What the policy says now about rollouts it (or an engine) made: with gradient.

    ``logps`` float[N, T]; ``entropy`` float[N, T], ``values`` float[N, T] and ``largest``
    float[N, T, K], the log-probs of the K likeliest tokens, descending, when asked for. Entries
    where the rollouts' mask is False are 0 and carry no gradient; ``largest`` carries none.
    """

    logps: Tensor
    entropy: Tensor | None = None
    values: Tensor | None = None
    largest: Tensor | None = None


@dataclass(frozen=True)
class Loss:
    """A scalar to minimise and named figures to log.

    Metrics are weighted sums, like the loss itself: the metrics of a batch are the sums of
    the metrics of its parts.
    """

    value: Tensor
    metrics: Mapping[str, float] = field(default_factory=dict)
