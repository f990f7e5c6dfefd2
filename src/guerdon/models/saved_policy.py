"""Policies that are no language model, on disk: ``policy.json`` says what it is, beside weights.

``made_by`` in it is the part that makes such a policy, as a recipe's file has it (None for one that
a program made by hand); what else stands there, its kind knows. No pickle, and nothing is run.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Hashable, Mapping
from dataclasses import dataclass, fields, is_dataclass, replace
from numbers import Integral, Real
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from guerdon.models.sources import POLICY, ModelError, loading
from guerdon.parsing.strict_json import strict_json
from guerdon.parts import PartError, build
from guerdon.sealed import refuse_damaged

WEIGHTS = "policy.safetensors"


@dataclass(frozen=True)
class SavedPolicy:
    """What a folder holds: the part that makes it, as data, its kind's facts and its weights."""

    folder: Path
    made_by: Mapping[str, Any] | None
    facts: Mapping[str, Any]
    weights: Mapping[str, Tensor]

    @property
    def kind(self) -> str:
        """The class of the part that makes it, such as "Table"; "policy" of one made by hand."""
        return "policy" if self.made_by is None else str(self.made_by["part"]).rpartition(":")[2]

    def into(self, module: nn.Module, weights: Mapping[str, Tensor] | None = None) -> None:
        """Give ``module`` the saved weights, or these in their place.

        Raises ModelError where they are another's: by name or by shape.
        """
        given = self.weights if weights is None else weights
        own = {name: tuple(value.shape) for name, value in module.state_dict().items()}
        theirs = {name: tuple(value.shape) for name, value in given.items()}
        if own != theirs:
            name = min(name for name in {*own, *theirs} if own.get(name) != theirs.get(name))
            raise ModelError(
                f"{self.folder} holds another {self.kind}: its {name} is of shape "
                f"{theirs.get(name)}, and that of this policy {own.get(name)}; give the settings "
                "that it was made with"
            )
        module.load_state_dict(dict(given))


def save_policy(
    folder: Path,
    weights: Mapping[str, Tensor],
    made_by: Mapping[str, Any] | None,
    **facts: Any,
) -> None:
    """Write a policy's weights, and what it is: ``made_by`` and plain ``facts``."""
    from safetensors.torch import save_file

    folder.mkdir(parents=True, exist_ok=True)
    held = {name: value.detach().cpu().contiguous() for name, value in weights.items()}
    save_file(held, folder / WEIGHTS)
    told = json.dumps({"made_by": made_by, **facts}, indent=1, allow_nan=False)
    (folder / POLICY).write_text(told + "\n", encoding="utf-8")


def holds_policy(name: str) -> bool:
    """Whether ``name`` is a folder that `save_policy` wrote."""
    try:
        return os.path.isfile(os.path.join(os.path.expanduser(name), POLICY))
    except ValueError:  # a name that no file can have
        return False


def saved_policy(name: str, part: type | None = None) -> SavedPolicy:
    """What the folder ``name`` holds. Raises ModelError where that is no policy, or one that
    another part than ``part`` makes, and ValueError where it was changed since it was written.
    """
    from safetensors.torch import load_file

    folder = Path(os.path.expanduser(name))
    if not holds_policy(name):
        near = folder / "model"
        mend = f"give {near}" if holds_policy(str(near)) else "give the model folder of such a run"
        raise ModelError(f"{name!r:.200} holds no policy that was saved (no {POLICY}); {mend}")
    refuse_damaged(folder)
    with loading(name):
        told = strict_json((folder / POLICY).read_text(encoding="utf-8"))
        weights = load_file(folder / WEIGHTS)
    made_by = told.pop("made_by", None) if isinstance(told, dict) else told
    if not isinstance(told, dict) or not (made_by is None or _is_part(made_by)):
        raise ModelError(f"{folder / POLICY} says of no part that it made the policy")
    found = SavedPolicy(folder, made_by, told, weights)
    if part is not None and found.kind not in ("policy", part.__name__):
        raise ModelError(
            f"{name} holds a {found.kind}, not a {part.__name__}; --model {name} makes what it is"
        )
    return found


def source_in(name: str) -> Any:
    """The part that makes the policy in the folder ``name``, and begins with it.

    A folder may be anybody's: what it names is held to the rules of a recipe's file. Raises
    ModelError where it says of no part of ours, and as `saved_policy`.
    """
    made_by = saved_policy(name).made_by
    if made_by is None:
        raise ModelError(f"{name} was made by a program of its own, which alone can load it")
    try:
        source = build(made_by, "made_by")
    except PartError as error:
        raise ModelError(f"{Path(name) / POLICY}: {error}") from error
    if not is_dataclass(source) or "name" not in {field.name for field in fields(source)}:
        raise ModelError(f"{Path(name) / POLICY}: {made_by['part']} is no part that makes a policy")
    named: Any = source
    return replace(named, name=name)


def _is_part(made_by: Any) -> bool:
    return isinstance(made_by, dict) and isinstance(made_by.get("part"), str)


def written_key(key: Hashable) -> Any:
    """A state's key for JSON, its tuples as lists. Raises TypeError for what has no plain form."""
    if isinstance(key, tuple):
        return [written_key(one) for one in key]
    if key is None or isinstance(key, bool | str):
        return key
    if isinstance(key, Integral):
        return int(key)
    if isinstance(key, Real) and math.isfinite(key):
        return float(key)
    raise TypeError(f"{key!r:.200} is no plain value")


def read_key(written: Any) -> Hashable:
    """The inverse of `written_key`."""
    return tuple(map(read_key, written)) if isinstance(written, list) else written
