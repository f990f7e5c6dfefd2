r"""Expressions as sums of terms that are equal only where they are written alike: exact and fast.

Rational numbers, square roots of whole numbers, names and \pi, added, multiplied and raised to
whole powers, have one such form: roots of different squarefree numbers are independent over the
rationals, and \pi is transcendental. All else is the business of `guerdon.parsing.values`.
"""

from __future__ import annotations

import math
from fractions import Fraction
from functools import lru_cache

from guerdon.parsing.trees import Node

MOST_TERMS = 16
"""Terms of a sum, so that no product of sums takes long."""
MOST_BITS = 2000
"""Bits of a coefficient's numerator, or denominator."""
LARGEST_POWER = 30
"""The largest whole power, up or down, that is multiplied out."""
LARGEST_ROOT = 10**9
"""What stands under a root is taken apart by trial division up to its cube root."""

Rational = int | Fraction
Term = tuple[int, tuple[tuple[str, int], ...]]
"""What is under its square root, squarefree, and the powers of names, in order."""
Sum = dict[Term, Rational]
"""Terms to their coefficients, none of which is 0."""

_ONE: Term = (1, ())


class _NoForm(Exception):
    """The expression has no such form, or one that is too large."""


def same_terms(one: Node, two: Node) -> bool | None:
    """Whether two expressions have the same terms; None where one of them has no such form."""
    try:
        return _sum_of(one) == _sum_of(two)
    except _NoForm:
        return None


def _sum_of(node: Node) -> Sum:
    op = node.op
    if op == "number":
        value = node.value
        return _constant(value.numerator if value.denominator == 1 else value)
    if op == "name" or (op == "constant" and node.name == "pi"):
        return {(1, ((f"{op} {node.name}", 1),)): 1}
    if op == "root" or op == "^":
        return _raised(_sum_of(node.parts[0]), node.parts[1], inverse=op == "root")
    if op not in _OPERATIONS:
        raise _NoForm
    total = _sum_of(node.parts[0])
    for part in node.parts[1:]:
        total = _OPERATIONS[op](total, _sum_of(part))
    return total


def _constant(value: Rational) -> Sum:
    return {_ONE: value} if value else {}


def _added(one: Sum, two: Sum) -> Sum:
    total = dict(one)
    for term, value in two.items():
        total[term] = total.get(term, 0) + value
    return _bounded(total)


def _bounded(total: Sum) -> Sum:
    for value in total.values():
        if max(value.numerator.bit_length(), value.denominator.bit_length()) > MOST_BITS:
            raise _NoForm
    if len(total) > MOST_TERMS:
        raise _NoForm
    return total if all(total.values()) else {term: v for term, v in total.items() if v}


def _multiplied(one: Sum, two: Sum) -> Sum:
    total: Sum = {}
    for (root, powers), value in one.items():
        for (other, further), factor in two.items():
            common = math.gcd(root, other)
            term = root * other // common**2, _together(powers, further)
            total[term] = total.get(term, 0) + value * factor * common
    return _bounded(total)


def _together(
    powers: tuple[tuple[str, int], ...], further: tuple[tuple[str, int], ...]
) -> tuple[tuple[str, int], ...]:
    if not (powers and further):
        return powers or further
    total = dict(powers)
    for name, power in further:
        total[name] = total.get(name, 0) + power
    if max(map(abs, total.values())) > LARGEST_POWER:
        raise _NoForm
    return tuple(sorted((name, power) for name, power in total.items() if power))


def _divided(one: Sum, two: Sum) -> Sum:
    return _multiplied(one, _inverse(two))


def _inverse(of: Sum) -> Sum:
    """Of one term: ``1 / (a sqrt n) = sqrt n / (a n)``."""
    if len(of) != 1:
        raise _NoForm
    (((root, powers), value),) = of.items()
    if value == 1 and root == 1:
        return {(1, tuple((name, -power) for name, power in powers)): 1}
    return {(root, tuple((name, -power) for name, power in powers)): Fraction(1, value * root)}


def _raised(base: Sum, exponent: Node, inverse: bool) -> Sum:
    """A whole power, or the square root of a number that is not negative."""
    if exponent.op != "number":
        raise _NoForm
    power = 1 / exponent.value if inverse and exponent.value else exponent.value
    if not base or (inverse and not exponent.value):
        raise _NoForm
    if power == Fraction(1, 2):
        return _root(base)
    if power.denominator > 1 or abs(power) > LARGEST_POWER:
        raise _NoForm
    total = _constant(1)
    for _ in range(abs(power.numerator)):
        total = _multiplied(total, base)
    return total if power >= 0 else _inverse(total)


def _root(of: Sum) -> Sum:
    value = of.get(_ONE, 0)
    if len(of) > 1 or value <= 0 or value.numerator * value.denominator > LARGEST_ROOT:
        raise _NoForm
    whole, free = _squarefree(value.numerator * value.denominator)
    outside = whole if value.denominator == 1 else Fraction(whole, value.denominator)
    return {(free, ()): outside}


@lru_cache(maxsize=4096)
def _squarefree(n: int) -> tuple[int, int]:
    """``n`` as ``whole**2 * free``."""
    whole, free, divisor = 1, 1, 2
    while divisor**3 <= n:
        count = 0
        while n % divisor == 0:
            n //= divisor
            count += 1
        whole *= divisor ** (count // 2)
        free *= divisor ** (count % 2)
        divisor += 1 if divisor == 2 else 2
    # What is left has at most two prime factors: it is a square, or squarefree.
    root = math.isqrt(n)
    return (whole * root, free) if root * root == n else (whole, free * n)


_OPERATIONS = {"+": _added, "*": _multiplied, "/": _divided}
