"""Two rows against each other: what a judge said of them, and what is learned from them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Comparisons:
    """What judges said of M pairs of rows, beside the rows' scores.

    Attributes:
        first: long[M], a row's index.
        second: long[M], the index of the row it was compared with.
        strength: float[M], above 0 where the first is preferred, below where the second is, 0
            for a tie. Its unit is the judge's own: a probability less a half, votes, a score.
        valid: bool[M], False where the comparison failed. Its strength is NaN then.
    """

    first: Tensor
    second: Tensor
    strength: Tensor
    valid: Tensor = None  # type: ignore[assignment]  # filled in __post_init__

    def __post_init__(self) -> None:
        m = self.first.shape[0]
        valid = torch.ones(m, dtype=torch.bool) if self.valid is None else self.valid.bool()
        _check_ends(self, self.first, self.second, {"strength": self.strength, "valid": valid})
        valid = valid & torch.isfinite(self.strength)
        object.__setattr__(self, "valid", valid)
        object.__setattr__(self, "strength", self.strength.float().masked_fill(~valid, torch.nan))

    def __len__(self) -> int:
        return int(self.first.shape[0])

    def select(self, rows: Tensor, n: int) -> Comparisons:
        """Those whose rows are both among ``rows`` long[R] of ``n``, renumbered to stand there.

        A row that ``rows`` names twice is met at its first place.
        """
        first, second = _renumbered(self.first, rows, n), _renumbered(self.second, rows, n)
        kept = (first >= 0) & (second >= 0)
        return Comparisons(first[kept], second[kept], self.strength[kept], self.valid[kept])

    def after(self, rows: int) -> Comparisons:
        """The same where the rows they speak of stand behind ``rows`` others."""
        return Comparisons(self.first + rows, self.second + rows, self.strength, self.valid)


def joined(comparisons: Sequence[Comparisons]) -> Comparisons | None:
    """All of these, of the same rows; None where there are none."""
    if not comparisons:
        return None
    return Comparisons(
        torch.cat([told.first for told in comparisons]),
        torch.cat([told.second for told in comparisons]),
        torch.cat([told.strength for told in comparisons]),
        torch.cat([told.valid for told in comparisons]),
    )


@dataclass(frozen=True)
class Pairs:
    """M pairs of rows to learn from, the better one first.

    Attributes:
        chosen: long[M], the better row's index.
        rejected: long[M], the worse row's index.
        margin: float[M], by how much it is better, or None where nobody said. An objective uses
            margins or refuses them.
        weight: float[M], how much a pair counts; 1 unless given.
    """

    chosen: Tensor
    rejected: Tensor
    margin: Tensor | None = None
    weight: Tensor = None  # type: ignore[assignment]  # filled in __post_init__

    def __post_init__(self) -> None:
        m = self.chosen.shape[0]
        weight = torch.ones(m) if self.weight is None else self.weight.float()
        numbers = {"weight": weight}
        if self.margin is not None:
            numbers["margin"] = self.margin
        _check_ends(self, self.chosen, self.rejected, numbers)
        for name, number in numbers.items():
            bad = (~torch.isfinite(number)).nonzero().flatten().tolist()
            if bad:
                raise ValueError(f"Pairs.{name} is {float(number[bad[0]])} in pair {bad[0]}")
        object.__setattr__(self, "weight", weight)

    def __len__(self) -> int:
        return int(self.chosen.shape[0])

    def select(self, rows: Tensor, n: int) -> Pairs:
        """Those whose rows are both among ``rows`` long[R] of ``n``, renumbered to stand there.

        A row that ``rows`` names twice is met at its first place.
        """
        chosen, rejected = _renumbered(self.chosen, rows, n), _renumbered(self.rejected, rows, n)
        kept = (chosen >= 0) & (rejected >= 0)
        margin = None if self.margin is None else self.margin[kept]
        return Pairs(chosen[kept], rejected[kept], margin, self.weight[kept])


def _check_ends(record: object, one: Tensor, other: Tensor, more: dict[str, Tensor]) -> None:
    """Raises ValueError where lengths differ or a row is paired with itself."""
    kind, m = type(record).__name__, len(one)
    for name, tensor in {"second row": other, **more}.items():
        if tensor.shape != (m,):
            raise ValueError(f"{kind}: {m} pairs, but {name} has shape {tuple(tensor.shape)}")
    same = (one == other).nonzero().flatten().tolist()
    if same:
        raise ValueError(f"{kind}: pair {same[0]} is row {int(one[same[0]])} with itself")


def _renumbered(end_M: Tensor, rows: Tensor, n: int) -> Tensor:
    """long[M]: the place of each end in ``rows``, -1 where it is not there."""
    place_N = torch.full((n,), -1, dtype=torch.long)
    for place, row in reversed(list(enumerate(rows.tolist()))):
        place_N[row] = place
    return place_N[end_M]


@dataclass(frozen=True)
class Chosen:
    """What of a step's rows is learned from.

    Attributes:
        rows: long[R], their indices.
        pairs: of these R rows, by their place among them; None where rows are learned from.
    """

    rows: Tensor
    pairs: Pairs | None = None
