"""Checkpoints that are whole or absent, whatever moment the process dies.

A checkpoint is a folder ``checkpoints/step-000020`` that appears by one rename after all it
holds is on disk. Anything with another name is the rest of an interrupted write.
"""

from __future__ import annotations

import os
import random
import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import torch

from guerdon.stages import Policy

_NAME = re.compile(r"step-(\d{6,})")


def save_checkpoint(folder: Path, step: int, state: dict[str, Any], keep: int = 2) -> Path:
    """Write ``state`` as the checkpoint after ``step`` steps; keep the newest ``keep``."""
    folder.mkdir(parents=True, exist_ok=True)
    final, part = folder / f"step-{step:06d}", folder / f"writing-{step:06d}"
    if final.exists():
        return final
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir()
    with (part / "state.pt").open("wb") as file:
        torch.save(state, file)
        file.flush()
        os.fsync(file.fileno())
    _sync_folder(part)
    part.rename(final)
    _sync_folder(folder)
    for old in _complete(folder)[:-keep] if keep > 0 else []:
        shutil.rmtree(old, ignore_errors=True)
    return final


def latest_checkpoint(folder: Path) -> Path | None:
    """The newest whole checkpoint, or None."""
    found = _complete(folder)
    return found[-1] if found else None


def load_checkpoint(path: Path) -> dict[str, Any]:
    """The state saved at ``path``. Holds tensors and plain values only: nothing is executed."""
    state: dict[str, Any] = torch.load(path / "state.pt", map_location="cpu", weights_only=True)
    return state


def trained_state(policy: Policy) -> dict[str, torch.Tensor]:
    """Trainable weights and buffers: with an adapter, the base model is read anew on resume."""
    # A tied weight has two names, and both must count as frozen.
    named = policy.module.named_parameters(remove_duplicate=False)
    frozen = {name for name, p in named if not p.requires_grad}
    return {k: v for k, v in policy.module.state_dict().items() if k not in frozen}


def seed_generators(seed: int) -> None:
    """Seed the global generators, for users' parts that draw from them."""
    torch.manual_seed(seed)
    random.seed(seed)
    np.random.seed(seed % 2**32)  # noqa: NPY002


def generator_states() -> dict[str, Any]:
    """The global generators' states, as plain values: ours are counter-based, users' may not be."""
    legacy: Any = np.random.get_state(legacy=True)  # noqa: NPY002
    name, keys, position, has_gauss, cached = legacy
    return {
        "torch": torch.get_rng_state(),
        "python": random.getstate(),
        "numpy": (name, torch.from_numpy(keys.astype(np.int64)), position, has_gauss, cached),
    }


def restore_generators(state: dict[str, Any]) -> None:
    """The inverse of `generator_states`."""
    torch.set_rng_state(state["torch"])
    random.setstate(_tuples(state["python"]))
    name, keys, position, has_gauss, cached = state["numpy"]
    keys = keys.numpy().astype(np.uint32)
    np.random.set_state((name, keys, position, has_gauss, cached))  # noqa: NPY002


def _tuples(value: Any) -> Any:
    return tuple(_tuples(v) for v in value) if isinstance(value, list | tuple) else value


def _complete(folder: Path) -> list[Path]:
    if not folder.is_dir():
        return []
    steps = [(int(m[1]), p) for p in folder.iterdir() if (m := _NAME.fullmatch(p.name))]
    return [p for _, p in sorted(steps)]


def _sync_folder(folder: Path) -> None:
    """Make a rename inside ``folder`` survive a power cut (a no-op where unsupported)."""
    try:
        handle = os.open(folder, os.O_RDONLY)
    except OSError:
        return
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
