"""From logits to actions: temperature, truncation and inverse-CDF sampling."""

from __future__ import annotations

import torch
from torch import Tensor

from guerdon.stages import Sampling

LIKELY = 1024
"""Tokens that top-p looks at first: to sort a whole vocabulary takes longer than a model's head."""


def choose(logits_NV: Tensor, uniform_N: Tensor, sampling: Sampling) -> tuple[Tensor, Tensor]:
    """Actions long[N] and their log-probs float[N].

    Log-probs are at the sampling temperature (1 when greedy) and before truncation. The
    action is where the cumulative distribution passes ``uniform``, so it is a function of the
    row's logits and its own random number.
    """
    logits_NV = logits_NV.float()
    if sampling.temperature > 0 and sampling.temperature != 1.0:
        logits_NV = logits_NV / sampling.temperature
    logp_NV = torch.log_softmax(logits_NV, dim=-1)
    if sampling.temperature == 0:
        action_N = logp_NV.argmax(-1)
    else:
        weight_NV = truncate(logp_NV.exp(), sampling).double()
        cumulative_NV = weight_NV.cumsum(-1)
        target_N1 = uniform_N.to(weight_NV.device)[:, None] * cumulative_NV[:, -1:]
        action_N = torch.searchsorted(cumulative_NV, target_N1, right=True)[:, 0]
        action_N = action_N.clamp_max(logp_NV.shape[1] - 1)
    return action_N, logp_NV.gather(1, action_N[:, None])[:, 0]


def truncate(prob_NV: Tensor, sampling: Sampling) -> Tensor:
    """Probabilities with what top-k, top-p and min-p exclude set to 0; not renormalised.

    top-p keeps the smallest set of most likely tokens whose mass reaches p (at least one).
    """
    if 0 < sampling.top_k < prob_NV.shape[1]:
        least = prob_NV.topk(sampling.top_k, dim=-1).values[:, -1:]
        prob_NV = prob_NV.masked_fill(prob_NV < least, 0.0)
    if sampling.min_p > 0:
        floor = sampling.min_p * prob_NV.max(-1, keepdim=True).values
        prob_NV = prob_NV.masked_fill(prob_NV < floor, 0.0)
    if sampling.top_p < 1:
        mass_N1 = sampling.top_p * prob_NV.sum(-1, keepdim=True)
        prob_NV = prob_NV.masked_fill(~_nucleus(prob_NV, mass_N1, LIKELY), 0.0)
    return prob_NV


def _nucleus(prob_NV: Tensor, mass_N1: Tensor, count: int) -> Tensor:
    """bool[N, V]: the fewest most likely tokens that reach the mass.

    ``count`` tokens are tried first; only rows that need more are sorted whole.
    """
    count = min(count, prob_NV.shape[1])
    ordered, order = prob_NV.topk(count, dim=-1)
    before = ordered.cumsum(-1) - ordered
    keep_NV = torch.zeros_like(prob_NV, dtype=torch.bool).scatter(1, order, before < mass_N1)
    short_N = (before + ordered)[:, -1] < mass_N1[:, 0]
    if count < prob_NV.shape[1] and short_N.any():
        keep_NV[short_N] = _nucleus(prob_NV[short_N], mass_N1[short_N], prob_NV.shape[1])
    return keep_NV
