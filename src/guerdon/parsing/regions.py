r"""Sets of real numbers as pieces of the line: intervals, unions, solved inequalities.

``-2\le x\le 7``, ``x\in[-2,7]`` and ``[-2,7]`` are one region, so comparing is symmetric.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cmp_to_key
from typing import Any

from guerdon.parsing.trees import Node
from guerdon.parsing.values import Reckoning, Undecided

_DIGITS = 400
_INFINITE = float("inf")

MAX_PIECES = 200
"""Pieces that are looked at."""


@dataclass(frozen=True)
class Piece:
    """From ``low`` to ``high``, with or without its ends; a point where these are one."""

    low: Any
    closed_low: bool
    high: Any
    closed_high: bool


@dataclass(frozen=True)
class Region:
    """Pieces from left to right, apart from each other, and the name they are said of ("")."""

    pieces: tuple[Piece, ...]
    name: str = ""


def same_region(one: Region, two: Region) -> bool:
    """The same pieces, of the same name where both have one."""
    if one.name and two.name and one.name != two.name:
        return False
    return len(one.pieces) == len(two.pieces) and all(
        a.closed_low == b.closed_low
        and a.closed_high == b.closed_high
        and _compared(a.low, b.low) == _compared(a.high, b.high) == 0
        for a, b in zip(one.pieces, two.pieces, strict=True)
    )


def region_of(node: Node) -> Region | None:
    """The region that a tree says; None where it says none, or its ends can't be reckoned."""
    try:
        return _region(node)
    except Undecided:
        return None


def _region(node: Node) -> Region | None:
    if node.op == "constant" and node.name == "emptyset":
        return Region(())
    if node.op == "constant" and node.name == "reals":
        return Region((Piece(-_INFINITE, False, _INFINITE, False),))
    if node.op == "several":
        return _several(node)
    if node.op == "union":
        return _union([_region(part) for part in node.parts])
    if node.op == "common":
        return _intersection([_region(part) for part in node.parts])
    if node.op == "minus":
        return _without(*(_region(part) for part in node.parts))
    return _solved(node) if node.op == "relation" else None


def _several(node: Node) -> Region | None:
    if node.name == "{}":
        points = [_end(part) for part in node.parts]
        return _merged([Piece(x, True, x, True) for x in points], "")
    if node.name in ("or", "and"):
        regions = [_region(part) for part in node.parts]
        return _union(regions) if node.name == "or" else _intersection(regions)
    if node.name in ("()", "[]", "(]", "[)") and len(node.parts) == 2:
        low, high = (_end(part) for part in node.parts)
        if _compared(low, high) > 0:
            return None
        return _merged([Piece(low, node.name[0] == "[", high, node.name[1] == "]")], "")
    return None


def _solved(node: Node) -> Region | None:
    """``low < x < high`` and the like: a name alone against values."""
    signs = node.name.split()
    if signs == ["in"] and node.parts[0].op == "name":
        found = _region(node.parts[1])
        return Region(found.pieces, node.parts[0].name) if found and not found.name else None
    at = [k for k, part in enumerate(node.parts) if part.op == "name"]
    if len(at) != 1 or "in" in signs or len(signs) > 2 or (len(signs) == 2 and at != [1]):
        return None
    regions: list[Region | None] = []
    name = node.parts[at[0]].name
    for k, sign in enumerate(signs):
        end = _end(node.parts[k + 1 if k == at[0] else k])
        regions.append(_half(sign if k == at[0] else _TURNED[sign], end, name))
    return _intersection(regions)


_TURNED = {"<": ">", ">": "<", "<=": ">=", ">=": "<=", "=": "=", "!=": "!="}


def _half(sign: str, end: Any, name: str) -> Region:
    below = Piece(-_INFINITE, False, end, "=" in sign and sign != "!=")
    above = Piece(end, "=" in sign and sign != "!=", _INFINITE, False)
    if sign == "=":
        return Region((Piece(end, True, end, True),), name)
    if sign == "!=":
        return Region((below, above), name)
    return Region((below if sign[0] == "<" else above,), name)


def _end(node: Node) -> Any:
    """A real end. Raises `Undecided` for names, lists and complex values."""
    negative = node.op == "*" and len(node.parts) == 2 and node.parts[0].value == -1
    inner = node.parts[1] if negative else node
    if inner.op == "constant" and inner.name == "infty":
        return -_INFINITE if negative else _INFINITE
    try:
        value = Reckoning(_DIGITS, {}).value(node)
    except KeyError:
        raise Undecided from None
    if not isinstance(value, Fraction) and value.imag != 0:
        raise Undecided
    return value


def _compared(a: Any, b: Any) -> int:
    """-1, 0 or 1 as a is smaller than b, the same or larger."""
    if isinstance(a, float) or isinstance(b, float):
        a, b = (x if isinstance(x, float) else 0.0 for x in (a, b))
        return int(a > b) - int(a < b)
    if isinstance(a, Fraction) and isinstance(b, Fraction):
        return int(a > b) - int(a < b)
    reckoning = Reckoning(_DIGITS, {})
    if reckoning.is_zero(a, b):
        return 0
    return 1 if reckoning.many(a) > reckoning.many(b) else -1


def _order(a: Piece, b: Piece) -> int:
    return _compared(a.low, b.low) or b.closed_low - a.closed_low


def _merged(pieces: Sequence[Piece], name: str) -> Region:
    """Pieces that overlap or touch made one, in order; empty ones left out."""
    merged: list[Piece] = []
    for piece in sorted(filter(_holds_something, pieces), key=cmp_to_key(_order)):
        last = merged[-1] if merged else None
        gap = _compared(piece.low, last.high) if last else 1
        if last is None or gap > 0 or (gap == 0 and not (piece.closed_low or last.closed_high)):
            merged.append(piece)
            continue
        end = _compared(piece.high, last.high)
        further = max(last, piece, key=lambda p: p.closed_high) if end == 0 else piece
        if end >= 0:
            merged[-1] = Piece(last.low, last.closed_low, further.high, further.closed_high)
    return Region(tuple(merged), name)


def _holds_something(piece: Piece) -> bool:
    order = _compared(piece.low, piece.high)
    return order < 0 or (order == 0 and piece.closed_low and piece.closed_high)


def _union(regions: Sequence[Region | None]) -> Region | None:
    known = [region for region in regions if region is not None]
    names = {region.name for region in known}
    if len(known) < len(regions) or len(names) > 1:
        return None
    return _merged([piece for region in known for piece in region.pieces], names.pop())


def _intersection(regions: Sequence[Region | None]) -> Region | None:
    known = [region for region in regions if region is not None]
    names = {region.name for region in known}
    if len(known) < len(regions) or len(names) > 1:
        return None
    pieces = list(known[0].pieces)
    for region in known[1:]:
        pieces = [_common(a, b) for a in pieces for b in region.pieces][:MAX_PIECES]
    return _merged(pieces, names.pop())


def _common(a: Piece, b: Piece) -> Piece:
    low, high = _compared(a.low, b.low), _compared(a.high, b.high)
    return Piece(
        a.low if low >= 0 else b.low,
        a.closed_low and b.closed_low if low == 0 else (a if low > 0 else b).closed_low,
        a.high if high <= 0 else b.high,
        a.closed_high and b.closed_high if high == 0 else (a if high < 0 else b).closed_high,
    )


def _without(whole: Region | None, points: Region | None) -> Region | None:
    """A region without single points."""
    if whole is None or points is None or any(p.low is not p.high for p in points.pieces):
        return None
    pieces = list(whole.pieces)
    for point in points.pieces:
        outside = (
            Piece(-_INFINITE, False, point.low, False),
            Piece(point.low, False, _INFINITE, False),
        )
        pieces = [_common(a, b) for a in pieces for b in outside][:MAX_PIECES]
        pieces = [piece for piece in pieces if _holds_something(piece)]
    return _merged(pieces, whole.name)
