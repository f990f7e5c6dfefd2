"""Curves a centred reward is passed through; all grow with the reward."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from guerdon.ranges import Finite, Positive, PositiveInt, check_ranges


class Curve(Protocol):
    """A function of the reward less its reference, elementwise and of any shape."""

    def __call__(self, centred: Tensor) -> Tensor: ...


@dataclass(frozen=True)
class Proportional:
    """``slope x``: no bound. Affine in the reward, so group-normalised advantages ignore it.

    >>> Proportional(2.0)(torch.tensor([-1.0, 3.0])).tolist()
    [-2.0, 6.0]
    """

    slope: Finite = 1.0

    def __post_init__(self) -> None:
        check_ranges(self)

    def __call__(self, centred: Tensor) -> Tensor:
        return self.slope * centred


@dataclass(frozen=True)
class Sigmoid:
    """``sigmoid(steepness (x - shift))``, in [0, 1]; steepest at ``shift``.

    With ``shift`` 0 it is the probability, under Bradley-Terry, of beating the reference. A
    ``shift`` of 3 gives the slow-growth control of PAR (2502.18770): steepness 1 as its runs
    have it, 3 as its figure draws it.

    >>> Sigmoid(shift=2.0)(torch.tensor([2.0])).tolist()
    [0.5]
    """

    steepness: Positive = 1.0
    shift: Finite = 0.0

    def __post_init__(self) -> None:
        check_ranges(self)

    def __call__(self, centred: Tensor) -> Tensor:
        return torch.sigmoid(self.steepness * (centred - self.shift))


@dataclass(frozen=True)
class Tanh:
    """``tanh(steepness x)``, in [-1, 1]."""

    steepness: Positive = 1.0

    def __post_init__(self) -> None:
        check_ranges(self)

    def __call__(self, centred: Tensor) -> Tensor:
        return torch.tanh(self.steepness * centred)


@dataclass(frozen=True)
class LogSigmoid:
    """``log sigmoid(x)``, at most 0: the log-probability of beating the reference (2402.00742).

    Far below it is ``x`` itself (finite for any finite x), far above ``-exp(-x)``.
    """

    def __call__(self, centred: Tensor) -> Tensor:
        return torch.nn.functional.logsigmoid(centred)


@dataclass(frozen=True)
class FittedPolynomial:
    """Least-squares polynomial of the sigmoid on ``points`` points of [-bound, bound].

    0 below ``-bound`` and 1 above ``bound``. Near the ends it leaves [0, 1] a little: with the
    defaults, PAR's (2502.18770), it is 1.0017 at 4.9.
    """

    degree: PositiveInt = 5
    bound: Positive = 5.0
    points: PositiveInt = 100

    def __post_init__(self) -> None:
        check_ranges(self)
        if self.degree >= self.points:
            raise ValueError(
                f"FittedPolynomial needs degree < points, got {self.degree} and {self.points}"
            )

    def __call__(self, centred: Tensor) -> Tensor:
        value = torch.zeros_like(centred)
        inside = centred.clamp(-self.bound, self.bound)
        for coefficient in _fitted(self.degree, self.bound, self.points):
            value = value * inside + coefficient
        value = torch.where(centred < -self.bound, 0.0, value)
        return torch.where(centred > self.bound, 1.0, value)


@lru_cache
def _fitted(degree: int, bound: float, points: int) -> tuple[float, ...]:
    """Coefficients of the fit, highest power first."""
    x = np.linspace(-bound, bound, points)
    fit = np.polynomial.Polynomial.fit(x, 1 / (1 + np.exp(-x)), degree).convert()
    return tuple(float(c) for c in fit.coef[::-1])
