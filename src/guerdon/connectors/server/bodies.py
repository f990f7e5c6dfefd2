"""JSON that strangers send: read in pieces, each bounded, and refused by name and place.

`json.loads` keeps Python's global lock until it is done, and a small body can hold millions of
values. So a body is measured first (values and depth, in slices), and then read entry by entry:
other threads get their turn between any two, and rows are counted as they are read.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Mapping
from difflib import get_close_matches
from typing import Any

from guerdon.connectors.server.limits import Limits, Refused

SLICE = 2**18
"""Characters that are looked at in one go."""

MOST_DIGITS = 400
"""Of one number. The largest float has 309."""

_LIST_DEPTH = 2
"""Where the entries of a list in the body's object stand."""

_SPACE = re.compile(r"[ \t\n\r]*")
_MARK = re.compile(r'["\[{\]},]')
_REST = re.compile(r'(?:[^"\\]++|\\.)*+', re.DOTALL)


class _NotJson(ValueError):
    """What is wrong with a value that the decoder could read."""


def read_object(
    body: bytes | bytearray,
    fields: Mapping[str, Callable[[Any, int], Any] | None],
    limits: Limits,
) -> dict[str, Any]:
    """The object in ``body``, whose fields have these names and no others.

    A field with a function is a list, and the function makes of an entry and its number what is
    kept; at most ``limits.batch`` entries. Other fields are kept as they are; null counts as
    not given.

    Raises Refused: 400 where it is not strict JSON (text beyond UTF-8, a key given twice, NaN,
    numbers without end, nested too deep), 413 where it is too much, 422 where a field is
    unknown or of another type.
    """
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError as error:
        raise Refused(400, f"the body is not UTF-8: {error.reason} at byte {error.start}") from None
    _measure(text, limits)
    try:
        return _read(text, fields, limits)
    except json.JSONDecodeError as error:
        where = f"line {error.lineno}, column {error.colno}"
        raise Refused(400, f"the body is not JSON: {error.msg} ({where})"[:200]) from None


def _read(
    text: str, fields: Mapping[str, Callable[[Any, int], Any] | None], limits: Limits
) -> dict[str, Any]:
    found: dict[str, Any] = {}
    place = _skip(text, 0)
    if text[place : place + 1] != "{":
        _value(text, place, "the body")  # says where it is not JSON
        raise Refused(422, _shape(fields))
    place = _skip(text, place + 1)
    while text[place : place + 1] != "}":
        if found:
            place = _skip(text, _expect(text, place, ",", "',' or '}'"))
        if text[place : place + 1] != '"':
            raise json.JSONDecodeError("a name in double quotes is expected", text, place)
        name, place = _value(text, place, "a name")
        refuse_unknown(name, fields, "the body")
        if name in found:
            raise Refused(400, f"the body is not strict JSON: {name!r} is given twice")
        place = _skip(text, _expect(text, _skip(text, place), ":", "':'"))
        make = fields[name]
        if make is not None and text[place : place + 1] == "[":
            found[name], place = _entries(text, place, name, make, limits)
        else:
            found[name], place = _value(text, place, name)
            if make is not None and found[name] is not None:
                raise Refused(422, _shape(fields))
        place = _skip(text, place)
    if (end := _skip(text, place + 1)) < len(text):
        raise json.JSONDecodeError("something follows the object", text, end)
    return {name: value for name, value in found.items() if value is not None}


def _entries(
    text: str, place: int, name: str, make: Callable[[Any, int], Any], limits: Limits
) -> tuple[list[Any], int]:
    """The list that begins at ``place``, and where it ends."""
    entries: list[Any] = []
    place = _skip(text, place + 1)
    while text[place : place + 1] != "]":
        if entries:
            place = _skip(text, _expect(text, place, ",", "',' or ']'"))
        if len(entries) == limits.batch:
            raise Refused(413, f"more than {limits.batch} entries in {name!r}; send fewer at once")
        value, place = _value(text, place, f"{name}[{len(entries)}]")
        entries.append(make(value, len(entries)))
        place = _skip(text, place)
    return entries, place + 1


def _value(text: str, place: int, where: str) -> tuple[Any, int]:
    try:
        return _DECODER.raw_decode(text, place)
    except _NotJson as error:
        raise Refused(400, f"the body is not strict JSON: {where}: {error}") from None
    except RecursionError:  # not met while ``limits.depth`` is far below Python's
        raise Refused(400, f"the body is not JSON: {where} is nested too deep") from None


def _skip(text: str, place: int) -> int:
    found = _SPACE.match(text, place)
    return found.end() if found else place


def _expect(text: str, place: int, mark: str, told: str) -> int:
    if text[place : place + 1] != mark:
        raise json.JSONDecodeError(f"{told} is expected", text, place)
    return place + 1


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) < len(pairs):
        seen: set[str] = set()
        twice = next(name for name, _ in pairs if name in seen or seen.add(name))  # type: ignore[func-returns-value]
        raise _NotJson(f"{twice!r:.80} is given twice")
    return made


def _constant(name: str) -> Any:
    raise _NotJson(f"{name} is no number in JSON; send null")


def _float(digits: str) -> float:
    if len(digits) > MOST_DIGITS or not math.isfinite(number := float(digits)):
        raise _NotJson(f"the number {digits[:20]}... is too large or too long")
    return number


def _int(digits: str) -> int:
    if len(digits) > MOST_DIGITS:
        raise _NotJson(f"the number {digits[:20]}... has {len(digits)} digits")
    return int(digits)


_DECODER = json.JSONDecoder(
    object_pairs_hook=_object, parse_constant=_constant, parse_float=_float, parse_int=_int
)


def _measure(text: str, limits: Limits) -> None:
    """Refuse too many values or entries, and too deep a nesting; strings count and are skipped."""
    place = depth = values = entries = 0
    while place < len(text):
        found = _MARK.search(text, place, place + SLICE)
        if found is None:
            place += SLICE
            continue
        place, mark = found.end(), text[found.start()]
        if mark == '"':
            place = _end_of_string(text, place)
        elif mark == ",":
            entries += depth == _LIST_DEPTH
        elif mark in "[{":
            depth += 1
            entries = 1 if depth == _LIST_DEPTH else entries
        else:
            depth -= 1
        values += mark not in "]}"
        if depth > limits.depth:
            raise Refused(400, f"the body is nested deeper than {limits.depth} at {place - 1}")
        if entries > limits.batch:
            raise Refused(413, f"more than {limits.batch} rows in one body; send fewer at once")
        if values > limits.values:
            raise Refused(413, f"more than {limits.values} values in one body; send fewer at once")


def _end_of_string(text: str, place: int) -> int:
    """Past the quote that ends a string, or past the text."""
    while place < len(text):
        found = _REST.match(text, place, place + SLICE)
        end = found.end() if found else place
        if text[end : end + 1] == '"':
            return end + 1
        # A slice may end after a backslash: the next one begins with it.
        place = end if end > place else end + SLICE
    return place


def refuse_unknown(name: str, known: Mapping[str, Any], where: str) -> None:
    """Raise Refused (422) where ``name`` is not a field, with the nearest that is."""
    if name in known:
        return
    near = get_close_matches(name[:40], known, 1)
    mend = f"did you mean {near[0]!r}?" if near else f"there are {', '.join(known)}"
    raise Refused(422, f"{where} has an unknown field {name!r:.60}; {mend}")


def _shape(fields: Mapping[str, Callable[[Any, int], Any] | None]) -> str:
    lists = " and ".join(repr(name) for name, make in fields.items() if make)
    return f"the body must be an object whose {lists} is a list with entries"
