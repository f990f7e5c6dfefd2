"""Equations and inequalities, compared by where they hold."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction

from guerdon.parsing.regions import region_of, same_region
from guerdon.parsing.trees import MINUS_ONE, Node, names_of
from guerdon.parsing.values import Real, Reckoning, Undecided, points

_DIGITS = 100
_POINTS = 4


def same_relation(one: Node, two: Node) -> bool | None:
    """Whether two relations say the same; None where this can't be told.

    Solved for one name ("-2 < x <= 7") they are compared as regions. What is not solved is no
    answer to what is, where there is one name: "2x = 10" says no more than the question. Else
    one must be a multiple of the other, or equations have the same solution for a name that
    stands in both to the first power.
    """
    left, right = region_of(one), region_of(two)
    if left is not None and right is not None:
        return same_region(left, right)
    names = names_of(one, two)
    if len(names) < 2 and (left is None) != (right is None):
        return False
    if len(one.parts) != 2 or len(two.parts) != 2 or "in" in (one.name, two.name):
        return None
    sign, turned = _KINDS[one.name], _KINDS[two.name]
    if sign.lower() != turned.lower():
        return False
    try:
        differences = _difference(one, sign.isupper()), _difference(two, turned.isupper())
        return _compared(*differences, names, equation=sign in "=!")
    except Undecided:
        return None


_KINDS = {"=": "=", "!=": "!", "<": "a", ">": "A", "<=": "b", ">=": "B"}
"""The kind of each sign; in capitals what is turned around first."""


def _difference(node: Node, turned: bool) -> Node:
    left, right = reversed(node.parts) if turned else node.parts
    return Node("+", (left, Node("*", (MINUS_ONE, right))))


def _compared(one: Node, two: Node, names: list[str], equation: bool) -> bool | None:
    first: tuple[Real, Real] | None = None
    same_sign = True
    for point, _ in zip(points(names), range(_POINTS), strict=False):
        reckoning = Reckoning(_DIGITS, point, real=True)
        pair = reckoning.value(one), reckoning.value(two)
        if 0 in pair:
            raise Undecided
        if first is None:
            first = pair
            same_sign = (pair[0].real > 0) == (pair[1].real > 0)
        across = reckoning.product(first[0], pair[1]), reckoning.product(first[1], pair[0])
        if not reckoning.is_zero(*across):
            return _same_solution(one, two, names) if equation else None
    return equation or same_sign


def _same_solution(one: Node, two: Node, names: list[str]) -> bool | None:
    """By what a name is that both sides hold to the first power."""
    point = next(iter(points(names)))
    reckoning = Reckoning(_DIGITS, {})
    for name in names:
        if None in (_solution(one, point, name), _solution(two, point, name)):
            continue
        return all(
            reckoning.is_zero(_solution(one, at, name), _solution(two, at, name))
            for at, _ in zip(points(names), range(_POINTS), strict=False)
        )
    return None


def _solution(node: Node, point: Mapping[str, Fraction], name: str) -> Real:
    """Where the expression is 0 in this name, at a point of the others; None if not linear."""
    reckoning = Reckoning(_DIGITS, {**point}, real=True)
    at = []
    for k in range(3):
        reckoning.names = {**point, name: Fraction(k)}
        try:
            at.append(reckoning.value(node))
        except Undecided:
            return None
    slope = reckoning.sum(at[1], -at[0])
    if slope == 0 or not reckoning.is_zero(reckoning.sum(at[2], -at[1]), slope):
        return None
    return reckoning.product(-at[0], 1 / slope)
