"""JSON and rows from data files: each key once, finite numbers, text that is text."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

MAX_DEPTH = 64
"""Deepest nesting of a row."""

MAX_DIGITS = 308
"""Longest whole number: one that a float can hold too, as figures come from it."""


def strict_json(text: str) -> Any:
    """The value of a JSON text.

    Raises ValueError saying what is wrong and, where it is a value, in which field: no JSON, a
    key twice, NaN, an infinity or a number that overflows, a whole number of more than
    `MAX_DIGITS`, half of a surrogate pair, and nesting deeper than `MAX_DEPTH`.
    """
    try:
        value = json.loads(text, object_pairs_hook=_each_once, parse_int=_whole)
    except RecursionError:
        raise ValueError(f"nested deeper than {MAX_DEPTH}") from None
    refuse_odd(value)
    return value


def refuse_odd(value: Any) -> None:
    """Raises ValueError for numbers, text and depth that `strict_json` refuses, with the field."""
    pending: list[tuple[Any, str, int]] = [(value, "", 0)]
    while pending:
        one, field, depth = pending.pop()
        at = f"field {field!r:.200}: " if field else ""
        if depth > MAX_DEPTH:
            raise ValueError(f"{at}nested deeper than {MAX_DEPTH}")
        if isinstance(one, float) and not math.isfinite(one):
            raise ValueError(f"{at}{one} is no number that a file may hold; give one or null")
        if isinstance(one, int) and abs(one) >= 10**MAX_DIGITS:
            raise ValueError(f"{at}a whole number of over {MAX_DIGITS} digits; make it text")
        if isinstance(one, str):
            _refuse_half_pairs(one, at)
        elif isinstance(one, Mapping):
            for key, held in one.items():
                _refuse_half_pairs(key, at)
                pending.append((held, f"{field}.{key}" if field else str(key), depth + 1))
        elif isinstance(one, list | tuple):
            pending += [(held, f"{field}[{i}]", depth + 1) for i, held in enumerate(one)]


def _each_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) < len(pairs):
        seen: set[str] = set()
        for key, _ in pairs:
            if key in seen:
                raise ValueError(f"field {key!r:.200}: the key stands there twice; remove one")
            seen.add(key)
    return made


def _whole(digits: str) -> int:
    """Digits are counted first: to read them takes the square of their number."""
    if len(digits) > MAX_DIGITS + 1:
        raise ValueError(f"a whole number of {len(digits)} digits; make it text")
    return int(digits)


def _refuse_half_pairs(text: Any, at: str) -> None:
    """Half of a surrogate pair is no character: tokenizers and files refuse it later."""
    if isinstance(text, str) and not text.isascii():
        try:
            text.encode()
        except UnicodeEncodeError as error:
            code = ord(text[error.start])
            raise ValueError(
                f"{at}\\u{code:04x} is half of a surrogate pair and no character; remove it"
            ) from None
