"""Whether a value is what the type of a setting says: files hold text where numbers belong."""

from __future__ import annotations

import collections.abc as abc
import re
import types
from collections.abc import Mapping
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from guerdon.composition import ends_of

_PACKAGES = re.compile(r"(?<![\w.])(?:\w++\.)++(?=\w)")


def misplaced(kind: type, settings: Mapping[str, Any]) -> tuple[str, str] | None:
    """The first of ``settings`` that does not fit its declared type in ``kind``, and the type.

    None where all fit. A type that can't be read or checked fits everything; whole numbers fit
    where numbers do, and a list where a tuple does.
    """
    try:
        hints = get_type_hints(kind)
    except (NameError, TypeError, AttributeError):
        return None
    for name, value in settings.items():
        if name in hints and not fits(value, hints[name]):
            return name, _told(hints[name])
    return None


def fits(value: Any, kind: Any) -> bool:
    """Whether ``value`` is a ``kind``: a class, a stage, a union, a collection of these."""
    origin, inside = get_origin(kind), get_args(kind)
    if origin in (Union, types.UnionType):
        return any(fits(value, one) for one in inside)
    if origin is Literal:
        return value in inside
    if origin is abc.Callable or kind is abc.Callable:
        return callable(value)
    if origin in (tuple, list, abc.Sequence, set, frozenset):
        return isinstance(value, tuple | list) and _all_fit(value, origin, inside)
    if origin in (dict, abc.Mapping):
        return isinstance(value, Mapping) and all(fits(v, inside[1]) for v in value.values())
    if kind in (int, float):
        numbers = (int,) if kind is int else (int, float)
        plain = isinstance(value, numbers) and not isinstance(value, bool)
        return plain or ends_of(value) is not None
    try:
        return isinstance(value, kind)
    except TypeError:  # such as Any, or a protocol that can't be checked
        return True


def _all_fit(values: Any, origin: Any, inside: tuple[Any, ...]) -> bool:
    if origin is not tuple or inside[1:] == (...,):
        return all(fits(one, inside[0]) for one in values)
    return len(values) == len(inside) and all(map(fits, values, inside))


def _told(kind: Any) -> str:
    text = kind.__name__ if isinstance(kind, type) and not get_args(kind) else str(kind)
    return _PACKAGES.sub("", text)
