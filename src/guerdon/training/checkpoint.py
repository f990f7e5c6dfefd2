"""Checkpoints that are whole or absent, whatever moment the process dies, and checked when read.

A checkpoint is a folder ``checkpoints/step-000020`` that appears by one rename after all it
holds, and the digests of it, is on disk. Anything with another name is the rest of an interrupted
write, or was found damaged.
"""

from __future__ import annotations

import random
import re
import shutil
import zipfile
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import torch

from guerdon.sealed import SUMS, fault, seal, sync_folder
from guerdon.training.disk import remove_folder, whole_file, writing_to
from guerdon.training.optimisers import Trainable

STATE = "state.pt"

_NAME = re.compile(r"step-(\d{6,})")


class CheckpointError(ValueError):
    """A checkpoint is not as it was written; the message says what is wrong with it."""


def save_checkpoint(
    folder: Path,
    step: int,
    state: dict[str, Any],
    keep: int = 2,
    recipe: Path | None = None,
    *,
    again: bool = False,
) -> Path:
    """Write ``state`` as the checkpoint after ``step`` steps; keep the newest ``keep``.

    A copy of the file ``recipe`` goes with it, for the day when that one is damaged. One of this
    step that is whole stays, unless it is written ``again``. While this writes there are ``keep``
    and one more. Raises `DiskError`: the older checkpoints are then as they were.
    """
    final, part = folder / f"step-{step:06d}", folder / f"writing-{step:06d}"
    with writing_to(final, _bytes(state)):
        folder.mkdir(exist_ok=True)
        if final.exists() and not again:
            if fault(final) is None:
                return final
            set_aside(final)
        shutil.rmtree(part, ignore_errors=True)
        try:
            part.mkdir()
            with whole_file(part / STATE, _bytes(state)) as file:
                torch.save({**state, "sealed": True}, file)
            if recipe is not None:
                shutil.copyfile(recipe, part / recipe.name)
            seal(part)
            remove_folder(final)
            part.rename(final)
        except BaseException:
            shutil.rmtree(part, ignore_errors=True)
            raise
        sync_folder(folder)
    for old in _named(folder)[:-keep] if keep > 0 else []:
        with suppress(OSError):  # what could not be removed is tried again next time
            remove_folder(old)
    return final


def latest_checkpoint(folder: Path) -> Path | None:
    """The newest whole checkpoint, or None."""
    found = [path for path in _named(folder) if fault(path) is None]
    return found[-1] if found else None


def load_newest(
    folder: Path, say: Callable[[str], None], *, aside: bool = True
) -> dict[str, Any] | None:
    """The state of the newest checkpoint that is as it was written; None where there is none yet.

    ``say`` is told which ones are damaged and why, a line each, and of one of an older version,
    which has no digests to check. With ``aside`` damaged ones get another name (of several
    processes the first does that). Raises `CheckpointError` where all are damaged.
    """
    damaged: list[tuple[Path, str]] = []
    for path in reversed(_named(folder)):
        try:
            state, unchecked = _read(path)
        except CheckpointError as error:
            damaged.append((path, str(error)))
            continue
        for lost, why in damaged:
            if aside:
                set_aside(lost)
            say(f"checkpoint {lost.name} is damaged ({why}): going on from {path.name}")
        if unchecked:
            say(f"checkpoint {path.name} is of an older version: it has no digests to check")
        return state
    if damaged:
        told = "; ".join(f"{path.name}: {why}" for path, why in damaged)
        raise CheckpointError(
            f"no checkpoint in {folder} is whole ({told}); put one back from a copy, or delete "
            f"{folder}: the run then begins again and comes out the same"
        )
    return None


def load_checkpoint(path: Path) -> dict[str, Any]:
    """The state saved at ``path``. Holds tensors and plain values only: nothing is executed.

    Raises `CheckpointError` where it is not as it was written.
    """
    return _read(path)[0]


def set_aside(path: Path) -> None:
    """Give a damaged checkpoint a name that counts for nothing; it is kept for whoever asks why."""
    aside = path.with_name(f"damaged-{path.name}")
    with writing_to(aside):
        shutil.rmtree(aside, ignore_errors=True)
        path.rename(aside)


def _read(path: Path) -> tuple[dict[str, Any], bool]:
    """A checkpoint's state, and whether nothing says if it is what was written."""
    wrong = fault(path)
    unsealed = not (path / SUMS).exists()
    if wrong is not None and not unsealed:
        raise CheckpointError(wrong)
    file = path / STATE
    try:
        if unsealed:  # torch does not look at the sums that its own format carries
            with zipfile.ZipFile(file) as archive:
                if bad := archive.testzip():
                    raise CheckpointError(f"{bad!r} in {STATE!r} is not what was written")
        state: dict[str, Any] = torch.load(file, map_location="cpu", weights_only=True)
    except CheckpointError:
        raise
    except Exception as error:  # of a damaged file torch raises anything
        reason = str(error).strip().splitlines() or [type(error).__name__]
        raise CheckpointError(f"{STATE!r} can't be read: {reason[0]}") from error
    if unsealed and state.get("sealed"):
        raise CheckpointError(str(wrong))
    return state, unsealed


def _bytes(value: Any) -> int:
    """About how much room a state takes."""
    if isinstance(value, torch.Tensor):
        return value.nbytes
    if isinstance(value, Mapping):
        return sum(map(_bytes, value.values()))
    return sum(map(_bytes, value)) if isinstance(value, list | tuple) else 8


def trained_state(model: Trainable) -> dict[str, torch.Tensor]:
    """Trainable weights and buffers: with an adapter, the base model is read anew on resume."""
    # A tied weight has two names, and both must count as frozen.
    named = model.module.named_parameters(remove_duplicate=False)
    frozen = {name for name, p in named if not p.requires_grad}
    return {k: v for k, v in model.module.state_dict().items() if k not in frozen}


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


def _named(folder: Path) -> list[Path]:
    """Folders that have the name of a whole checkpoint, oldest first."""
    if not folder.is_dir():
        return []
    steps = [(int(m[1]), p) for p in folder.iterdir() if (m := _NAME.fullmatch(p.name))]
    return [p for _, p in sorted(steps)]
