"""Values of programs: read from what a sandbox wrote, and compared by type and value.

Everything here may be made to do harm, so all work is linear in what was read but for a sort.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

MAX_DEPTH = 60
MOST_WEIGHT = 1_000_000
_MAX_ALIKE = 64
"""Most elements of one set or dictionary that may share a hash: more would take quadratic time."""


@dataclass(frozen=True)
class Items:
    """What an iterator or a view of a dictionary would give. It equals nothing."""

    items: tuple[Any, ...]

    def __iter__(self) -> Iterator[Any]:
        return iter(self.items)


def decoded(value: Any, depth: int = 0) -> Any:
    """A value as ``sandbox/program.py`` wrote it; sets come as frozenset.

    Raises ValueError or TypeError for what it never writes: anything may stand there.
    """
    if depth > MAX_DEPTH:
        raise ValueError("a value nested too deep")
    if not isinstance(value, dict):
        if isinstance(value, list):
            raise ValueError("a list that is no value")
        return value
    ((kind, inside),) = value.items()
    if kind == "dict":
        pairs = [(decoded(k, depth + 1), decoded(v, depth + 1)) for k, v in inside]
        checked_keys(key for key, _ in pairs)
        return dict(pairs)
    if kind in _SCALARS:
        return _SCALARS[kind](inside)
    if not isinstance(inside, list):
        raise TypeError(f"a {kind} without elements")
    items = [decoded(one, depth + 1) for one in inside]
    return frozenset(checked_keys(items)) if kind == "set" else _SEVERAL[kind](items)


def _range(inside: Any) -> range:
    start, stop, step = (int(one, 16) for one in inside)
    return range(start, stop, step)


_SCALARS: Mapping[str, Callable[[Any], Any]] = {
    "float": float,
    # in base 16, which takes linear time and has no limit of digits
    "int": lambda text: int(text, 16),
    "bytes": bytes.fromhex,
    "complex": lambda parts: complex(float(parts[0]), float(parts[1])),
    "range": _range,
}
_SEVERAL: Mapping[str, Callable[[Any], Any]] = {
    "list": list,
    "tuple": tuple,
    "iterator": lambda items: Items(tuple(items)),
}


def checked_keys(items: Iterable[Any]) -> list[Any]:
    """Elements that may be put into a set, once each; else ValueError (TypeError: unhashable).

    Elements that Python takes for one (1 and True) would change a value's type unseen.
    """
    kept = list(items)
    check_hashes(kept)
    if len(set(kept)) != len(kept):
        raise ValueError("elements that Python takes for one")
    return kept


def check_hashes(items: Sequence[Any]) -> None:
    """ValueError where many different elements share one hash: each would be compared with each."""
    by_hash = sorted(items, key=hash)
    hashes = [hash(item) for item in by_hash]
    start = 0
    for end in range(1, len(hashes) + 1):
        if end < len(hashes) and hashes[end] == hashes[start]:
            continue
        if end - start > _MAX_ALIKE:
            alike = _ordered(by_hash[start:end])
            if sum(a != b for a, b in pairwise(alike)) >= _MAX_ALIKE:
                raise ValueError("too many elements with one hash")
        start = end


def same_value(got: Any, expected: Any, tolerance: float = 0.0, tuples_apart: bool = False) -> bool:
    """Equal by type and value, at any depth.

    A bool equals only a bool. Whole numbers and floats are both numbers: 3 equals 3.0, 0.0
    equals -0.0, NaN equals nothing; within the relative ``tolerance`` numbers are equal too.
    Lists equal tuples unless ``tuples_apart``, since data files have no tuples. Elements of
    sets and keys are held to the same rule, without tolerance. All else (text, bytes, None,
    complex numbers, ranges) must be of one type; objects equal nothing.
    """
    if _number(got) and _number(expected):
        return got == expected or (tolerance > 0 and _near(got, expected, tolerance))
    if isinstance(got, list | tuple) and isinstance(expected, list | tuple):
        if len(got) != len(expected) or (tuples_apart and type(got) is not type(expected)):
            return False
        pairs = zip(got, expected, strict=True)
        return all(same_value(a, b, tolerance, tuples_apart) for a, b in pairs)
    if isinstance(got, set | frozenset) and isinstance(expected, set | frozenset):
        return len(got) == len(expected) and _ordered(got) == _ordered(expected)
    if isinstance(got, dict) and isinstance(expected, dict):
        if len(got) != len(expected) or _ordered(got) != _ordered(expected):
            return False
        pairs = zip(_by_key(got), _by_key(expected), strict=True)
        return all(same_value(a, b, tolerance, tuples_apart) for a, b in pairs)
    return type(got) is type(expected) and type(got) in _ALONE and bool(got == expected)


_ALONE = (bool, str, bytes, type(None), complex, range, type)


def _number(value: Any) -> bool:
    return type(value) in (int, float)


def _near(got: float, expected: float, tolerance: float) -> bool:
    try:
        return math.isclose(got, expected, rel_tol=tolerance)
    except OverflowError:  # a whole number beyond any float
        return False


def _ordered(keys: Iterable[Any]) -> list[Any]:
    return sorted(map(_order, keys))


def in_order(keys: Iterable[Any]) -> list[Any]:
    """Elements of a set, sorted by kind and value. ValueError for NaN."""
    return sorted(keys, key=_order)


def _by_key(mapping: Mapping[Any, Any]) -> list[Any]:
    return [mapping[key] for key in in_order(mapping)]


def _order(key: Any) -> tuple[Any, ...]:
    """What sorts keys of any kinds, and is equal for equal keys only. ValueError if none is."""
    if _number(key):
        if key != key:
            raise ValueError("NaN equals nothing")
        return ("number", key)
    if isinstance(key, tuple):
        return ("tuple", *map(_order, key))
    if isinstance(key, frozenset):
        return ("set", *_ordered(key))
    if isinstance(key, complex):
        return ("complex", _order(key.real), _order(key.imag))
    if type(key) in (bool, str, bytes):
        return (type(key).__name__, key)
    if isinstance(key, range):
        return ("range", key.start, key.stop, key.step)
    if key is None:
        return ("None",)
    raise ValueError(f"a {type(key).__name__} equals nothing")


def check_plain(value: Any, depth: int = 0) -> None:
    """ValueError unless a program could return ``value`` and it could equal itself."""
    if depth >= MAX_DEPTH - 10:
        raise ValueError(f"a value nested more than {MAX_DEPTH - 10} deep")
    if type(value) in (float, complex) and value != value:
        raise ValueError("NaN equals nothing")
    if type(value) is dict:
        inside: Sequence[Any] = [*value.keys(), *value.values()]
    elif type(value) in (list, tuple, set, frozenset):
        inside = list(value)
    elif type(value) in (*_ALONE, int, float):
        inside = ()
    else:
        raise ValueError(f"a {type(value).__name__} is no plain value")
    for one in inside:
        check_plain(one, depth + 1)


def weight(value: Any) -> int:
    """About how much work it is to look at a value once: its elements, and text by length.

    Counted to `MOST_WEIGHT`: a list may hold one long list a thousand times.
    """
    total, left = 0, [value]
    while left and total <= MOST_WEIGHT:
        one = left.pop()
        total += 1
        if isinstance(one, str | bytes):
            total += len(one) // 32
        elif isinstance(one, int):
            total += one.bit_length() // 64
        elif isinstance(one, dict):
            left += [*one.keys(), *one.values()]
        elif isinstance(one, list | tuple | set | frozenset | Items):
            left += list(one)
    return total
