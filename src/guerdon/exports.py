"""What a package exports: imported when first asked for, its names known before.

A package writes each export once, as an import that type checkers read and Python does not run:

    if TYPE_CHECKING:
        from guerdon.rewards.text.similarity import ChrF as ChrF

A part brings its own name, ``name: ClassVar[str] = "chrf"``, as a line of its class; one that no
command line can make, since it holds other parts or functions, says what it is ``made_of`` in
another. All of this is read from the source, so listing names imports nothing.
"""

from __future__ import annotations

import importlib
import importlib.util
import re
import sys
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

_EXPORT = re.compile(r"^    from (guerdon[\w.]*) import (\w+) as \2$", re.MULTILINE)
_CLASS = re.compile(r"^class (\w+)", re.MULTILINE)
_NAME = re.compile(r'^    name: ClassVar\[str\] = "([^"]+)"$', re.MULTILINE)
_DOC = re.compile(r'^    r?"""(.+?)(?:"""|\n\n)', re.MULTILINE | re.DOTALL)
_MADE_OF = re.compile(r"^    made_of: ClassVar\[str\] = ", re.MULTILINE)


class Index(Mapping[str, Any]):
    """Command-line names to the parts that a package exports; a part is imported when asked for.

    Without ``names`` they are those that the exported classes bring themselves, in alphabetical
    order; ``names`` gives other tables, from a name to an export's name or to the part itself.
    """

    def __init__(self, package: str, names: Mapping[str, Any] | None = None) -> None:
        self._package, self._given = package, names

    def alone(self) -> Index:
        """The parts that a name, and at most one plain value, makes."""
        made = _alone(self._package)
        return Index(self._package, {n: kind for n, kind in self._names.items() if kind in made})

    def told(self) -> dict[str, str]:
        """Each name with the first line of its part's docstring, read from the source."""
        lines = _first_lines(self._package)
        return {n: lines.get(kind, "") for n, kind in self._names.items() if isinstance(kind, str)}

    @property
    def _names(self) -> Mapping[str, Any]:
        return _named(self._package) if self._given is None else self._given

    def __getitem__(self, name: str) -> Any:
        found = self._names[name]
        if not isinstance(found, str):
            return found
        return getattr(importlib.import_module(self._package), found)

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)

    def __contains__(self, name: object) -> bool:
        return name in self._names

    def __repr__(self) -> str:
        return f"Index({self._package}: {', '.join(self)})"


def exporting(package: str) -> tuple[Callable[[str], Any], Callable[[], list[str]], list[str]]:
    """``__getattr__``, ``__dir__`` and ``__all__`` of a package whose exports are written so."""
    homes = _homes(package)

    def find(name: str) -> Any:
        if name not in homes:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        found = getattr(importlib.import_module(homes[name]), name)
        setattr(sys.modules[package], name, found)
        return found

    exported = sorted({*homes, *_tables(package)})
    return find, lambda: exported, exported


@cache
def _homes(package: str) -> dict[str, str]:
    """Each exported name with the module that defines it."""
    return {name: module for module, name in _EXPORT.findall(_file(package).read_text())}


def _tables(package: str) -> list[str]:
    """The indices that the package itself holds by now."""
    return [name for name, held in vars(sys.modules[package]).items() if isinstance(held, Index)]


@cache
def _named(package: str) -> dict[str, str]:
    """The name that an exported class brings, with the class's."""
    named = {kind: _NAME.search(body) for kind, body in _bodies(package)}
    return dict(sorted((found[1], kind) for kind, found in named.items() if found))


@cache
def _alone(package: str) -> frozenset[str]:
    """The exported classes that are not made of others."""
    return frozenset(kind for kind, body in _bodies(package) if not _MADE_OF.search(body))


@cache
def _first_lines(package: str) -> dict[str, str]:
    found = {kind: _DOC.search(body) for kind, body in _bodies(package)}
    return {kind: " ".join(doc[1].split()) for kind, doc in found.items() if doc}


def _bodies(package: str) -> Iterator[tuple[str, str]]:
    """Each exported class with what stands below its head."""
    exported = _homes(package)
    for module in sorted(set(exported.values())):
        _, *parts = _CLASS.split(_file(module).read_text())
        for kind, body in zip(parts[::2], parts[1::2], strict=True):
            if exported.get(kind) == module:
                yield kind, body


def _file(module: str) -> Path:
    """Where a module of ours lies, found without importing it or what it stands in."""
    root, *inside = module.split(".")
    loaded = sys.modules[root].__file__
    assert loaded is not None
    path = Path(loaded).parent.joinpath(*inside)
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
