"""Attention over a packed row: prompts see themselves, completions their prompt and themselves.

The row is never attended to as a whole: prompts are one batch and completions another. What a
token may see is asked of the model's own mask function at true positions, so sliding windows
and chunks hold across the joint. Prefix Grouper (2506.05433) describes the decomposition.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from torch import Tensor, nn
from transformers import AttentionInterface, AttentionMaskInterface
from transformers.integrations.sdpa_attention import sdpa_attention_forward

from guerdon.models.flex_attention import flex_attend, row_blocks
from guerdon.models.packing import Packed
from guerdon.models.precision import computed_in
from guerdon.models.prompt_attention import PromptAttention

NAME = "shared_prefix_"
"""Our attention's name in transformers is this and the name of the one it stands in for."""

Attention = Callable[..., tuple[Tensor, Any]]


class CannotShareError(RuntimeError):
    """This model's attention can't be taken apart into prompts and completions."""


@dataclass
class Pass:
    """One pass of a model of so many layers over a packed row; ``calls`` counts its attentions.

    With ``images`` the model's mask function may tell groups apart, which stand in its rows.
    ``flex``: whether FlexAttention computes it.
    """

    packed: Packed
    layers: int
    images: bool = False
    flex: bool = False
    calls: int = 0


_current: ContextVar[Pass | None] = ContextVar("guerdon_shared_prefix", default=None)


@contextmanager
def sharing(
    packed: Packed, layers: int, images: bool = False, flex: bool = False
) -> Iterator[Pass]:
    """While inside, masks that models ask for are `SharedMask`s of this row."""
    token = _current.set(Pass(packed, layers, images, flex))
    try:
        yield _current.get()  # type: ignore[misc]  # it was set a line above
    finally:
        _current.reset(token)


@dataclass(frozen=True, eq=False)
class SharedMask:
    """What layers are given in place of a mask, and hand on to our attention.

    ``allows`` is the model's mask function, (batch, head, query, key) indices to bool, or None
    for plainly causal. Masks are added to scores, in ``dtype``.
    """

    run: Pass
    allows: Callable[..., Tensor] | None
    dtype: torch.dtype

    @property
    def packed(self) -> Packed:
        return self.run.packed

    @cached_property
    def in_prompts(self) -> Tensor:
        """[1, 1, P, P], or [B, 1, P, P] with images.

        Padding is at the end, where a causal mask hides it; it is part of no image.
        """
        return self._added(self._seen(self._prompt, self._prompt, self._groups))

    @cached_property
    def at_ends(self) -> Tensor | None:
        """[B, 1, 1, P] from a prompt's last token to the prompt, or None where it sees all."""
        ends = self.packed.positions[0, self.packed.ends][:, None]
        seen = self._seen(ends, self._prompt, self._groups) & self._prompt_real
        return None if bool(seen.all()) else self._added(seen)

    @cached_property
    def in_responses(self) -> Tensor | None:
        """[N, 1, R, R], or None where it is plainly causal."""
        if self.allows is None:
            return None
        seen = self._seen(self._responses, self._responses, self.packed.group)
        return None if bool((seen == torch.ones_like(seen).tril()).all()) else self._added(seen)

    @cached_property
    def to_prompts(self) -> Tensor | None:
        """[B, 1, Q or 1, P] from a group's joined completions, or None where all is seen."""
        if self.allows is None:
            return None if self.packed.prompts.slot is None else self._added(self._prompt_real)
        tails = self.packed.tails.pad(self.packed.positions[0, self.packed.prompt_tokens :])
        seen = self._seen(tails, self._prompt, self._groups) & self._prompt_real
        return None if bool(seen.all()) else self._added(seen)

    @cached_property
    def to_all(self) -> Tensor:
        """[N, 1, R, P + R] from a completion to its prompt and itself."""
        group = self.packed.group
        prompt = self._seen(self._responses, self._prompt, group) & self._prompt_real[group]
        own = self._seen(self._responses, self._responses, group)
        return self._added(torch.cat([prompt, own], -1))

    @cached_property
    def blocks(self) -> Any:
        """The same for FlexAttention, which takes the row as it is."""
        return row_blocks(self.packed, self.allows, self.run.images)

    @property
    def _prompt(self) -> Tensor:
        """long[1, P]."""
        return torch.arange(self.packed.prompts.width, device=self.packed.ids.device)[None]

    @property
    def _responses(self) -> Tensor:
        """long[N, R]; positions go on into the padding, so that nothing real sees it."""
        step = torch.arange(self.packed.responses.width, device=self.packed.ids.device)
        return self.packed.starts[:, None] + step

    @cached_property
    def _prompt_real(self) -> Tensor:
        """bool[B, 1, 1, P]."""
        ones = torch.ones(self.packed.prompt_tokens, dtype=torch.bool, device=self._prompt.device)
        return self.packed.prompts.pad(ones)[:, None, None]

    @property
    def _groups(self) -> Tensor:
        """long[B]."""
        return torch.arange(self.packed.prompts.count, device=self.packed.ids.device)

    def _seen(self, query: Tensor, key: Tensor, group: Tensor) -> Tensor:
        """bool[rows, 1, Q, K] for positions [rows or 1, Q] and [rows or 1, K] in groups [rows]."""
        query, key = query[:, None, :, None], key[:, None, None, :]
        if self.allows is None:
            return key <= query
        zero = torch.zeros((1, 1, 1, 1), dtype=torch.long, device=query.device)
        seen = self.allows(group.view(-1, 1, 1, 1) if self.run.images else zero, zero, query, key)
        return seen.broadcast_to(torch.broadcast_shapes(seen.shape, (key <= query).shape))

    def _added(self, seen: Tensor) -> Tensor:
        zero = torch.zeros((), dtype=self.dtype, device=seen.device)
        return zero.masked_fill(~seen, -torch.inf)


def install(config: Any) -> str:
    """Give a model our attention, which is its own one but for packed rows.

    Returns the name that the model's attention had. To be undone by setting
    ``config._attn_implementation`` to that name.
    """
    base = str(config._attn_implementation or "eager").removeprefix(NAME)
    if NAME + base not in AttentionInterface().valid_keys():
        AttentionInterface.register(NAME + base, _attention(base))
        AttentionMaskInterface.register(NAME + base, _mask(base))
    config._attn_implementation = NAME + base
    return base


def _mask(base: str) -> Callable[..., Any]:
    theirs = AttentionMaskInterface()[base]

    def mask(*args: Any, **kwargs: Any) -> Any:
        run = _current.get()
        if run is None:
            return theirs(*args, **kwargs)
        window = kwargs.get("local_size")
        longest = int(run.packed.positions.max()) + 1
        plain = kwargs.get("allow_is_causal_skip") and (window is None or longest < window)
        dtype = computed_in(kwargs["dtype"], run.packed.ids.device)
        return SharedMask(run, None if plain else kwargs["mask_function"], dtype)

    return mask


def _attention(base: str) -> Attention:
    def attention(
        module: nn.Module, query: Tensor, key: Tensor, value: Tensor, mask: Any, **kwargs: Any
    ) -> tuple[Tensor, Any]:
        theirs = _implementation(base, module)
        if not isinstance(mask, SharedMask):
            if _current.get() is not None:
                raise CannotShareError("it makes its attention masks itself")
            return theirs(module, query, key, value, mask, **kwargs)
        mask.run.calls += 1
        return _attend(theirs, module, query, key, value, mask, kwargs), None

    return attention


def _implementation(base: str, module: nn.Module) -> Attention:
    """The attention function of that name; a model's eager one stands beside its layers."""
    if base != "eager":
        return AttentionInterface()[base]  # type: ignore[no-any-return]
    function = getattr(sys.modules[type(module).__module__], "eager_attention_forward", None)
    if function is None:
        raise CannotShareError("its eager attention is not a function of its own")
    return function  # type: ignore[no-any-return]


def _attend(
    theirs: Attention,
    module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    mask: SharedMask,
    kwargs: dict[str, Any],
) -> Tensor:
    """[1, S, H, D] for [1, H, S, D]."""
    if kwargs.get("position_bias") is not None:
        raise CannotShareError("its attention adds a bias to every pair of tokens")
    packed = mask.packed
    # Rotations leave queries and keys wider than values; autocast would level them, here we do.
    query, key, value = (x.to(computed_in(x.dtype, x.device)) for x in (query, key, value))
    dense = theirs if theirs.__name__ == "eager_attention_forward" else sdpa_attention_forward
    if mask.run.flex and dense is sdpa_attention_forward and not kwargs.get("dropout"):
        return flex_attend(module, query, key, value, mask.blocks, kwargs)
    sizes = [packed.prompt_tokens, packed.tokens - packed.prompt_tokens]
    parts = [x.squeeze(0).transpose(0, 1).split(sizes) for x in (query, key, value)]
    prompt = [packed.prompts.pad(x) for x, _ in parts]  # [B, P, heads, D]
    own = [x for _, x in parts]  # [M, heads, D]
    prompt_out = _prompt_attention(dense, module, parts[0][0], prompt, mask, kwargs)
    if dense is sdpa_attention_forward and _fits(query, value, kwargs):
        own_out = PromptAttention.apply(
            *own,
            *prompt[1:],
            packed.responses,
            packed.tails,
            mask.in_responses,
            mask.to_prompts,
            kwargs.get("scaling"),
        )
    else:
        rows = [packed.responses.pad(x) for x in own]
        keys, values = (
            torch.cat([p.index_select(0, packed.group), r], dim=1)
            for p, r in zip(prompt[1:], rows[1:], strict=True)
        )
        joined = (x.transpose(1, 2) for x in (rows[0], keys, values))
        own_out = packed.responses.flatten(dense(module, *joined, mask.to_all, **kwargs)[0])
    return torch.cat([prompt_out, own_out])[None]


def _prompt_attention(
    dense: Attention,
    module: nn.Module,
    query: Tensor,
    prompt: list[Tensor],
    mask: SharedMask,
    kwargs: dict[str, Any],
) -> Tensor:
    """float[M, H, D] of the prompts' tokens: query [M, H, D], ``prompt`` padded [B, P, .., D]."""
    packed = mask.packed
    if getattr(module, "layer_idx", None) == mask.run.layers - 1:
        # Of what follows, only the prompt's last token is read.
        keys, values = (x.transpose(1, 2) for x in prompt[1:])
        at_end, _ = dense(
            module, query[packed.ends][:, :, None], keys, values, mask.at_ends, **kwargs
        )
        return at_end.new_zeros(len(query), *at_end.shape[2:]).index_copy(
            0, packed.ends, at_end[:, 0]
        )
    causal = mask.allows is None and dense is sdpa_attention_forward
    seen = None if causal else mask.in_prompts
    made, _ = dense(module, *(x.transpose(1, 2) for x in prompt), seen, **kwargs)
    return packed.prompts.flatten(made)


def _fits(query: Tensor, value: Tensor, kwargs: dict[str, Any]) -> bool:
    """Whether the merged attention can do it: on CPU, all heads equally wide, no dropout."""
    return (
        query.device.type == "cpu"
        and query.shape[-1] == value.shape[-1]
        and not kwargs.get("dropout")
        and kwargs.get("is_causal") is not False
    )
