"""Parts as data: any composition of frozen dataclasses and functions to plain YAML and back.

A dataclass becomes ``{part: "module:Class", field: value, ...}``; a function becomes
``{function: "module:name"}`` or, for one from a user's file, ``{function: "/path/file.py:name"}``.
"""

from __future__ import annotations

import dataclasses
import importlib
import importlib.util
import sys
import traceback
import types
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from guerdon.ranges import RangeError


class PartError(ValueError):
    """A part can't be described or rebuilt; the message names the place and the mend."""


def describe(value: Any, where: str = "recipe") -> Any:
    """``value`` as dicts, lists, strings and numbers. Raises PartError naming the field."""
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        body = {
            f.name: describe(getattr(value, f.name), f"{where}.{f.name}")
            for f in dataclasses.fields(value)
            if f.init
        }
        if "part" in body:
            raise PartError(
                f"{where}: {type(value).__name__} has a setting named 'part', which in a "
                "recipe file says what a part is; give the setting another name"
            )
        return {"part": name_of(type(value)), **body}
    if isinstance(value, types.FunctionType):
        return {"function": name_of(value)}
    if isinstance(value, tuple | list):
        return [describe(v, f"{where}[{i}]") for i, v in enumerate(value)]
    if isinstance(value, Mapping):
        return {str(k): describe(v, f"{where}.{k}") for k, v in value.items()}
    raise PartError(
        f"{where} holds a {type(value).__name__}, which can't be written to a recipe file; "
        "use a dataclass with fields of plain values"
    )


def build(data: Any, where: str = "recipe") -> Any:
    """The inverse of `describe`. Raises PartError naming the field and the mend."""
    if isinstance(data, list):
        return tuple(build(v, f"{where}[{i}]") for i, v in enumerate(data))
    if not isinstance(data, Mapping):
        return data
    if "function" in data and "part" not in data:
        return locate(str(data["function"]), where)
    body = {k: build(v, f"{where}.{k}") for k, v in data.items() if k != "part"}
    if "part" not in data:
        return body
    kind = locate(str(data["part"]), where)
    if not (isinstance(kind, type) and dataclasses.is_dataclass(kind)):
        raise PartError(f"{where}: {data['part']} is not a dataclass")
    known = [f.name for f in dataclasses.fields(kind) if f.init]
    for name in body:
        if name not in known:
            raise PartError(
                f"{where}: {kind.__name__} has no setting {name!r}; it has {', '.join(known)}"
            )
    try:
        return kind(**body)
    except RangeError as error:
        inside = error.place.removeprefix(f"{kind.__name__}.")
        raise PartError(f"{where}.{inside} is {error.told}") from error
    except (TypeError, ValueError) as error:
        raise PartError(f"{where}: {error}") from error


@runtime_checkable
class Memory(Protocol):
    """What changes as a run proceeds, and must be saved and taken up with it."""

    def state_dict(self) -> dict[str, Any]: ...

    def load_state_dict(self, state: Mapping[str, Any]) -> None: ...


def memories(value: Any, where: str = "recipe") -> dict[str, Memory]:
    """All that has memory in a composition, by its place, such as ``recipe.reward.rewards.a``.

    It looks where `describe` does: in fields of dataclasses, in mappings and in sequences. So a
    part made of other parts need not pass their memory on.
    """
    found = {where: value} if isinstance(value, Memory) and not isinstance(value, type) else {}
    inside: dict[str, Any] = {}
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        names = [f.name for f in dataclasses.fields(value) if f.init]
        inside = {f"{where}.{name}": getattr(value, name) for name in names}
    elif isinstance(value, tuple | list):
        inside = {f"{where}[{i}]": v for i, v in enumerate(value)}
    elif isinstance(value, Mapping):
        inside = {f"{where}.{k}": v for k, v in value.items()}
    for place, part in inside.items():
        found |= memories(part, place)
    return found


def name_of(thing: Any) -> str:
    """The import path of a class or function, ``module:qualified.name``."""
    if "<locals>" in thing.__qualname__ or "<lambda>" in thing.__qualname__:
        raise PartError(
            f"{thing.__qualname__} is local and can't be found again by name; "
            "move it to the top level of its module"
        )
    file = getattr(sys.modules.get(thing.__module__), "__guerdon_file__", None)
    return f"{file or thing.__module__}:{thing.__qualname__}"


def locate(path: str, where: str = "recipe") -> Any:
    """The object named ``module:name`` or ``file.py:name``."""
    module_name, _, name = path.rpartition(":")
    if not module_name:
        raise PartError(f"{where}: {path!r} should read module:name or file.py:name")
    module = _module_of(module_name, where)
    found: Any = module
    for step in name.split("."):
        if not hasattr(found, step):
            raise PartError(f"{where}: {module_name} has no {name!r}")
        found = getattr(found, step)
    return found


def _module_of(name: str, where: str) -> types.ModuleType:
    if not name.endswith(".py"):
        try:
            return importlib.import_module(name)
        except ModuleNotFoundError as error:
            raise PartError(f"{where}: can't import {name!r} ({error})") from error
    path = Path(name).expanduser().resolve()
    if not path.is_file():
        raise PartError(f"{where}: there is no file {path}")
    key = f"guerdon_user_file_{path.stem}_{abs(hash(str(path)))}"
    if key not in sys.modules:
        spec = importlib.util.spec_from_file_location(key, path)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        module.__guerdon_file__ = str(path)  # type: ignore[attr-defined]
        sys.modules[key] = module
        try:
            spec.loader.exec_module(module)
        except Exception as error:
            del sys.modules[key]
            raise PartError(f"{where}: {_failed(path, error)}") from error
        except BaseException:
            del sys.modules[key]
            raise
    return sys.modules[key]


def _failed(path: Path, error: Exception) -> str:
    """What went wrong in running a user's file, and in which of its lines."""
    steps = traceback.extract_tb(error.__traceback__)
    lines = [step.lineno for step in steps if step.filename == str(path)]
    if isinstance(error, SyntaxError) and error.filename == str(path):
        lines.append(error.lineno)
    at = f", line {lines[-1]}" if lines else ""
    return f"{path}{at} can't be run: {type(error).__name__}: {error}"
