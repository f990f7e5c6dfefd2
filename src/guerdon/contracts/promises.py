"""How a broken promise is told, and what parts of several stages promise alike."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor

from guerdon.parts import PartError, describe, rebuild
from guerdon.records import Rollouts


def promise(kept: bool | Tensor, part: Any, broken: str) -> None:
    """Raises AssertionError that names the part, and says what broke, unless ``kept``."""
    if not kept:
        raise AssertionError(f"{called(part)}: {broken}")


@contextmanager
def calling(part: Any, on: str) -> Iterator[None]:
    """AssertionError that names the part, and what it was called ``on``, where it raises."""
    try:
        yield
    except AssertionError:
        raise
    except Exception as error:
        told = f"it raises {type(error).__name__} ({error}) on {on}"
        raise AssertionError(f"{called(part)}: {told}") from error


def called(part: Any) -> str:
    """What a part is called where something is told of it."""
    named = getattr(part, "function", part)  # a reward that is a function of somebody's
    return str(getattr(named, "__name__", type(part).__name__))


def same(one: Tensor, other: Tensor, tolerance: float = 0.0) -> bool:
    """Whether two tensors agree, NaN with NaN; ``tolerance`` is absolute and relative."""
    return one.shape == other.shape and torch.allclose(
        one.double(), other.double(), rtol=tolerance, atol=tolerance, equal_nan=True
    )


def first_difference(one: Tensor, other: Tensor) -> int:
    """The first row in which two tensors with N rows differ; 0 where it is their shape."""
    if one.shape != other.shape:
        return 0
    rows = (one.nan_to_num(nan=-9e9) != other.nan_to_num(nan=-9e9)).reshape(len(one), -1).any(1)
    return int(rows.int().argmax())


def check_written_and_read_back(part: Any) -> None:
    """A dataclass with settings goes to a recipe's file and comes back as it was."""
    if not dataclasses.is_dataclass(part):
        return
    try:
        again = rebuild(describe(part))
    except PartError as error:
        raise AssertionError(
            f"{called(part)}: it can't be written to a recipe's file: {error}"
        ) from error
    promise(again == part, part, f"written to a recipe's file and read back it is {again!r:.200}")


def mixed_order(rows: int) -> Tensor:
    """long[N], every row once, in another order."""
    return torch.randperm(rows, generator=torch.Generator().manual_seed(0))


def no_rows(rollouts: Rollouts) -> Rollouts:
    """None of the rows."""
    return rollouts.select(torch.tensor([], dtype=torch.long))


def shown(texts: Sequence[str], row: int) -> str:
    """A row with the beginning of its text, for a sentence."""
    return f"row {row} ({texts[row][:60]!r})" if row < len(texts) else f"row {row}"
