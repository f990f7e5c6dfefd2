"""Attention over a prompt whose keys and values are held once for all rows that continue it.

A copied cache reads ``N * P`` keys per token, one matrix-vector product for each row. Here the
queries of a group's ``G`` rows meet the group's ``P`` keys in one matrix product. What each row
wrote itself (``t`` keys, in buffers that double) is attended to apart, and the two are mixed by
their log-sum-exps ``l`` of scores, which is softmax over both exactly:

    out = out_own + sigmoid(l_prompt - l_own) (out_prompt - out_own)

Shape letters: ``n`` rows, ``B`` groups of at most ``G`` rows, ``P`` prompt tokens, ``H`` heads,
``K`` key-value heads, ``R`` = H / K queries to a key, ``D`` head size.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from transformers import AttentionInterface, DynamicCache
from transformers.cache_utils import Cache, DynamicLayer, DynamicSlidingWindowLayer

_flash = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu

ATTENTION = "guerdon_shared_prefix"
FIRST_BLOCK = 16
"""Tokens that a row's own buffer holds at first; it doubles when full."""
HARMLESS = frozenset(["dropout", "sliding_window", "position_ids", "use_cache"])
"""What models hand to their attention that changes nothing here; windows come from the cache."""


class Unsupported(Exception):
    """The model's attention is not one that this cache can compute; the text says why."""


@dataclass
class _Layer:
    """One layer of a cohort: keys [B, K, P, D] and own keys [n, K, capacity, D]; values alike."""

    keys: Tensor
    values: Tensor
    window: int | None
    own_keys: Tensor
    own_values: Tensor


class Cohort:
    """Rows that were prefilled together: as many own tokens in each, prompts padded on the left.

    ``group`` long[n] ascending names each row's prompt; ``hidden`` bool[B, P] is True on padding.
    """

    def __init__(self, prefilled: DynamicCache, group: Tensor, hidden: Tensor) -> None:
        self.layers = [_fresh_layer(layer, len(group)) for layer in prefilled.layers]
        self.hidden = hidden if bool(hidden.any()) else None
        self.written = 0
        self._arrange(group, len(hidden))

    def __len__(self) -> int:
        return len(self.group)

    def _arrange(self, group: Tensor, prompts: int) -> None:
        """Places of the rows in a table [B, G], ``G`` the largest group."""
        self.group, self.prompts = group, prompts
        counts = torch.bincount(group, minlength=prompts)
        width = int(counts.max())
        rank = torch.arange(len(group), device=group.device) - (counts.cumsum(0) - counts)[group]
        self.place = group * width + rank
        # An empty place repeats some row; nobody reads its result.
        self.row_at = torch.zeros(prompts * width, dtype=torch.long, device=group.device)
        self.row_at[self.place] = torch.arange(len(group), device=group.device)
        self.full = len(group) == prompts * width

    def keep(self, rows: Tensor) -> None:
        """Only the rows of an ascending long tensor stay; prompts without rows go."""
        used, group = torch.unique(self.group[rows], return_inverse=True)
        for layer in self.layers:
            layer.own_keys, layer.own_values = layer.own_keys[rows], layer.own_values[rows]
            if len(used) < self.prompts:
                layer.keys, layer.values = layer.keys[used], layer.values[used]
        if self.hidden is not None:
            self.hidden = self.hidden[used]
        self._arrange(group, len(used))

    def attend(
        self,
        index: int,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        scaling: float,
        softcap: float | None,
    ) -> Tensor:
        """[n, 1, H, D] for a new token's queries [n, H, 1, D]; its key and value are kept."""
        layer = self.layers[index]
        if self.written == layer.own_keys.shape[2]:
            layer.own_keys, layer.own_values = _doubled(layer.own_keys), _doubled(layer.own_values)
        layer.own_keys[:, :, self.written] = key[:, :, 0]
        layer.own_values[:, :, self.written] = value[:, :, 0]
        count, width = self.written + 1, layer.keys.shape[2]
        # A window covers the last tokens: columns are aligned, so it is the same in all rows.
        own, first = 0, 0
        if layer.window is not None:
            own, first = max(0, count - layer.window), max(0, width + count - layer.window)
        n, heads, _, size = query.shape
        query = (query * scaling).view(n, key.shape[1], heads // key.shape[1], size)
        out, score = _partial(
            query, layer.own_keys[:, :, own:count], layer.own_values[:, :, own:count], softcap
        )
        if first < width:
            hidden = None if self.hidden is None else self.hidden[:, first - width :]
            shared, shared_score = _partial(
                self._to_groups(query),
                layer.keys[:, :, first:],
                layer.values[:, :, first:],
                softcap,
                hidden,
            )
            share = (self._to_rows(shared_score) - score).sigmoid_()
            out = torch.lerp(out, self._to_rows(shared), share.to(out.dtype))
        return out.reshape(n, 1, heads, -1)

    def _to_groups(self, rows: Tensor) -> Tensor:
        """[n, K, R, D] as [B, K, G * R, D]."""
        if not self.full:
            rows = rows[self.row_at]
        _, shared, ratio, size = rows.shape
        table = rows.view(self.prompts, -1, shared, ratio, size).transpose(1, 2)
        return table.reshape(self.prompts, shared, -1, size)

    def _to_rows(self, groups: Tensor) -> Tensor:
        """[B, K, G * R, D] as [n, K, R, D]."""
        width = len(self.row_at) // self.prompts
        _, shared, queries, size = groups.shape
        table = groups.view(self.prompts, shared, width, queries // width, size).transpose(1, 2)
        rows = table.reshape(self.prompts * width, shared, queries // width, size)
        return rows if self.full else rows[self.place]


class SharedPrefixCache(Cache):
    """The cohorts that a model decodes together: its rows are theirs, one after the other."""

    def __init__(self) -> None:
        super().__init__(layers=[])
        self.cohorts: list[Cohort] = []

    def update(
        self, key_states: Tensor, value_states: Tensor, layer_idx: int, *_: Any, **__: Any
    ) -> tuple[Tensor, Tensor]:
        """The new token's keys and values, as they are: `attend` keeps them."""
        return key_states, value_states

    def get_seq_length(self, layer_idx: int = 0) -> int:
        """Columns of the longest cohort; models ask only where they are given no positions."""
        return max((c.layers[layer_idx].keys.shape[2] + c.written for c in self.cohorts), default=0)

    def attend(
        self,
        index: int,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        scaling: float,
        softcap: float | None,
    ) -> Tensor:
        """[N, 1, H, D] for all cohorts' rows (see `Cohort.attend`)."""
        if len(self.cohorts) == 1:
            return self.cohorts[0].attend(index, query, key, value, scaling, softcap)
        sizes = [len(cohort) for cohort in self.cohorts]
        parts = zip(query.split(sizes), key.split(sizes), value.split(sizes), strict=True)
        return torch.cat(
            [
                cohort.attend(index, *part, scaling, softcap)
                for cohort, part in zip(self.cohorts, parts, strict=True)
            ]
        )

    def keep(self, rows: Tensor) -> None:
        """Only the rows of an ascending long tensor stay."""
        start, cohorts = 0, []
        for cohort in self.cohorts:
            mine = rows[(rows >= start) & (rows < start + len(cohort))] - start
            start += len(cohort)
            if len(mine):
                cohort.keep(mine)
                cohorts.append(cohort)
        self.cohorts = cohorts


def attention(
    module: Any,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    *,
    shared_cache: SharedPrefixCache | None = None,
    scaling: float | None = None,
    softcap: float | None = None,
    **more: Any,
) -> tuple[Tensor, None]:
    """The attention function that models call by the name ``ATTENTION``.

    ``key`` and ``value`` hold only the new token. Raises `Unsupported` for anything that would
    change the result and is not computed here.
    """
    if shared_cache is None:
        raise Unsupported("it does not hand its keyword arguments to its attention")
    given = {name for name, value in more.items() if value is not None and value is not False}
    strange = sorted(given - HARMLESS)
    if strange:
        raise Unsupported(f"its attention takes {', '.join(strange)}")
    scale = query.shape[-1] ** -0.5 if scaling is None else scaling
    return shared_cache.attend(module.layer_idx, query, key, value, scale, softcap), None


AttentionInterface.register(ATTENTION, attention)


def check_replaceable(model: Any) -> None:
    """Raises `Unsupported` where the model's attention can't be replaced by another."""
    decoder = model.get_decoder()
    before = decoder.config._attn_implementation
    decoder.set_attn_implementation(ATTENTION)
    if decoder.config._attn_implementation != ATTENTION:
        raise Unsupported("its attention does not go through transformers' attention interface")
    decoder.set_attn_implementation(before)


@contextmanager
def shared_attention(model: Any) -> Iterator[None]:
    """While this lasts, the model's decoder computes attention with `attention`.

    Only the name in its configuration changes: `set_attn_implementation` walks over all modules,
    which for a small model takes a twentieth of a step.
    """
    config = model.get_decoder().config
    before = config._attn_implementation
    config._attn_implementation = {"": ATTENTION}
    try:
        yield
    finally:
        config._attn_implementation = {"": before}


def _fresh_layer(layer: Any, rows: int) -> _Layer:
    if type(layer) not in (DynamicLayer, DynamicSlidingWindowLayer) or not layer.is_initialized:
        raise Unsupported(f"one of its layers keeps a {type(layer).__name__}")
    own = (rows, layer.keys.shape[1], FIRST_BLOCK)
    return _Layer(
        layer.keys,
        layer.values,
        getattr(layer, "sliding_window", None),
        layer.keys.new_empty(*own, layer.keys.shape[3]),
        layer.values.new_empty(*own, layer.values.shape[3]),
    )


def _alike(query: Tensor, keys: Tensor, values: Tensor) -> bool:
    """What the processor's attention asks for; with autocast the types may differ."""
    return query.dtype == keys.dtype == values.dtype and keys.shape[3] == values.shape[3]


def _doubled(buffer: Tensor) -> Tensor:
    return torch.cat([buffer, torch.empty_like(buffer)], dim=2)


def _partial(
    query: Tensor,
    keys: Tensor,
    values: Tensor,
    softcap: float | None,
    hidden: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    """Attention [.., R, D] over these keys alone, and the log-sum-exp [.., R, 1] of its scores.

    ``query`` [.., R, D] is scaled; ``hidden`` bool[B, P] is True on keys that nobody sees.
    Scores are at least single precision, as in transformers' own softmax.
    """
    if softcap is None and query.device.type == "cpu" and _alike(query, keys, values):
        mask = None
        if hidden is not None:
            mask = query.new_zeros(()).masked_fill(hidden, -torch.inf)[:, None, None]
        out, total = _flash(query, keys, values, 0.0, False, attn_mask=mask, scale=1.0)
        return out, total[..., None]
    score = query @ keys.transpose(-1, -2)
    score = score.to(torch.promote_types(score.dtype, torch.float32))
    if softcap is not None:
        score = softcap * torch.tanh(score / softcap)
    if hidden is not None:
        score = score.masked_fill(hidden[:, None, None], -torch.inf)
    peak = score.amax(-1, keepdim=True)
    weight = score.sub_(peak).exp_()
    total = weight.sum(-1, keepdim=True)
    out = (weight.to(values.dtype) @ values) / total.to(values.dtype)
    return out, total.log_().add_(peak)
