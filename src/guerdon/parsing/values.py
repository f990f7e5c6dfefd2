r"""What an expression is worth: exactly where it is rational, else to as many digits as it takes.

Rational numbers, powers and factorials are reckoned as fractions, roots of perfect powers too.
What is irrational is reckoned to more digits than both texts could write out, so that a decimal
that was written down never passes for it. Sizes are looked at before anything is computed.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from fractions import Fraction
from functools import lru_cache
from typing import Any

from guerdon.parsing.exact import same_terms
from guerdon.parsing.tokens import LONGEST_EXPRESSION, NO_VALUE
from guerdon.parsing.trees import Node

MAX_BITS = 1 << 16
"""Bits of a numerator and denominator together that are reckoned exactly."""

MAX_ORDERS = 2000
"""Powers of ten, up and down in all, that are reckoned in an irrational value."""

_GUARD = 40
"""Digits beyond those that decide."""

_ENOUGH = 2
_GENERIC_POINTS, _WHOLE_POINTS = 6, 4

Real = Any
"""A Fraction, or a real or complex number of mpmath."""


class Undecided(Exception):
    """The value is not defined there."""


class TooLarge(Undecided):
    """The value is not reckoned, for its size."""


def same_value(one: Node, two: Node) -> bool | None:
    """Whether two expressions are equal, as numbers or for all their names; None if unknown.

    Sums of terms are compared exactly (`guerdon.parsing.exact`). Else with names they are
    compared at fixed generic points, in the real numbers unless the imaginary
    unit is written: where either is not defined, the point says nothing, and two points must
    agree. Values too large to reckon are equal only where they are written alike.
    """
    exact = same_terms(one, two)
    if exact is not None or one == two:
        return exact is not False
    names: set[str] = set()
    logarithms = imaginary = False
    for tree in (one, two):
        for node in tree.nodes():
            if node.op == "name":
                names.add(node.name)
            logarithms |= node.op == "log"
            imaginary |= node.name == "i" and node.op == "constant"
    real = bool(names) and not imaginary
    verdicts = [
        _same_value(one, two, sorted(names), base, real)
        for base in ((10, 0) if logarithms else (0,))
    ]
    return True if True in verdicts else None if None in verdicts else False


def _same_value(one: Node, two: Node, names: list[str], base: int, real: bool) -> bool | None:
    if not names:
        try:
            return _same_at(one, two, {}, base, real)
        except Undecided:
            return None
    agreeing = 0
    for k, point in enumerate(points(names)):
        if k >= _GENERIC_POINTS and agreeing >= _ENOUGH:
            return True
        try:
            if _same_at(one, two, point, base, real) is False:
                return False
        except Undecided:
            continue
        agreeing += 1
    return True if agreeing >= _ENOUGH else None


def _same_at(one: Node, two: Node, point: Mapping[str, Fraction], base: int, real: bool) -> bool:
    digits = 60
    while True:
        reckoning = Reckoning(digits, point, base, real)
        try:
            left, right = reckoning.value(one), reckoning.value(two)
        except TooLarge:
            if point:
                raise
            return False  # written differently, or they had been found equal
        if type(left) is Fraction and type(right) is Fraction:
            return left == right
        needed = int(reckoning.orders) + reckoning.written + _GUARD
        if needed <= digits:
            return reckoning.is_zero(left, right)
        digits = needed + 20


def points(names: list[str]) -> Iterator[dict[str, Fraction]]:
    """Generic fractions, all positive first, then of mixed signs; then whole numbers."""
    keys = {name: sum(ord(c) * 31**k for k, c in enumerate(name[:20])) for name in names}
    signs = ((1, 1), (1, 1), (1, -1), (-1, 1), (-1, -1), (-1, -1))
    for k in range(_GENERIC_POINTS):
        yield {
            name: signs[k][key % 2] * Fraction(200 + (key * 7919 + k * 6007) % 1801, 997)
            for name, key in keys.items()
        }
    for k in range(_WHOLE_POINTS):
        yield {name: Fraction(3 + (key * 7 + k * 5) % 13) for name, key in keys.items()}


@lru_cache(maxsize=64)
def _context(digits: int) -> Any:
    """Arithmetic of so many digits, apart from that of anybody else in the process."""
    from mpmath.ctx_mp import MPContext  # imported at first need: it takes a tenth of a second

    context = MPContext()
    context.dps = digits
    return context


class Reckoning:
    """Values of trees at one point. ``orders`` adds up the powers of ten that were met."""

    def __init__(
        self, digits: int, names: Mapping[str, Fraction], log_base: int = 0, real: bool = False
    ) -> None:
        self.digits = digits
        self.names = names
        self.log_base = log_base
        self.real = real
        self.orders = 0.0
        self.written = 0

    def value(self, node: Node) -> Real:
        """The value; raises `Undecided` where there is none."""
        if node.op in ("number", "based"):
            if node.op == "based" and node.value == NO_VALUE:
                raise Undecided
            bits = node.value.numerator.bit_length() + node.value.denominator.bit_length()
            self.written = min(self.written + bits // 3, 2 * LONGEST_EXPRESSION)
            return node.value
        if node.op == "name":
            return self.names[node.name]
        if node.op == "constant":
            return self._constant(node.name)
        parts = [self.value(part) for part in node.parts]
        if node.op == "+":
            total = parts[0]
            for part in parts[1:]:
                total = self.sum(total, part)
            return total
        if node.op == "*":
            product = parts[0]
            for part in parts[1:]:
                product = self.product(product, part)
            return product
        if node.op == "/":
            return self.product(parts[0], self._inverse(parts[1]))
        if node.op == "^":
            return self._power(parts[0], parts[1])
        if node.op == "root":
            return self._power(parts[0], self._inverse(parts[1]))
        return self._function(node.op, parts)

    def is_zero(self, left: Real, right: Real) -> bool:
        """Whether two values differ by no more than what reckoning loses."""
        return bool(self.sum(left, self.product(right, Fraction(-1))) == 0)

    def many(self, value: Real) -> Any:
        """The value as a number of mpmath."""
        if type(value) is not Fraction:
            return value
        if value:
            self._met(_orders(value))
        context = _context(self.digits)
        return context.mpf(value.numerator) / value.denominator

    def _met(self, orders: float) -> None:
        self.orders += orders
        if self.orders > MAX_ORDERS:
            raise TooLarge

    def _constant(self, name: str) -> Real:
        context = _context(self.digits)
        if name == "pi":
            return +context.pi
        if name == "e":
            return +context.e
        if name == "i":
            return context.mpc(0, 1)
        raise Undecided

    def sum(self, a: Real, b: Real) -> Real:
        """The sum; 0 where the two cancel but for rounding."""
        if type(a) is Fraction and type(b) is Fraction:
            return _bounded(a + b)
        a, b = self.many(a), self.many(b)
        total = a + b
        if abs(total) <= max(abs(a), abs(b)) * self._least():
            return Fraction(0)
        return total

    def _least(self) -> Any:
        """What is this much smaller than what it was made of is nothing but rounding."""
        return _context(self.digits).mpf(10) ** (20 - self.digits)

    def product(self, a: Real, b: Real) -> Real:
        """The product."""
        if a == 0 or b == 0:
            return Fraction(0)
        if type(a) is Fraction and type(b) is Fraction:
            return _bounded(a * b)
        return self.many(a) * self.many(b)

    def _inverse(self, a: Real) -> Real:
        if a == 0:
            raise Undecided
        return 1 / a

    def _power(self, a: Real, b: Real) -> Real:
        if a == 0:
            if type(b) is Fraction and b > 0:
                return Fraction(0)
            raise Undecided
        if type(b) is Fraction and type(a) is Fraction:
            exact = _exact_power(a, b)
            if exact is not None:
                return exact
        if b == 0:
            return Fraction(1)
        context = _context(self.digits)
        base, exponent = self.many(a), self.many(b)
        size = float(abs(context.re(exponent))) * abs(float(context.log10(abs(base))))
        self._met(size + float(abs(context.im(exponent))))
        if type(b) is Fraction and b.denominator % 2 and _is_negative(base):
            # A real root is meant: the cube root of -8 is -2.
            sign = -1 if b.numerator % 2 else 1
            return sign * context.power(-base, exponent)
        if self.real and _is_negative(base):
            raise Undecided
        return context.power(base, exponent)

    def _function(self, name: str, parts: list[Real]) -> Real:
        context, first = _context(self.digits), parts[0]
        if name == "abs":
            return abs(first)
        if name == "!":
            return _factorial(first)
        if name == "binom":
            return _binomial(*parts)
        if name in ("floor", "ceil"):
            if type(first) is not Fraction:
                raise Undecided
            return Fraction(math.floor(first) if name == "floor" else math.ceil(first))
        if name in ("log", "ln"):
            return self._logarithm(name, parts)
        if name == "exp":
            return self._power(self._constant("e"), first)
        if name not in _ELEMENTARY:
            raise Undecided  # a list or a relation, which has no value
        if first == 0:
            first = Fraction(0)
        size = abs(self.many(first))
        if size > 10**6 or (self.real and name in ("arcsin", "arccos") and size > 1):
            raise Undecided
        found = getattr(context, _ELEMENTARY[name])(self.many(first))
        if abs(found) * self._least() > 1:
            raise Undecided  # a pole, but for rounding
        return Fraction(0) if abs(found) < self._least() * max(1, size) else found

    def _logarithm(self, name: str, parts: list[Real]) -> Real:
        if any(part == 0 for part in parts):
            raise Undecided
        if self.real and any(_is_negative(part) for part in parts):
            raise Undecided
        context = _context(self.digits)
        of = context.log(self.many(parts[-1]))
        of = Fraction(0) if abs(of) < self._least() else of
        if name == "ln" or (len(parts) == 1 and not self.log_base):
            return of
        below = context.log(self.many(parts[0] if len(parts) == 2 else Fraction(self.log_base)))
        if abs(below) < self._least():
            raise Undecided
        return self.product(of, 1 / below)


_ELEMENTARY = {
    **{name: name for name in ("sin", "cos", "tan", "cot", "sec", "csc", "sinh", "cosh", "tanh")},
    "arcsin": "asin",
    "arccos": "acos",
    "arctan": "atan",
}


def _is_negative(value: Real) -> bool:
    if type(value) is Fraction:
        return value < 0
    return bool(value.imag == 0 and value.real < 0)


def _bounded(value: Fraction) -> Fraction:
    if value.numerator.bit_length() + value.denominator.bit_length() > MAX_BITS:
        raise TooLarge
    return value


def _orders(value: Fraction) -> float:
    bits = value.numerator.bit_length() - value.denominator.bit_length()
    return abs(bits) * math.log10(2)


def _exact_power(a: Fraction, b: Fraction) -> Fraction | None:
    """``a ** b`` where it is rational; None where it is not, or not found to be."""
    if b.denominator > 1:
        root = _exact_root(a, b.denominator)
        return None if root is None else _exact_power(root, Fraction(b.numerator))
    if abs(a) != 1:
        bits = max(a.numerator.bit_length(), a.denominator.bit_length())
        if abs(b.numerator) * max(bits - 1, 1) > MAX_BITS:
            raise TooLarge
    return _bounded(a ** (b.numerator % 2 if abs(a) == 1 else b.numerator))


def _exact_root(a: Fraction, degree: int) -> Fraction | None:
    if (a < 0 and degree % 2 == 0) or degree > 64:
        return None
    above, below = _whole_root(abs(a.numerator), degree), _whole_root(a.denominator, degree)
    if above is None or below is None:
        return None
    return Fraction(above if a > 0 else -above, below)


def _whole_root(n: int, degree: int) -> int | None:
    if degree == 2:
        root = math.isqrt(n)
    elif n.bit_length() > 4096:
        return None
    else:
        low, high = 0, 1 << (n.bit_length() // degree + 1)
        while low < high:
            middle = (low + high + 1) // 2
            low, high = (middle, high) if middle**degree <= n else (low, middle - 1)
        root = low
    return root if root**degree == n else None


def _factorial(n: Real) -> Fraction:
    if type(n) is not Fraction or n.denominator != 1 or n < 0:
        raise Undecided
    if n * max(n.numerator.bit_length(), 1) > MAX_BITS:
        raise TooLarge
    return Fraction(math.factorial(n.numerator))


def _binomial(n: Real, k: Real) -> Fraction:
    if not all(type(x) is Fraction and x.denominator == 1 and x >= 0 for x in (n, k)):
        raise Undecided
    if n.numerator.bit_length() * min(k, abs(n - k)) > MAX_BITS:
        raise TooLarge
    return Fraction(math.comb(n.numerator, k.numerator))
