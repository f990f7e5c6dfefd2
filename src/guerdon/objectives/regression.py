"""Several scores of a response, regressed at once: multi-objective GRPO's reward model."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor

from guerdon.ranges import NonNegative, check_ranges
from guerdon.records import Loss


@dataclass(frozen=True)
class AspectRegression:
    """``sum(w (y_hat - y)^2) / sum(w)`` over the labels that are known (2503.21819).

    ``predicted_NK`` float[N, K] are a model's K scores of N responses, ``label_NK`` the judge's,
    NaN where it gave none. Aspects are independent of each other. Nothing known: 0, with a
    gradient of 0. Figures by aspect, of its known labels: ``mse/NAME`` and ``mae/NAME``, and
    ``pearson/NAME`` where both sides vary. Raises ValueError where shapes or names do not fit.
    """

    aspects: tuple[str, ...]
    """Their names, in the order of the columns."""
    weights: tuple[NonNegative, ...] = field(default=())
    """What each aspect's errors count; empty: all alike."""

    def __post_init__(self) -> None:
        check_ranges(self)
        if not self.aspects or len(self.weights) not in (0, len(self.aspects)):
            raise ValueError(
                f"AspectRegression has {len(self.aspects)} aspects and {len(self.weights)} "
                "weights; name one aspect at least, and give each a weight or none"
            )

    def __call__(self, predicted_NK: Tensor, label_NK: Tensor) -> Loss:
        if predicted_NK.shape != label_NK.shape or predicted_NK.shape[1:] != (len(self.aspects),):
            raise ValueError(
                f"scores of shape {tuple(predicted_NK.shape)} and labels of shape "
                f"{tuple(label_NK.shape)} for the {len(self.aspects)} aspects "
                f"{', '.join(self.aspects)}"
            )
        known_NK = label_NK.isfinite()
        weight_K = torch.tensor(self.weights or [1.0] * len(self.aspects))
        weight_NK = known_NK * weight_K.to(predicted_NK)
        off_NK = torch.where(known_NK, predicted_NK - label_NK.nan_to_num(), 0.0)
        value = (weight_NK * off_NK**2).sum() / weight_NK.sum().clamp_min(1e-12)
        metrics: dict[str, float] = {}
        for name, k in zip(self.aspects, range(len(self.aspects)), strict=True):
            kept = known_NK[:, k]
            metrics |= _figures(name, predicted_NK[kept, k].detach(), label_NK[kept, k])
        return Loss(value, metrics)


def _figures(name: str, predicted_M: Tensor, label_M: Tensor) -> dict[str, float]:
    """Of one aspect's known labels; none at all without any."""
    if not len(label_M):
        return {}
    both_2M = torch.stack([predicted_M, label_M]).double()
    off_M = both_2M[0] - both_2M[1]
    figures = {
        f"mse/{name}": float((off_M**2).mean()),
        f"mae/{name}": float(off_M.abs().mean()),
    }
    if (both_2M.amax(1) > both_2M.amin(1)).all():
        figures[f"pearson/{name}"] = float(torch.corrcoef(both_2M)[0, 1])
    return figures
