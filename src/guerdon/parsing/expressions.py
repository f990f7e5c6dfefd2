r"""Mathematical expressions of answers, compared by their values at fixed points.

Two expressions that differ at a point are different; two that agree at several generic points
are the same identity. What can't be told apart safely in floating point is left undecided.
"""

from __future__ import annotations

import cmath
import math
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import lru_cache

LONGEST_EXPRESSION = 300
"""Characters of an expression that is read at all."""

MAX_DEPTH = 24
"""Brackets inside brackets that are read."""

Number = tuple[complex, ...]
"""The value of an expression at each point."""

_POINTS = 3
_LARGEST, _SMALLEST = 1e7, 1e-3  # beyond these, rounding could pass for a difference
_SAME, _DIFFERENT = 1e-11, 1e-5

_TOKEN = re.compile(r"\s*(?:(\d+(?:\.\d+)?|\.\d+)|(\\[a-zA-Z]+|\\[{}|]|\\\\)|(.))", re.DOTALL)
_THOUSANDS = re.compile(r"\d,\d{3}(?!\d)")
_SPELT = re.compile(r"(?<![\\a-zA-Z])[a-z]*(?:sqrt|sin|cos|tan|log|ln|exp|pi|inf|mod|max|min)")
_NAMED: dict[str, complex] = {"\\pi": math.pi, "π": math.pi, "e": math.e, "i": 1j}
_CLOSING = {"(": ")", "[": "]", "\\{": "\\}", "|": "|"}
_TIMES = frozenset(["*", "\\cdot", "\\times", "·", "×"])
_GREEK = frozenset("\\" + name for name in ["alpha", "beta", "gamma", "theta", "lambda", "phi"])


class Undecided(Exception):
    """The text is no expression of this small language, or its value can't be trusted."""


@dataclass(frozen=True)
class Several:
    """Items between brackets; ``left`` and ``right`` are "" for a bare list."""

    left: str
    right: str
    items: tuple[Value, ...]


Value = Number | Several


def same_expression(one: str, two: str) -> bool | None:
    r"""Whether two expressions are equal: None where this can't be told safely.

    Reads numbers, one-letter variables, ``+ - * / ^``, juxtaposition, ``\frac``, ``\sqrt``,
    ``|x|``, ``\pi``, elementary functions, tuples, intervals, sets and matrices. Sets and bare
    lists are compared without order; the kind of bracket counts. Never raises; time is bounded
    by `LONGEST_EXPRESSION`, since every number is a machine float.
    """
    left, right = _value(one), _value(two)
    return None if left is None or right is None else _same(left, right)


def _value(text: str) -> Value | None:
    # Only short texts are remembered: what is kept of hostile ones is bounded too.
    return _read(text) if len(text) <= LONGEST_EXPRESSION else None


@lru_cache(maxsize=4096)
def _read(text: str) -> Value | None:
    if _THOUSANDS.search(text) or _SPELT.search(text):
        return None  # "1,000" may be two numbers, "sin" three variables
    try:
        return _Reader(text).whole()
    except (Undecided, ArithmeticError, ValueError, RecursionError):
        return None


def _same(one: Value, two: Value) -> bool | None:
    if isinstance(one, Several) and isinstance(two, Several):
        if (one.left, one.right) != (two.left, two.right):
            # An open interval is no closed one; a bare list and a tuple may mean the same.
            return False if "" not in (one.left, two.left) else None
        if len(one.items) != len(two.items):
            return False
        if one.left in ("", "\\{"):
            return _same_unordered(one.items, two.items)
        return _all(_same(a, b) for a, b in zip(one.items, two.items, strict=True))
    for value in (one, two):
        if isinstance(value, Several):
            return False if len(value.items) > 1 else None  # {5} and 5 may mean the same
    assert not isinstance(one, Several)
    assert not isinstance(two, Several)
    return _all(_close(a, b) for a, b in zip(one, two, strict=True))


def _all(verdicts: Iterable[bool | None]) -> bool | None:
    found = list(verdicts)
    return False if False in found else None if None in found else True


def _same_unordered(one: tuple[Value, ...], two: tuple[Value, ...]) -> bool | None:
    left = list(two)
    for item in one:
        verdicts = [_same(item, other) for other in left]
        if True not in verdicts:
            return None if None in verdicts else False
        left.pop(verdicts.index(True))
    return True


def _close(a: complex, b: complex) -> bool | None:
    if a == b:
        return True
    size = max(abs(a), abs(b))
    if size < _SMALLEST:
        return None
    gap = abs(a - b) / size
    return True if gap < _SAME else False if gap > _DIFFERENT else None


def _checked(value: complex) -> complex:
    if not abs(value) < _LARGEST:
        raise Undecided
    return value


def _divided(a: complex, b: complex) -> complex:
    if abs(b) < _SMALLEST:
        raise Undecided
    return a / b


def _power(a: complex, b: complex) -> complex:
    if b.imag == 0 and b.real == int(b.real):
        return _divided(1, a ** -int(b.real)) if b.real < 0 else a ** int(b.real)
    return _off_the_cut(a) ** b


def _logarithm(a: complex) -> complex:
    return cmath.log(_off_the_cut(a))


def _off_the_cut(a: complex) -> complex:
    if a.real <= 0 and abs(a.imag) < _SMALLEST:
        raise Undecided  # here rounding decides which branch is taken
    return a


_FUNCTIONS: dict[str, Callable[[complex], complex]] = {
    "\\sin": cmath.sin,
    "\\cos": cmath.cos,
    "\\tan": cmath.tan,
    "\\exp": cmath.exp,
    "\\ln": _logarithm,
}


def _variable(name: str) -> Number:
    """Generic complex numbers, some with a negative real part, that depend on the name."""
    seed = sum(map(ord, name))
    return tuple(
        cmath.rect(0.6 + math.modf(seed * 0.618034 + k * 0.271)[0], seed * 1.7 + k * 2.1)
        for k in range(_POINTS)
    )


class _Reader:
    """Recursive descent over the tokens, computing as it reads."""

    def __init__(self, text: str) -> None:
        self.tokens = [m.group().strip() for m in _TOKEN.finditer(text) if m.group().strip()]
        self.at = 0
        self.depth = 0

    def whole(self) -> Value:
        value = self._list("", "")
        if self.at < len(self.tokens):
            raise Undecided
        return value

    def _peek(self) -> str:
        return self.tokens[self.at] if self.at < len(self.tokens) else ""

    def _take(self) -> str:
        token = self._peek()
        if not token:
            raise Undecided
        self.at += 1
        return token

    def _expect(self, token: str) -> None:
        if self._take() != token:
            raise Undecided

    def _list(self, left: str, right: str) -> Value:
        items = [self._sum()]
        while self._peek() == ",":
            self._take()
            items.append(self._sum())
        if len(items) == 1 and left != "\\{":
            return items[0]
        return Several(left, right, tuple(items))

    def _sum(self) -> Value:
        total = self._term()
        while self._peek() in ("+", "-", "−"):
            sign = 1 if self._take() == "+" else -1
            total = _apply(lambda a, b, s=sign: a + s * b, total, self._term())
        return total

    def _term(self) -> Value:
        if self._peek() in ("-", "−", "+"):
            sign = 1 if self._take() == "+" else -1
            return _apply(lambda a: sign * a, self._term())
        product = self._factor()
        while True:
            token = self._peek()
            if token in _TIMES:
                self._take()
                product = _apply(lambda a, b: a * b, product, self._factor())
            elif token in ("/", "\\div", "÷"):
                self._take()
                product = _apply(_divided, product, self._factor())
            elif self._begins_factor(token):
                if token[0].isdigit() or token[0] == ".":
                    raise Undecided  # "2 3": two numbers side by side are no product
                product = _apply(lambda a, b: a * b, product, self._factor())
            else:
                return product

    def _begins_factor(self, token: str) -> bool:
        return bool(token) and (
            token[0].isalnum() or token in ("(", "π") or (token[0] == "\\" and self._is_atom(token))
        )

    def _is_atom(self, token: str) -> bool:
        return token in _NAMED or token in _FUNCTIONS or token in _GREEK or token in _STRUCTURES

    def _factor(self) -> Value:
        base = self._atom()
        if self._peek() == "^":
            self._take()
            base = _apply(_power, base, self._argument(signed=True))
        return base

    def _argument(self, signed: bool = False) -> Value:
        """What follows ``^`` or ``\\frac``: a braced expression, one digit or one atom."""
        if self._peek() == "{":
            return self._inside("{", "}")
        if signed and self._peek() in ("-", "−"):
            raise Undecided
        token = self._peek()
        if len(token) > 1 and token[0].isdigit():
            if signed or "." in token:
                raise Undecided  # "2^10" means 2^{1}0 in LaTeX and 2^{10} elsewhere
            self.tokens[self.at] = token[1:]
            return _constant(float(token[0]))
        return self._atom()

    def _inside(self, left: str, right: str) -> Value:
        self._expect(left)
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise Undecided
        value = self._list("", "")
        self._expect(right)
        self.depth -= 1
        return value

    def _atom(self) -> Value:
        token = self._take()
        if token[0].isdigit() or token[0] == ".":
            return _constant(_checked(float(token)))
        if token in _NAMED:
            return _constant(_NAMED[token])
        if token in _GREEK or (len(token) == 1 and token.isalpha()):
            return _variable(token)
        if token == "{":
            self.at -= 1
            return self._inside("{", "}")
        if token in _CLOSING:
            return self._bracketed(token)
        if token in _FUNCTIONS:
            if self._peek() in ("^", "_"):
                raise Undecided
            return _apply(_FUNCTIONS[token], self._factor())
        if token in _STRUCTURES:
            return _STRUCTURES[token](self)
        raise Undecided

    def _bracketed(self, left: str) -> Value:
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise Undecided
        value = self._sum() if left == "|" else self._list(left, "")
        right = self._take()
        self.depth -= 1
        if left == "|":
            if right != "|":
                raise Undecided
            return _apply(lambda a: complex(abs(a)), value)
        if right not in (_CLOSING[left], *(")]" if left in "([" else ())):
            raise Undecided
        if isinstance(value, Several) and value.left == left and value.right == "":
            return Several(left, right, value.items)
        if right != _CLOSING[left]:
            raise Undecided
        return value

    def _fraction(self) -> Value:
        above = self._argument()
        return _apply(_divided, above, self._argument())

    def _root(self) -> Value:
        degree: Value = _constant(2)
        if self._peek() == "[":
            degree = self._inside("[", "]")
        return _apply(lambda a, n: _power(a, _divided(1, n)), self._argument(), degree)

    def _matrix(self) -> Value:
        kind = self._name()
        rows: list[Value] = []
        cells = [self._sum()]
        while True:
            token = self._take()
            if token == "&":
                cells.append(self._sum())
                continue
            rows.append(Several("row", "row", tuple(cells)))
            if token == "\\\\" and self._peek() != "\\end":
                cells = [self._sum()]
                continue
            if token == "\\\\":
                self._take()
            elif token != "\\end":
                raise Undecided
            if self._name() != kind or not kind.endswith("matrix"):
                raise Undecided
            return Several(kind, kind, tuple(rows))

    def _name(self) -> str:
        self._expect("{")
        letters = []
        while (token := self._take()) != "}":
            letters.append(token)
        return "".join(letters)


_STRUCTURES: dict[str, Callable[[_Reader], Value]] = {
    "\\frac": _Reader._fraction,
    "\\sqrt": _Reader._root,
    "\\begin": _Reader._matrix,
}


def _constant(value: complex) -> Number:
    return (complex(value),) * _POINTS


def _apply(function: Callable[..., complex], *values: Value) -> Number:
    if any(isinstance(value, Several) for value in values):
        raise Undecided
    return tuple(_checked(function(*at)) for at in zip(*values, strict=True))
