"""The decoding loop: one prefill per context, the cache fanned out, finished rows retired."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from transformers import DynamicCache

from guerdon.rollout.choosing import choose
from guerdon.rollout.keyed import uniforms
from guerdon.stages import Sampling

RETIRE_BELOW = 0.75
"""The cache is compacted when fewer than this share of its rows still runs."""


@dataclass(frozen=True)
class Continuations:
    """ids long[N, T] right-padded with 0, lengths long[N], logps float[N, T], finished bool[N]."""

    ids: Tensor
    lengths: Tensor
    logps: Tensor
    finished: Tensor


def decode(
    model: Any,
    contexts: Sequence[Tensor],
    fan: list[int],
    keys: Sequence[int],
    sampling: Sampling,
    seed: int,
    *,
    end: list[int],
    pad: int,
    text_of: Callable[[Tensor], str],
) -> Continuations:
    """Continue ``contexts[fan[i]]`` for every row i by at most ``sampling.max_tokens`` tokens.

    The token that ends a completion is part of it. ``finished`` is False where the length
    limit cut it.
    """
    n, limit = len(fan), sampling.max_tokens
    device = model.device
    ids = torch.zeros(n, limit, dtype=torch.long, device=device)
    logps = torch.zeros(n, limit, device=device)
    lengths = torch.zeros(n, dtype=torch.long, device=device)
    finished = torch.zeros(n, dtype=torch.bool, device=device)
    if n == 0 or limit == 0:
        return Continuations(ids.cpu(), lengths.cpu(), logps.cpu(), finished.cpu())
    uniform = uniforms(seed, keys, limit).to(device)
    enders = torch.tensor(end, device=device)
    with torch.inference_mode():
        logits, cache, attend, position = _prefill(model, contexts, fan, pad)
        live = torch.arange(n, device=device)  # the rows that the cache holds
        for t in range(limit):
            token, logp = choose(logits, uniform[live, t], sampling)
            running = ~finished[live]
            ids[live, t] = torch.where(running, token, 0)
            logps[live, t] = torch.where(running, logp, 0.0)
            lengths[live] += running
            finished[live] |= running & torch.isin(token, enders)
            if sampling.stop:
                _stop_at(ids, finished, live[running], t, sampling.stop, text_of)
            running = ~finished[live]
            still = int(running.sum())
            if still == 0 or t + 1 == limit:
                break
            if still < RETIRE_BELOW * len(live):
                kept = running.nonzero().flatten()
                cache.batch_select_indices(kept)
                live, token = live[kept], token[kept]
                attend, position = attend[kept], position[kept]
            attend = torch.cat([attend, attend.new_ones(len(live), 1)], dim=1)
            logits = model(
                input_ids=token[:, None],
                attention_mask=attend,
                position_ids=position[:, None],
                past_key_values=cache,
                use_cache=True,
            ).logits[:, -1]
            position = position + 1
    width = int(lengths.max())
    return Continuations(
        ids[:, :width].cpu(), lengths.cpu(), logps[:, :width].cpu(), finished.cpu()
    )


def _prefill(
    model: Any, contexts: Sequence[Tensor], fan: list[int], pad: int
) -> tuple[Tensor, Any, Tensor, Tensor]:
    """Last logits [N, V], cache, attention mask [N, P] and next position [N] of every row."""
    device = model.device
    width = max(len(c) for c in contexts)
    table = torch.full((len(contexts), width), pad, dtype=torch.long)
    attend = torch.zeros(len(contexts), width, dtype=torch.long)
    for row, context in enumerate(contexts):
        table[row, width - len(context) :] = context
        attend[row, width - len(context) :] = 1
    position = (attend.cumsum(1) - 1).clamp_min(0)
    cache = DynamicCache(config=model.config)
    out = model(
        input_ids=table.to(device),
        attention_mask=attend.to(device),
        position_ids=position.to(device),
        past_key_values=cache,
        use_cache=True,
        logits_to_keep=1,
    )
    rows = torch.tensor(fan, device=device)
    cache.batch_select_indices(rows)
    lengths = attend.sum(1).to(device)
    return out.logits[:, -1][rows], cache, attend.to(device)[rows], lengths[rows]


def _stop_at(
    ids: Tensor,
    finished: Tensor,
    rows: Tensor,
    t: int,
    stop: tuple[str, ...],
    text_of: Callable[[Tensor], str],
) -> None:
    """Finish rows whose text ends with a stop string (seen in the last few tokens)."""
    longest = max(len(s) for s in stop)
    for row in rows.tolist():
        # No token is shorter than one byte, so this many tokens cover the longest stop string.
        tail = text_of(ids[row, max(0, t + 1 - 4 * longest) : t + 1])
        if any(s in tail for s in stop):  # an earlier one would have ended the row already
            finished[row] = True
