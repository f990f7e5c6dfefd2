"""Random numbers that belong to a row, not to the batch it happens to share."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor


def row_key(*names: object) -> int:
    """A stable 64-bit key of names and numbers (Python's own hash changes between runs)."""
    digest = hashlib.blake2b(repr(names).encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big")


def uniforms(seed: int, keys: Sequence[int], count: int) -> Tensor:
    """float64[len(keys), count] in [0, 1): row i depends on ``seed`` and ``keys[i]`` alone."""
    table = np.empty((len(keys), count))
    for row, key in enumerate(keys):
        generator = np.random.Generator(np.random.Philox(key=[seed % 2**64, key]))
        generator.random(out=table[row])
    return torch.from_numpy(table)


def normals(seed: int, keys: Sequence[int], count: int) -> Tensor:
    """float64[len(keys), count] of the standard normal; each row depends on the same alone."""
    # Uniforms are multiples of 2^-53 below 1; from the middle of each cell none is infinite.
    drawn: Tensor = torch.special.ndtri(uniforms(seed, keys, count) + 2.0**-54)
    return drawn


def mixed(*numbers: int) -> int:
    """One 63-bit seed of several small numbers; distinct inputs give distinct streams."""
    seed = 0x9E3779B97F4A7C15
    for number in numbers:
        seed = ((seed ^ number) * 0xBF58476D1CE4E5B9 + 0x94D049BB133111EB) % (1 << 64)
        seed ^= seed >> 31
    return seed % (1 << 63)
