"""Boxes, points and intervals in the text of an answer, as people and models write them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

from guerdon.parsing.json_objects import json_objects

_NUMBER = r"[-+]?(?:[0-9]{1,12}(?:\.[0-9]{0,12})?|\.[0-9]{1,12})(?:[eE][-+]?[0-9])?"
_QUOTED = rf"[\"']?{_NUMBER}[\"']?"
_LIST = re.compile(
    rf"[\[(]\s{{0,8}}({_QUOTED}(?:\s{{0,8}},\s{{0,8}}{_QUOTED}){{1,3}})\s{{0,8}}[\])]"
)
_OR = re.compile(r"[\])}]\s{0,8},?\s{0,8}or\b")
"""Between two of which only one is meant."""
_BARE = re.compile(rf"(?<![\w.])(?<![\w.][-+]){_NUMBER}(?![\w.]\w)(?!\w)")
_NAMED = re.compile(
    r"""\b(x_?min|y_?min|x_?max|y_?max|[xy]_?[12]|left|top|right|bottom|width|height|[xywh])"""
    rf"""["']?\s{{0,8}}[:=]\s{{0,8}}["']?({_NUMBER})(?![\w.]\w)(?!\w)""",
    re.IGNORECASE,
)
_SIDES = {
    **dict.fromkeys(("x1", "xmin", "left"), 0),
    **dict.fromkeys(("y1", "ymin", "top"), 1),
    **dict.fromkeys(("x2", "xmax", "right"), 2),
    **dict.fromkeys(("y2", "ymax", "bottom"), 3),
}
_CORNER = {"x": 0, "y": 1, "width": 2, "w": 2, "height": 3, "h": 3}
_TIME = r"(?:[0-9]{1,2}:){0,2}[0-9]{1,9}(?:\.[0-9]{0,12})?"
_TIMES = re.compile(_TIME)
_UNIT = r"(?:\s{0,4}(?:s|secs?|seconds?)\b)?"
_BETWEEN = re.compile(
    rf"(?<![\w.:])({_TIME}){_UNIT}\s{{0,4}}(?:[-–—,;]|to|and|until)\s{{0,4}}({_TIME}){_UNIT}(?![\w:])"
)
_STARTS = re.compile(r"(?i)\b(?:start|end)(?:[_ ]?time)?\s{0,4}[:=]\s{0,4}")
_GAP = re.compile(r"\s{0,8}(?:[\s,;])\s{0,8}")
_ODD = re.compile(r"[{}\\&^@#~=]")
"""What a sentence with numbers in it does not hold."""
_MINUS = str.maketrans({"\u2212": "-"})
_TIME_NAMES = (("start_time", "end_time"), ("start", "end"), ("begin", "end"))
_TOO_FAR = 1e12


def number_lists(text: str, count: int) -> list[tuple[float, ...]]:
    """The lists of exactly ``count`` (2 to 4) numbers in brackets, ``[1, 2.5]`` or ``(1, 2.5)``.

    Quotes around a number don't count.
    Numbers of more than 12 digits before or after the point are none. Linear time.
    """
    found = [match.group(1).split(",") for match in _LIST.finditer(text)]
    return [
        tuple(float(number.strip(" \t\r\n\"'")) for number in numbers)
        for numbers in found
        if len(numbers) == count
    ]


def read_boxes(text: str) -> list[tuple[float, ...]]:
    """The boxes of a text, in order, as x1, y1, x2, y2; nothing is put right in them.

    The first of these that it has: lists of four numbers in brackets; lists of two, of which two
    each are the corners of a box; named numbers (``x1`` or ``xmin`` or ``left``, and so on), of
    which every four different ones are a box; four bare numbers, alone or four to a line. Corners
    or names that do not come out even are no boxes, and neither are bare numbers beside others, or
    boxes that "or" joins. ``x``, ``y``, ``width`` and ``height`` (``w``, ``h``) are names too.
    """
    plain = text.translate(_MINUS)
    if _OR.search(plain):
        return []
    if found := number_lists(plain, 4):
        return found
    if corners := number_lists(plain, 2):
        if len(corners) % 2:
            return []
        return [(*corners[k], *corners[k + 1]) for k in range(0, len(corners), 2)]
    if named := _NAMED.findall(plain):
        return _named_boxes(named)
    lines = [numbers for line in plain.split("\n") if (numbers := _bare(line)) != ()]
    boxes: list[tuple[float, ...]] = [
        numbers for numbers in lines if numbers is not None and len(numbers) == 4
    ]
    return boxes if len(boxes) == len(lines) else []


def read_point(text: str) -> tuple[float, float] | None:
    """The last ``[x, y]`` or ``(x, y)`` of a text, else its only ``x`` and ``y``, else its only two
    numbers; None where there is none of these, or "or" between two."""
    plain = text.translate(_MINUS)
    if _OR.search(plain):
        return None
    if found := number_lists(plain, 2):
        return found[-1][0], found[-1][1]
    if named := _NAMED.findall(plain):
        sides = {name.lower(): float(number) for name, number in named}
        only = len(named) == 2 and sides.keys() == {"x", "y"}
        return (sides["x"], sides["y"]) if only else None
    numbers = _bare(plain)
    return (numbers[0], numbers[1]) if numbers is not None and len(numbers) == 2 else None


def read_interval(text: str) -> tuple[float, float] | None:
    """The interval of a text, in seconds; None where there is none, or "or" stands between two.

    It is the last JSON object with ``start_time`` and ``end_time``, or ``start`` and ``end``
    (numbers, quoted or not); else the last ``[start, end]``; else the only two times, with these
    names or with "to", a dash or a comma between. A bare time may have a unit of seconds, or
    colons: ``1:20`` is 80.
    """
    plain = text.translate(_MINUS)
    if _OR.search(plain):
        return None
    if "{" in text:
        return _timed(text)
    if found := number_lists(plain, 2):
        return found[-1][0], found[-1][1]
    times = _BETWEEN.findall(_STARTS.sub("", plain))
    if len(times) != 1 or len(_TIMES.findall(plain)) != 2 or _ODD.search(plain):
        return None
    return _seconds(times[0][0]), _seconds(times[0][1])


def _timed(text: str) -> tuple[float, float] | None:
    try:
        value = json_objects(text)[-1]
        names = next(names for names in _TIME_NAMES if names[0] in value)
        start, end = [_time(value[name]) for name in names]
    except (ValueError, TypeError, KeyError, IndexError, OverflowError, StopIteration):
        return None
    # One at a time: the maximum of 1 and "nan" is 1.
    return (start, end) if abs(start) < _TOO_FAR and abs(end) < _TOO_FAR else None


def _time(value: Any) -> float:
    clock = isinstance(value, str) and ":" in value and _TIMES.fullmatch(value.strip())
    return _seconds(value.strip()) if clock else float(value)


def _seconds(time: str) -> float:
    """Seconds of ``20``, ``1:20`` and ``1:01:20``."""
    total = 0.0
    for part in time.split(":"):
        total = 60 * total + float(part)
    return total


def _named_boxes(named: Sequence[tuple[str, str]]) -> list[tuple[float, ...]]:
    boxes: list[tuple[float, ...]] = []
    for start in range(0, len(named), 4):
        names = [name.lower().replace("_", "") for name, _ in named[start : start + 4]]
        sized = all(name in _CORNER for name in names)
        sides = [(_CORNER if sized else _SIDES).get(name, -1) for name in names]
        if sorted(sides) != [0, 1, 2, 3]:
            return []
        numbers = dict(zip(sides, (float(n) for _, n in named[start : start + 4]), strict=True))
        x, y, z, w = (numbers[side] for side in range(4))
        boxes.append((x, y, x + z, y + w) if sized else (x, y, z, w))
    return boxes


def _bare(text: str) -> tuple[float, ...] | None:
    """All numbers of a text, blanks, commas or semicolons between them.

    None where anything else stands between two, where a digit of the text, of any script, belongs
    to none, and for texts with signs of formulas or programs.
    """
    found = list(_BARE.finditer(text))
    gaps = (text[a.end() : b.start()] for a, b in pairwise(found))
    belonging = sum(sum(map(str.isdigit, match.group())) for match in found)
    if (
        belonging != sum(map(str.isdigit, text))
        or _ODD.search(text)
        or not all(map(_GAP.fullmatch, gaps))
    ):
        return None
    return tuple(float(match.group()) for match in found)
