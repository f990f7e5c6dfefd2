"""What the last layer makes of a token that nobody reads is not computed.

Of a prompt, a later layer needs every token's state and the head only the last one's, so in the
last layer all tokens have keys and values but few need what follows their attention.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from torch import Tensor, nn


@contextmanager
def reading(decoder: Any, at: Tensor) -> Iterator[None]:
    """While inside, the last layer's feed-forward part is computed at columns ``at`` alone.

    ``at`` long[K] indexes the second dimension of hidden states [n, S, H], of which the other
    columns are meaningless afterwards. Models whose layers have no ``mlp`` are left as they are,
    and so are those that compute layers again in the backward pass, which comes after this.
    """
    layers = getattr(decoder, "layers", None) or getattr(decoder, "h", None)
    layer = layers[-1] if layers else None
    part = getattr(layer, "mlp", None)
    again = getattr(layer, "gradient_checkpointing", False) and decoder.training
    if not isinstance(part, nn.Module) or again:
        yield
        return
    columns = 0

    def narrow(_: nn.Module, given: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        nonlocal columns
        columns = given[0].shape[1]
        return given[0].index_select(1, at), *given[1:]

    def widen(_: nn.Module, __: Any, made: Any) -> Any:
        if not isinstance(made, Tensor):  # experts return their routing beside it
            return _spread(made[0], at, columns), *made[1:]
        return _spread(made, at, columns)

    hooks = [part.register_forward_pre_hook(narrow), part.register_forward_hook(widen)]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


def _spread(made: Tensor, at: Tensor, columns: int) -> Tensor:
    return made.new_zeros(len(made), columns, *made.shape[2:]).index_copy(1, at, made)
