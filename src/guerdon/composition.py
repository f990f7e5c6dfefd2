"""The one walk through a composition of parts: whatever looks for something in it goes this way."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from typing import Any


def places(value: Any, where: str = "") -> Iterator[tuple[str, Any]]:
    """A composition and all that is in it, each with its place, such as ``reward.rewards.a``.

    Outer before inner. It looks in fields of dataclasses, in mappings and in sequences. Classes
    are left out: what is in a composition are parts.
    """
    if isinstance(value, type):
        return
    yield where, value
    inside: dict[str, Any] = {}
    if dataclasses.is_dataclass(value):
        names = [f.name for f in dataclasses.fields(value) if f.init]
        inside = {within(where, name): getattr(value, name) for name in names}
    elif isinstance(value, tuple | list):
        inside = {f"{where}[{i}]": v for i, v in enumerate(value)}
    elif isinstance(value, Mapping):
        inside = {within(where, k): v for k, v in value.items()}
    for place, part in inside.items():
        yield from places(part, place)


def parts_in(value: Any, where: str = "") -> Iterator[tuple[str, Any]]:
    """The dataclasses among `places`."""
    return (found for found in places(value, where) if dataclasses.is_dataclass(found[1]))


def within(place: str, name: Any) -> str:
    """The place of what is called ``name`` at ``place``."""
    return f"{place}.{name}" if place else str(name)
