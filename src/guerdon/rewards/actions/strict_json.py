"""JSON values compared strictly: true is not 1."""

from __future__ import annotations

from typing import Any

from guerdon.parsing import read_json


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


__all__ = ["read_json", "same_json"]
