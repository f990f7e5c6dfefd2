"""Rows that a model continues one token at a time: the prompt's cache shared, or copied."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any, Protocol
from weakref import WeakKeyDictionary

import torch
from torch import Tensor
from torch.nn.functional import pad as pad_tensor
from transformers import DynamicCache

from guerdon.models.image_inputs import Inputs, joined, positions_of
from guerdon.models.last_layer import reading
from guerdon.models.shared_cache import (
    Cohort,
    SharedPrefixCache,
    Unsupported,
    check_replaceable,
    shared_attention,
)


class RowEngine(Protocol):
    """Rows in a fixed order, each with a context and the tokens it was given so far.

    ``refills``: whether rows may be admitted beside others that already run.
    """

    refills: bool

    def admit(
        self, contexts: Sequence[Tensor], group: Tensor, inputs: Sequence[Inputs] | None = None
    ) -> Tensor:
        """Adds a row for each entry of ``group`` long[n] (ascending, naming its context).

        Every context is computed once, with its images (``inputs``, None where there are
        none). Returns the new rows' logits [n, V].
        """
        ...

    def step(self, token: Tensor) -> Tensor:
        """Every row takes its token, long[N]; the logits [N, V] that follow."""
        ...

    def keep(self, rows: Tensor) -> None:
        """Only the rows of an ascending long tensor stay."""
        ...


class SharedRows:
    """One cache entry per context, whatever the number of rows (see `shared_cache`)."""

    refills = True

    def __init__(self, model: Any, pad: int) -> None:
        self.model, self.pad = model, pad
        self.cache = SharedPrefixCache()
        self.position = torch.zeros(0, dtype=torch.long, device=model.device)
        # Handed on by the model as it is, and not read: the cache knows what each row sees.
        self.no_mask = torch.ones(1, 1, 1, 1, dtype=torch.bool, device=model.device)

    def admit(
        self, contexts: Sequence[Tensor], group: Tensor, inputs: Sequence[Inputs] | None = None
    ) -> Tensor:
        logits, prefilled, attend, after = _prefill(self.model, contexts, inputs, self.pad)
        self.cache.cohorts.append(Cohort(prefilled, group, attend == 0))
        self.position = torch.cat([self.position, after[group]])
        return logits[group]

    def step(self, token: Tensor) -> Tensor:
        with shared_attention(self.model):
            logits: Tensor = self.model(
                input_ids=token[:, None],
                attention_mask=self.no_mask,
                position_ids=self.position[:, None],
                past_key_values=self.cache,
                use_cache=True,
                shared_cache=self.cache,
            ).logits[:, -1]
        self.position = self.position + 1
        for cohort in self.cache.cohorts:
            cohort.written += 1
        return logits

    def keep(self, rows: Tensor) -> None:
        self.cache.keep(rows)
        self.position = self.position[rows]


class CopiedRows:
    """transformers' own cache, copied for every row: for models that can't share."""

    refills = False

    def __init__(self, model: Any, pad: int) -> None:
        self.model, self.pad = model, pad

    def admit(
        self, contexts: Sequence[Tensor], group: Tensor, inputs: Sequence[Inputs] | None = None
    ) -> Tensor:
        logits, self.cache, attend, after = _prefill(self.model, contexts, inputs, self.pad)
        self.cache.batch_select_indices(group)
        self.attend, self.position = attend[group], after[group]
        return logits[group]

    def step(self, token: Tensor) -> Tensor:
        self.attend = torch.cat([self.attend, self.attend.new_ones(len(token), 1)], dim=1)
        logits: Tensor = self.model(
            input_ids=token[:, None],
            attention_mask=self.attend,
            position_ids=self.position[:, None],
            past_key_values=self.cache,
            use_cache=True,
        ).logits[:, -1]
        self.position = self.position + 1
        return logits

    def keep(self, rows: Tensor) -> None:
        self.cache.batch_select_indices(rows)
        self.attend, self.position = self.attend[rows], self.position[rows]


_SHARES: WeakKeyDictionary[Any, bool] = WeakKeyDictionary()


def row_engine(model: Any, pad: int) -> RowEngine:
    """Shared rows where the model can, otherwise copied ones with a warning, once per model."""
    if model not in _SHARES:
        reason = _why_not(model, pad)
        _SHARES[model] = reason is None
        if reason is not None:
            warnings.warn(
                f"{type(model).__name__} is sampled with the prompt's cache copied for every "
                f"completion, which is slower: {reason}",
                stacklevel=2,
            )
    return SharedRows(model, pad) if _SHARES[model] else CopiedRows(model, pad)


def _why_not(model: Any, pad: int) -> str | None:
    """What keeps the model from shared rows, found by trying; None where they agree."""
    if getattr(model.config.get_text_config(), "attention_chunk_size", None) is not None:
        return "its layers see chunks, which no cache tells apart from windows"
    contexts = [torch.tensor([1, 2, 1]), torch.tensor([2])]
    group = torch.tensor([0, 0, 1], device=model.device)
    tokens = torch.tensor([[1, 2, 1], [2, 2, 1]], device=model.device)
    made = []
    try:
        check_replaceable(model)
        for kind in (SharedRows, CopiedRows):
            engine = kind(model, pad)
            engine.admit(contexts, group)
            made.append(torch.stack([engine.step(token) for token in tokens]).detach())
    except Unsupported as error:
        return str(error)
    shared, copied = made
    tolerance = max(torch.finfo(copied.dtype).eps ** 0.5, 1e-5) * float(copied.abs().max())
    off = float((shared - copied).abs().max())
    return None if off <= tolerance else f"its logits would be off by {off:.2g}"


def _prefill(
    model: Any, contexts: Sequence[Tensor], inputs: Sequence[Inputs] | None, pad: int
) -> tuple[Tensor, DynamicCache, Tensor, Tensor]:
    """Of left-padded contexts: last logits [B, V], cache, attention mask long[B, P], and long[B],
    the positions of what comes next."""
    width = max(len(c) for c in contexts)
    table = torch.full((len(contexts), width), pad, dtype=torch.long)
    attend = torch.zeros(len(contexts), width, dtype=torch.long)
    for row, context in enumerate(contexts):
        table[row, width - len(context) :] = context
        attend[row, width - len(context) :] = 1
    attend = attend.to(model.device)
    position = (attend.cumsum(1) - 1).clamp_min(0)
    after = attend.sum(1)
    more: Inputs = {}
    if inputs is not None:
        found = [
            positions_of(model, c.to(model.device), i)
            for c, i in zip(contexts, inputs, strict=True)
        ]
        position = torch.stack([pad_tensor(p, (width - p.shape[1], 0)) for p in found], dim=1)
        position = position if len(position) > 1 else position[0]
        after = torch.stack([p.max() + 1 for p in found])
        more = joined(inputs, width, True, model.device)
    cache = DynamicCache(config=model.config)
    with reading(model.get_decoder(), torch.tensor([width - 1], device=model.device)):
        out = model(
            input_ids=table.to(model.device),
            attention_mask=attend,
            position_ids=position,
            past_key_values=cache,
            use_cache=True,
            logits_to_keep=1,
            **more,
        )
    return out.logits[:, -1], cache, attend, after
