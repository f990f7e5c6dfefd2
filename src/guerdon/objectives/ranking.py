"""Reward-model objectives: a loss from the scores of ranked responses.

``score`` float[B, K] holds B lists of scores, best response first; ``valid`` bool[B, K] says which
entries there are (None = all). What stands elsewhere, NaN included, is not read. The reported
``accuracy`` is the share of pairs in the right order (a tie is not), ``margin`` the mean
difference of their scores, and ``score`` the mean score.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor
from torch.nn.functional import logsigmoid

from guerdon.ranges import NonNegative, check_ranges
from guerdon.records import Loss


@dataclass(frozen=True)
class BradleyTerry:
    """``-log sigmoid(s_i - s_j - margin m)`` of each pair ranked ``i`` before ``j``.

    Averaged over the pairs of a list (2203.02155, eq. 1), then over the lists that have one;
    0 where none has. ``margin`` scales the annotated margins m (2307.09288, eq. 2; 0 ignores
    them). ``centring`` adds ``centring (s_i + s_j)^2`` to each pair, which the differences leave
    free (2312.09244): scores then lie around 0.
    """

    margin: NonNegative = 1.0
    """What annotated margins are multiplied by; 0 ignores them."""
    centring: NonNegative = 0.0
    """How strongly scores are drawn to lie around 0."""
    uses_margins: ClassVar[bool] = True

    def __post_init__(self) -> None:
        check_ranges(self)

    def __call__(
        self, score: Tensor, valid: Tensor | None = None, margin: Tensor | None = None
    ) -> Loss:
        """``margin`` float[B], 0 for none. Raises ValueError for a margin of a longer list."""
        score_BK, valid_BK = _cleared(score, valid)
        pair_BKK = _pairs(valid_BK)
        gap_BKK = score_BK[:, :, None] - score_BK[:, None, :]
        beyond_BKK = gap_BKK
        if margin is not None and self.margin:
            if (margin.to(score.device)[valid_BK.sum(1) > 2] != 0).any():
                raise ValueError("a list of more than two has a margin; margins belong to pairs")
            beyond_BKK = gap_BKK - self.margin * margin.to(score)[:, None, None]
        loss_BKK = -logsigmoid(beyond_BKK)
        if self.centring:
            sums_BKK = score_BK[:, :, None] + score_BK[:, None, :]
            loss_BKK = loss_BKK + self.centring * sums_BKK**2
        count_B = pair_BKK.sum((1, 2))
        loss_B = torch.where(pair_BKK, loss_BKK, 0).sum((1, 2)) / count_B.clamp(min=1)
        return Loss(_mean(loss_B, count_B > 0), _figures(score_BK, valid_BK))

    @classmethod
    def example(cls) -> BradleyTerry:
        return cls(0.5, 0.01)


@dataclass(frozen=True)
class PlackettLuce:
    """``-log prod_k exp(s_k) / sum_{j >= k} exp(s_j)``: the ranking's negative log-likelihood.

    The best is drawn among all, the second among the rest, and so on (Plackett 1975); for pairs
    this is `BradleyTerry` without margin. Averaged over the lists of two or more; 0 where there
    is none. Invalid entries are left out of their lists, as if they had not been ranked.
    It has no use for margins, and raises ValueError for any but 0.
    """

    def __call__(
        self, score: Tensor, valid: Tensor | None = None, margin: Tensor | None = None
    ) -> Loss:
        if margin is not None and margin.any():
            raise ValueError("Plackett-Luce has no use for margins; leave them out")
        score_BK, valid_BK = _cleared(score, valid)
        # Finite, for the gradient of a sum over nothing but -inf is NaN.
        absent = torch.finfo(score_BK.dtype).min / 4
        shown_BK = torch.where(valid_BK, score_BK, absent)
        rest_BK = shown_BK.flip(1).logcumsumexp(1).flip(1)
        loss_B = torch.where(valid_BK, rest_BK - score_BK, 0).sum(1)
        return Loss(_mean(loss_B, valid_BK.sum(1) > 1), _figures(score_BK, valid_BK))

    @classmethod
    def example(cls) -> PlackettLuce:
        return cls()


def _cleared(score: Tensor, valid: Tensor | None) -> tuple[Tensor, Tensor]:
    """Scores with 0 where they are not valid, and what is. Raises ValueError for other shapes."""
    if score.dim() != 2:
        raise ValueError(f"scores are lists of responses [B, K], not {tuple(score.shape)}")
    valid = torch.ones_like(score, dtype=torch.bool) if valid is None else valid
    if valid.shape != score.shape:
        raise ValueError(f"valid has shape {tuple(valid.shape)}, scores {tuple(score.shape)}")
    return torch.where(valid, score, 0), valid


def _pairs(valid_BK: Tensor) -> Tensor:
    """bool[B, K, K], whether entry i is ranked before entry j and both are valid."""
    both = valid_BK[:, :, None] & valid_BK[:, None, :]
    return both.triu(1)


def _mean(loss_B: Tensor, counts_B: Tensor) -> Tensor:
    """The mean over what counts; 0 (with a gradient of 0) where nothing does."""
    return torch.where(counts_B, loss_B, 0).sum() / counts_B.sum().clamp(min=1)


def _figures(score_BK: Tensor, valid_BK: Tensor) -> dict[str, float]:
    """Of all pairs and scores alike; none where there is none."""
    score, pairs = score_BK.detach(), _pairs(valid_BK)
    gaps = (score[:, :, None] - score[:, None, :])[pairs]
    figures = {"score": float(score[valid_BK].mean())} if valid_BK.any() else {}
    if len(gaps):
        figures |= {"margin": float(gaps.mean()), "accuracy": float((gaps > 0).float().mean())}
    return figures
