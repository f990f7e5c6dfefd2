"""The soft overlong punishment, which a reward and a shaper share.

It stands here, below the stages, since they do not import each other.
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from guerdon.ranges import NonNegative, PositiveInt, check_ranges


@dataclass(frozen=True)
class SoftOverlong:
    """DAPO's soft overlong punishment (arXiv 2503.14476, eq. 13): its settings and its formula.

    0 up to ``limit - buffer`` tokens, then a line down to ``-factor`` at ``limit``. The defaults
    are the paper's, for long reasoning. Raises ValueError unless ``0 < buffer <= limit`` and
    ``factor >= 0``.
    """

    limit: PositiveInt = 20480
    """Tokens from which the penalty is whole."""
    buffer: PositiveInt = 4096
    """Tokens before the limit over which it grows."""
    factor: NonNegative = 1.0
    """The whole penalty."""
    bounded: bool = True
    """Off: beyond the limit it goes on growing (verl's form)."""

    def __post_init__(self) -> None:
        check_ranges(self)
        if self.buffer > self.limit:
            raise ValueError(
                f"{type(self).__name__} needs buffer <= limit, got {self.buffer} and {self.limit}"
            )

    def penalty(self, length_N: Tensor) -> Tensor:
        """float[N] of lengths in tokens: ``-factor * max(0, L - (limit - buffer)) / buffer``.

        Bounded, it is never below ``-factor``.

        >>> import torch
        >>> SoftOverlong(limit=10, buffer=4).penalty(torch.tensor([6, 8, 10, 50])).tolist()
        [0.0, -0.5, -1.0, -1.0]
        """
        over_N = (length_N - (self.limit - self.buffer)).clamp_min(0) / self.buffer
        if self.bounded:
            over_N = over_N.clamp_max(1)
        return 0.0 - self.factor * over_N
