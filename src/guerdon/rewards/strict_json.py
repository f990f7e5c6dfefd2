"""JSON from a model, read strictly: no NaN, no endless nesting, true is not 1."""

from __future__ import annotations

from typing import Any

from guerdon.parsing.json_objects import finite_json

MAX_CHARS = 100_000
"""Longest text that is read as JSON."""

MAX_DEPTH = 32
"""Deepest nesting that is compared."""


def read_json(text: str) -> Any:
    """The value of a text that is JSON and nothing else.

    Raises ValueError for anything else, NaN, infinities, numbers that overflow and texts over
    `MAX_CHARS` included.
    """
    if len(text) > MAX_CHARS:
        raise ValueError(f"over {MAX_CHARS} characters")
    try:
        value = finite_json(text)
    except RecursionError:
        raise ValueError("nested too deeply") from None
    if not _shallow(value, MAX_DEPTH):
        raise ValueError(f"nested deeper than {MAX_DEPTH}")
    return value


def same_json(one: Any, two: Any) -> bool:
    """Equal as JSON values: 30 = 30.0, but 30 is not "30", true is not 1, and order of keys
    does not count. Tuples count as lists.
    """
    if isinstance(one, bool) or isinstance(two, bool):
        return one is two
    if isinstance(one, dict) and isinstance(two, dict):
        return one.keys() == two.keys() and all(same_json(one[k], two[k]) for k in one)
    if isinstance(one, list | tuple) and isinstance(two, list | tuple):
        return len(one) == len(two) and all(map(same_json, one, two))
    return bool(one == two)


def _shallow(value: Any, depth: int) -> bool:
    if not isinstance(value, dict | list):
        return True
    inside = value.values() if isinstance(value, dict) else value
    return depth > 0 and all(_shallow(one, depth - 1) for one in inside)
