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


def needs_of(value: Any) -> frozenset[str]:
    """All that parts of a composition say they need, in ``needs``: see `guerdon.stages.NEEDS`."""
    return frozenset().union(*(getattr(part, "needs", ()) for _, part in parts_in(value)))


def within(place: str, name: Any) -> str:
    """The place of what is called ``name`` at ``place``."""
    return f"{place}.{name}" if place else str(name)


def ends_of(value: Any) -> tuple[float, float] | None:
    """What a schedule (`guerdon.schedules`) stays between; None for what is none.

    Told by its shape, so that what checks settings need not import what changes them.
    """
    ends = getattr(value, "ends", None)
    return ends if callable(value) and isinstance(ends, tuple) else None


def put(whole: Any, place: str, value: Any) -> Any:
    """``whole`` with ``value`` at a place of it: ``shaping.0.weight``, or as `places` writes it.

    What lies on the way is made anew. Raises ValueError where there is no such place.
    """
    step, _, rest = place.replace("[", ".").replace("]", "").partition(".")
    if dataclasses.is_dataclass(whole) and not isinstance(whole, type):
        held = {f.name: getattr(whole, f.name) for f in dataclasses.fields(whole) if f.init}
        if step in held:
            return dataclasses.replace(
                whole, **{step: put(held[step], rest, value) if rest else value}
            )
    elif isinstance(whole, Mapping) and step in whole:
        return {**whole, step: put(whole[step], rest, value) if rest else value}
    elif isinstance(whole, tuple | list) and step.isdigit() and int(step) < len(whole):
        made = list(whole)
        made[int(step)] = put(made[int(step)], rest, value) if rest else value
        return type(whole)(made)
    what = "nothing" if whole is None else type(whole).__name__
    raise ValueError(f"{what} has no {step!r}")
