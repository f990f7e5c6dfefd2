"""Parts as data: any composition of frozen dataclasses and functions to plain YAML and back.

A dataclass becomes ``{part: "module:Class", field: value, ...}``; a function becomes
``{function: "module:name"}`` or, for one from a user's file, ``{function: "/path/file.py:name"}``.
What a file may name so is in `guerdon.trust`.
"""

from __future__ import annotations

import dataclasses
import importlib
import importlib.util
import sys
import traceback
import types
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stdout
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from guerdon.composition import places
from guerdon.declared import misplaced
from guerdon.older import modernised
from guerdon.ranges import RangeError
from guerdon.trust import PartError, names_in, parted, refuse_elsewhere, refuse_untrusted

__all__ = [
    "Memory",
    "PartError",
    "build",
    "describe",
    "locate",
    "memories",
    "name_of",
    "rebuild",
]


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


def build(data: Any, where: str = "recipe", trust: Sequence[str] = ()) -> Any:
    """The inverse of `describe`, for data that anybody may have written.

    It makes this package's own parts and what ``trust`` names: files (``mine.py``) and modules
    (with those below them). Nothing is imported before all names in ``data`` are found to be
    allowed. Raises PartError naming the field and the mend.
    """
    for _ in names_in(data, where):
        pass  # refuses what is nested too deep, before anything walks through it
    today = modernised(data)
    refuse_untrusted(today, where, trust)
    return _built(today, where, own=False)


def rebuild(data: Any, where: str = "recipe") -> Any:
    """`build` of what this very program has described: whatever it names is trusted."""
    return _built(data, where, own=True)


def _built(data: Any, where: str, own: bool) -> Any:
    if isinstance(data, list | tuple):
        return tuple(_built(v, f"{where}[{i}]", own) for i, v in enumerate(data))
    if not isinstance(data, Mapping):
        return data
    if "function" in data and "part" not in data:
        return _function(data, where, own)
    body = {k: _built(v, f"{where}.{k}", own) for k, v in data.items() if k != "part"}
    if "part" not in data:
        return body
    kind = _found(data["part"], where, own)
    if not (isinstance(kind, type) and dataclasses.is_dataclass(kind)):
        raise PartError(f"{where}: {data['part']} is not a dataclass")
    known = [f.name for f in dataclasses.fields(kind) if f.init]
    for name in body:
        if name not in known:
            raise PartError(
                f"{where}: {kind.__name__} has no setting {name!r}; it has {', '.join(known)}"
            )
    wrong = None if own else misplaced(kind, body)
    try:
        made = kind(**body)
        if wrong is None:
            return made
    except PartError:
        raise
    except RangeError as error:  # it says more than a type does
        inside = error.place.removeprefix(f"{kind.__name__}.")
        raise PartError(f"{where}.{inside} is {error.told}") from error
    except Exception as error:
        if wrong is None:
            told = error if isinstance(error, ValueError) else f"{kind.__name__}: {error}"
            raise PartError(f"{where}: {told}") from error
    assert wrong is not None
    name, fitting = wrong
    raise PartError(f"{where}.{name} is {_told(body[name])}; {fitting} belongs there")


def _told(value: Any) -> str:
    plain = value is None or isinstance(value, bool | int | float | str | tuple | dict)
    return f"{value!r:.60}" if plain else f"a {type(value).__name__}"


def _function(data: Mapping[str, Any], where: str, own: bool) -> Any:
    if len(data) > 1:
        more = ", ".join(repr(k) for k in data if k != "function")
        raise PartError(f"{where}: a function has no settings, but {more} stand beside it")
    found = _found(data["function"], where, own)
    if not callable(found) or isinstance(found, type):
        raise PartError(f"{where}: {data['function']} is not a function")
    return found


def _found(name: str, where: str, own: bool) -> Any:
    """What a description names; unless it is our ``own`` one, defined where it is looked for."""
    found = locate(name, where)
    if not own:
        module, inside = parted(name, where)
        refuse_elsewhere(found, _module_of(module, where), inside, where)
    return found


@runtime_checkable
class Memory(Protocol):
    """What changes as a run proceeds, and must be saved and taken up with it."""

    def state_dict(self) -> dict[str, Any]: ...

    def load_state_dict(self, state: Mapping[str, Any]) -> None: ...


def memories(value: Any, where: str = "recipe") -> dict[str, Memory]:
    """All that has memory in a composition, by its place, such as ``recipe.reward.rewards.a``.

    So a part made of other parts need not pass their memory on.
    """
    return {place: part for place, part in places(value, where) if isinstance(part, Memory)}


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
    """The object named ``module:name`` or ``file.py:name``. It runs that code: see `build`."""
    module_name, name = parted(path, where)
    found: Any = _module_of(module_name, where)
    for step in name.split("."):
        if not hasattr(found, step):
            raise PartError(f"{where}: {module_name} has no {name!r}{_instead(found)}")
        found = getattr(found, step)
    return found


def _instead(module: Any) -> str:
    """What a module defines itself, for an error."""
    home = getattr(module, "__name__", "")
    names = [
        name
        for name, held in vars(module).items()
        if getattr(held, "__module__", "") == home and not name.startswith("_")
    ]
    return f"; it has {', '.join(names[:8])}" if names else ""


def _module_of(name: str, where: str) -> types.ModuleType:
    if not name.endswith(".py"):
        with _running(name, where):
            return importlib.import_module(name)
    path = Path(name)
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
            with _running(str(path), where):
                spec.loader.exec_module(module)
        except BaseException:
            del sys.modules[key]
            raise
    return sys.modules[key]


@contextmanager
def _running(name: str, where: str) -> Iterator[None]:
    """Around an import: what goes wrong in a user's code is told with its line, in a sentence."""
    try:
        with redirect_stdout(sys.stderr):  # what it prints is no part of a command's output
            yield
    except SystemExit as error:
        raise PartError(
            f"{where}: {name} ends the program when it is imported (sys.exit); put that under "
            'if __name__ == "__main__":'
        ) from error
    except ModuleNotFoundError as error:
        if error.name is not None and f"{name}.".startswith(f"{error.name}."):
            raise PartError(f"{where}: can't import {name!r} ({error})") from error
        raise PartError(f"{where}: {_failed(name, error)}") from error
    except Exception as error:
        raise PartError(f"{where}: {_failed(name, error)}") from error


def _failed(name: str, error: Exception) -> str:
    """What went wrong in running a user's code, and in which of its lines."""
    if isinstance(error, SyntaxError):
        text = f": {error.text.strip():.200}" if error.text else ""
        at = f", line {error.lineno}" if error.lineno else ""
        return f"{error.filename or name}{at} can't be run: SyntaxError: {error.msg}{text}"
    steps = traceback.extract_tb(error.__traceback__)
    module = importlib.util.find_spec(name.partition(".")[0]) if not name.endswith(".py") else None
    folder = str(Path(module.origin).parent) if module and module.origin else name
    lines = [step for step in steps if step.filename.startswith(folder)]
    file = lines[-1].filename if lines else name
    at = f", line {lines[-1].lineno}" if lines else ""
    told = " ".join(str(error).split())
    return f"{file}{at} can't be run: {type(error).__name__}: {told:.300}"
