"""Which type things are computed in."""

from __future__ import annotations

import os

import torch


def is_mixed(precision: str) -> bool:
    """Whether to compute in bfloat16. Raises ValueError for what the loop can't train in."""
    asked = precision
    if precision == "auto":
        precision = os.environ.get("ACCELERATE_MIXED_PRECISION", "no")
    if precision not in ("no", "bf16"):
        raise ValueError(
            f"model.mixed_precision is {asked!r}, which stands for {precision!r}; use 'bf16' or "
            "'no' (fp16 and fp8 need their losses scaled, which is not done here)"
        )
    return precision == "bf16"


def computed_in(dtype: torch.dtype, device: torch.device) -> torch.dtype:
    """The type that products of tensors of this type have: autocast's, where that is on."""
    if torch.is_autocast_enabled(device.type) and dtype != torch.float64:
        return torch.get_autocast_dtype(device.type)
    return dtype
