"""Which type things are held and computed in, and where."""

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


def dtype_named(name: str) -> torch.dtype:
    """Torch's floating-point type of that name. Raises ValueError if there is none."""
    found = getattr(torch, name, None)
    if not isinstance(found, torch.dtype) or not found.is_floating_point:
        raise ValueError(f"model.dtype is {name!r}; use float32, bfloat16 or float16")
    return found


def device_named(name: str) -> torch.device:
    """The device of that name, or accelerate's choice. Raises ValueError if there is none."""
    if name == "auto":
        from accelerate import PartialState

        found: torch.device = PartialState().device
        # Samples are drawn in float64, which Apple's accelerator lacks.
        return torch.device("cpu") if found.type == "mps" else found
    try:
        return torch.empty(0, device=name).device
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0]
        raise ValueError(f"model.device is {name!r}: {reason}; use 'auto' or 'cpu'") from error
