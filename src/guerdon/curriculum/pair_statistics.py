"""What becomes of each preference pair while scorers learn: the marks of a wrong label."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor


class PairStatistics:
    """By a pair's id: mean and variance of its margin so far, and how often it was learned from.

    Wrong labels have low margins that move much: the model is drawn to them by heart and back by
    the other pairs. Margins of two scorers count as two observations.
    """

    def __init__(self, ids: Sequence[str]) -> None:
        self.ids = tuple(ids)
        self.seen_n = torch.zeros(len(self.ids), dtype=torch.long)
        self.mean_n = torch.zeros(len(self.ids), dtype=torch.float64)
        self._squares_n = torch.zeros(len(self.ids), dtype=torch.float64)
        self.learned_n = torch.zeros(len(self.ids), dtype=torch.long)

    @property
    def variance_n(self) -> Tensor:
        """float[n], over the observations of each pair (by their number); 0 of one, NaN of none."""
        return self._squares_n / self.seen_n

    def observe(self, pairs: Tensor, margin_m: Tensor) -> None:
        """Margins float[m] of the pairs long[m], each of which stands there once.

        A margin that is not finite is not counted.
        """
        known = margin_m.isfinite()
        pairs, margin_m = pairs[known], margin_m[known].double()
        self.seen_n[pairs] += 1
        away = margin_m - self.mean_n[pairs]
        self.mean_n[pairs] += away / self.seen_n[pairs]
        self._squares_n[pairs] += away * (margin_m - self.mean_n[pairs])

    def learned(self, pairs: Tensor) -> None:
        """An update was made on the pairs long[m], each of which stands there once."""
        self.learned_n[pairs] += 1

    def rows(self) -> list[dict[str, Any]]:
        """A row for each pair, the lowest mean first: what to look at for wrong labels."""
        named = zip(
            self.ids,
            self.mean_n.tolist(),
            self.variance_n.tolist(),
            self.seen_n.tolist(),
            self.learned_n.tolist(),
            strict=True,
        )
        return [
            {"id": name, "margin": mean, "variance": variance, "seen": seen, "learned": learned}
            for name, mean, variance, seen, learned in sorted(named, key=lambda one: one[1])
            if seen
        ]

    def state_dict(self) -> dict[str, Any]:
        return {
            "seen": self.seen_n,
            "mean": self.mean_n,
            "squares": self._squares_n,
            "learned": self.learned_n,
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self.seen_n, self.mean_n = state["seen"].clone(), state["mean"].clone()
        self._squares_n, self.learned_n = state["squares"].clone(), state["learned"].clone()
