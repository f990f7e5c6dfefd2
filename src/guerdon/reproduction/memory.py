"""What a forward pass holds for its backward pass."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn


def kept_bytes(module: nn.Module, compute: Callable[[], Any]) -> int:
    """Bytes that ``compute()`` keeps for the backward pass, the module's weights left out."""
    weights = {p.untyped_storage().data_ptr() for p in module.parameters()}
    kept: dict[int, Tensor] = {}  # holding them keeps their addresses from being used again

    def note(tensor: Tensor) -> Tensor:
        kept[tensor.untyped_storage().data_ptr()] = tensor
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor):
        result = compute()
    del result
    return sum(t.untyped_storage().nbytes() for at, t in kept.items() if at not in weights)
