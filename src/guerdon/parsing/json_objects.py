"""JSON from a model: no NaN, no endless nesting, nothing that overflows."""

from __future__ import annotations

import contextlib
import json
import math
import re
from typing import Any, NoReturn

# A string that is never closed runs to the end of the text: every quote is read once.
_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*+(?:"|\\?\Z)|[{}\[\]]', re.DOTALL)
_GAP = re.compile(r"\s*+(?:,\s*+)?")

MAX_CHARS = 100_000
"""Longest text that is read as JSON."""

MAX_DEPTH = 32
"""Deepest nesting that is read."""


def json_objects(
    text: str, max_depth: int = MAX_DEPTH, max_chars: int = MAX_CHARS, max_attempts: int = 16
) -> list[dict[str, Any]]:
    """The JSON objects of a text, outermost only, in order; prose and fences are skipped.

    An object nested deeper than ``max_depth``, longer than ``max_chars`` or not valid JSON
    (NaN, infinities and numbers that overflow included) is left out. Of repeated keys the
    last counts. A brace that does not begin an object costs one attempt; after
    ``max_attempts`` of them reading stops, so that time is linear in the text.
    """
    objects: list[dict[str, Any]] = []
    start = text.find("{")
    while start >= 0 and max_attempts > 0:
        end = _end_of_object(text, start, min(len(text), start + max_chars), max_depth)
        parsed = _parse(text[start:end], max_depth, max_chars) if end is not None else None
        if parsed is None:
            max_attempts -= 1
            start = text.find("{", start + 1)
        else:
            objects.append(parsed)
            start = text.find("{", end or 0)
    return objects


def json_object(
    text: str, max_depth: int = MAX_DEPTH, max_chars: int = MAX_CHARS
) -> dict[str, Any] | None:
    """The last JSON object of a text (see `json_objects`), or None."""
    objects = json_objects(text, max_depth, max_chars)
    return objects[-1] if objects else None


def json_values(text: str, max_depth: int = MAX_DEPTH, max_chars: int = MAX_CHARS) -> list[Any]:
    """The JSON objects and arrays that a text is made of, with white space or a comma between.

    Raises ValueError where anything else stands there, for what `read_json` refuses, and for texts
    over ``max_chars``. Linear time.
    """
    if len(text) > max_chars:
        raise ValueError(f"over {max_chars} characters")
    values: list[Any] = []
    start = _gap(text, 0)
    # Most texts are one value; several are taken apart only then.
    with contextlib.suppress(ValueError):
        only = read_json(text, max_depth, max_chars)
        if isinstance(only, dict | list):
            return [only]
    while start < len(text):
        end = _end_of_object(text, start, len(text), max_depth) if text[start] in "{[" else None
        if end is None:
            raise ValueError(f"no JSON object or array: {text[start : start + 40]!r}")
        values.append(read_json(text[start:end], max_depth, max_chars))
        start = _gap(text, end)
    return values


def _gap(text: str, start: int) -> int:
    """Where the next value begins: after white space, with a comma in it at most."""
    found = _GAP.match(text, start)
    return found.end() if found else start


def _end_of_object(text: str, start: int, stop: int, max_depth: int) -> int | None:
    depth = 0
    for token in _TOKEN.finditer(text, start, stop):
        mark = token.group()
        if mark in ("{", "["):
            depth += 1
            if depth > max_depth:
                return None
        elif mark in ("}", "]"):
            depth -= 1
            if depth == 0:
                return token.end()
    return None


def read_json(text: str, max_depth: int = MAX_DEPTH, max_chars: int = MAX_CHARS) -> Any:
    """The value of a text that is JSON and nothing else.

    Raises ValueError for anything else: NaN, infinities, numbers that overflow a float, nesting
    deeper than ``max_depth`` and texts over ``max_chars`` included. Depth is counted before
    anything is parsed, so no text reaches the interpreter's limit of recursion. Of repeated keys
    the last counts.
    """
    if len(text) > max_chars:
        raise ValueError(f"over {max_chars} characters")
    depth = 0
    for token in _TOKEN.finditer(text):
        mark = token.group()
        depth += (mark in ("{", "[")) - (mark in ("}", "]"))
        if depth > max_depth:
            raise ValueError(f"nested deeper than {max_depth}")
    return json.loads(text, parse_constant=_refuse, parse_float=_finite, parse_int=_whole)


def _parse(text: str, max_depth: int, max_chars: int) -> dict[str, Any] | None:
    try:
        value = read_json(text, max_depth, max_chars)
    except ValueError:
        return None
    return value if isinstance(value, dict) else None


def _refuse(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON number")


def _finite(digits: str) -> float:
    value = float(digits)
    if not math.isfinite(value):
        raise ValueError("the number overflows")
    return value


def _whole(digits: str) -> int:
    """A whole number that is finite as a float too, so that none overflows further on."""
    _finite(digits)
    return int(digits)
