"""Operators, functions and methods that a test may apply to a program's values, all bounded.

Stricter than Python's, so that nobody passes a test by a value of the wrong kind: a bool is no
number, truths are bools, ``zip`` wants equal lengths, NaN is neither more nor less.
"""

from __future__ import annotations

import ast
import math
import operator
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from guerdon.rewards.programs.code_values import Items, check_hashes, in_order, same_value

_MAX_ITEMS = 100_000
_MAX_BITS = 1 << 16

TYPES: Mapping[str, type] = {
    t.__name__: t
    for t in (bool, int, float, complex, str, bytes, list, tuple, dict, set, frozenset, range)
}


def listed(value: Any) -> list[Any]:
    """What a loop over a value gives, as a list; sets in one order, by kind and value."""
    kept = kind_of(value, list, tuple, str, bytes, range, dict, frozenset, set, Items)
    if not isinstance(kept, Items) and len(kept) > _MAX_ITEMS:
        raise ValueError("a loop that is too long")
    return in_order(kept) if isinstance(kept, frozenset | set) else list(kept)


def kind_of(value: Any, *kinds: type) -> Any:
    if not isinstance(value, kinds):
        raise TypeError(f"a {type(value).__name__} where a test wants something else")
    return value


def truth(value: Any) -> bool:
    return bool(kind_of(value, bool))


def number(value: Any) -> Any:
    """A number that is none of bool and NaN, and not too long to reckon with."""
    if type(value) not in (int, float) or value != value:
        raise TypeError(f"{type(value).__name__} is no number here")
    if type(value) is int and value.bit_length() > _MAX_BITS:
        raise ValueError("a number that is too long")
    return value


def whole(value: Any) -> int:
    if type(value) is not int:
        raise TypeError(f"a {type(value).__name__} is no index")
    return value


def set_of(items: Any = ()) -> frozenset[Any]:
    """The set of some items; those that Python takes for one must be of one type."""
    kept = listed(items)
    check_hashes(kept)
    first: dict[Any, Any] = {}
    for item in kept:
        if not same_value(first.setdefault(item, item), item, 0.0, True):
            raise ValueError("elements that Python takes for one")
    return frozenset(kept)


def dict_of(given: Any = (), pairs: Any = None) -> dict[Any, Any]:
    if pairs is None:
        pairs = given.items() if isinstance(given, dict) else map(listed, listed(given))
    kept = [(key, value) for key, value in pairs]
    set_of([key for key, _ in kept])
    return dict(kept)


ARITHMETIC: Mapping[type, Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
    ast.Pow: operator.pow,
}


def binary(op: ast.operator, a: Any, b: Any) -> Any:
    if type(op) not in ARITHMETIC:
        raise ValueError(f"the operator {type(op).__name__} is not read in a test")
    if type(a) in (str, bytes, list, tuple) and isinstance(op, ast.Add):
        return a + kind_of(b, type(a))
    if type(a) in (str, bytes, list, tuple) and isinstance(op, ast.Mult):
        if len(a) * whole(b) > _MAX_ITEMS:
            raise ValueError("a value that is too long")
        return a * b
    a, b = number(a), number(b)
    whole_power = isinstance(op, ast.Pow) and type(a) is type(b) is int
    if whole_power and a.bit_length() * max(b, 1) > _MAX_BITS:
        raise ValueError("a number that is too long")
    return _number_or_complex(ARITHMETIC[type(op)](a, b))


def _number_or_complex(value: Any) -> Any:
    return value if isinstance(value, complex) else number(value)


_ORDER: Mapping[type, Callable[[Any, Any], Any]] = {
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
}


def compared(op: ast.cmpop, left: Any, right: Any) -> bool:
    if isinstance(op, ast.Eq | ast.Is | ast.NotEq | ast.IsNot):
        return same_value(left, right, 0.0, True) is isinstance(op, ast.Eq | ast.Is)
    if isinstance(op, ast.In | ast.NotIn):
        return _among(left, right) is isinstance(op, ast.In)
    if isinstance(left, str) and isinstance(right, str):
        return bool(_ORDER[type(op)](left, right))
    return bool(_ORDER[type(op)](number(left), number(right)))


def _among(item: Any, several: Any) -> bool:
    if isinstance(several, str):
        if not kind_of(item, str):
            raise ValueError("an empty text is in every text")
        return item in several
    if isinstance(several, range):
        return type(item) is int and item in several
    return any(same_value(item, one, 0.0, True) for one in listed(several))


def _length(value: Any) -> int:
    return len(kind_of(value, list, tuple, str, bytes, range, dict, frozenset, set))


def _sum(items: Any, start: Any = 0) -> Any:
    total = number(start)
    for item in listed(items):
        total += number(item)
    return number(total)


def _sorted(items: Any, *, reverse: bool = False) -> list[Any]:
    kept = listed(items)
    _check_order(kept)
    return sorted(kept, reverse=truth(reverse))


def _check_order(items: Iterable[Any]) -> None:
    """ValueError where NaN is among the items, whose order is anybody's guess."""
    for item in items:
        if isinstance(item, float) and item != item:
            raise ValueError("NaN has no order")
        if isinstance(item, list | tuple):
            _check_order(item)


def _extreme(choose: Callable[..., Any]) -> Callable[..., Any]:
    def chosen(*given: Any) -> Any:
        items = listed(given[0]) if len(given) == 1 else list(given)
        _check_order(items)
        return choose(items)

    return chosen


def _zip(*given: Any) -> list[Any]:
    return list(zip(*map(listed, given), strict=True))


def _range(*given: Any) -> range:
    return range(*map(whole, given))


def _text(value: Any = "") -> str:
    if isinstance(value, str):
        return value
    _check_text(value)
    return repr(value)


def _check_text(value: Any) -> None:
    """Sets have no order of their own, so their text is anybody's guess."""
    inside = kind_of(value, bool, int, float, str, type(None), list, tuple, dict)
    if isinstance(inside, dict):
        inside = [*inside.keys(), *inside.values()]
    for one in inside if isinstance(inside, list | tuple) else ():
        _check_text(one)


def _round(value: Any, digits: Any = None) -> Any:
    if digits is None:
        return round(number(value))
    if abs(whole(digits)) > 400:
        raise ValueError("too many digits")
    return round(number(value), digits)


def _int(value: Any = 0) -> int:
    return int(value if isinstance(value, str) else number(value))


def _float(value: Any = 0.0) -> float:
    return float(value if isinstance(value, str) else number(value))


def _isinstance(value: Any, kinds: Any) -> bool:
    """By the very type: a bool is no int. Sets and frozen sets are not told apart."""
    several = kinds if isinstance(kinds, tuple) else (kinds,)
    return _plain_type(type(value)) in [_plain_type(kind_of(one, type)) for one in several]


def _plain_type(kind: type) -> type:
    return set if kind is frozenset else kind


def _type(value: Any) -> type:
    return _plain_type(type(value))


def _isclose(a: Any, b: Any, *, rel_tol: Any = 1e-9, abs_tol: Any = 0.0) -> bool:
    return math.isclose(number(a), number(b), rel_tol=number(rel_tol), abs_tol=number(abs_tol))


def _of_numbers(function: Callable[..., Any]) -> Callable[..., Any]:
    return lambda *given: function(*map(number, given))


def _all_or_any(decide: Callable[[Iterable[bool]], bool]) -> Callable[[Any], bool]:
    return lambda items: decide([truth(item) for item in listed(items)])


CONSTANTS = {f"math.{name}": getattr(math, name) for name in ("pi", "e", "tau", "inf")}

FUNCTIONS: Mapping[str, Callable[..., Any]] = {
    "len": _length,
    "sum": _sum,
    "sorted": _sorted,
    "min": _extreme(min),
    "max": _extreme(max),
    "abs": _of_numbers(abs),
    "round": _round,
    "list": lambda items=(): listed(items),
    "tuple": lambda items=(): tuple(listed(items)),
    "reversed": lambda items: listed(items)[::-1],
    "enumerate": lambda items: list(enumerate(listed(items))),
    "set": set_of,
    "frozenset": set_of,
    "dict": dict_of,
    "zip": _zip,
    "range": _range,
    "str": _text,
    "int": _int,
    "float": _float,
    "bool": lambda value=False: truth(value),
    "all": _all_or_any(all),
    "any": _all_or_any(any),
    "isinstance": _isinstance,
    "type": _type,
    "isclose": _isclose,
    "math.isclose": _isclose,
    "math.isnan": lambda value: math.isnan(kind_of(value, float)),
    **{
        f"math.{name}": _of_numbers(getattr(math, name))
        for name in ("sqrt", "exp", "log", "sin", "cos", "tan", "floor", "ceil", "fabs", "isinf")
    },
}
"""Functions by name; those of ``math`` under that name alone, but for isclose."""

_TEXT_METHODS = ("lower", "upper", "strip", "split", "splitlines", "startswith", "endswith")


def _method(name: str) -> Callable[..., Any]:
    """A method of text; an empty text as its argument, which fits any text, is refused."""

    def called(text: Any, *given: Any) -> Any:
        if "" in (kind_of(one, str) for one in given):
            raise ValueError("an empty text")
        return getattr(str, name)(kind_of(text, str), *given)

    return called


def _join(text: Any, items: Any) -> str:
    kept = listed(items)
    if len(kind_of(text, str)) * len(kept) > _MAX_ITEMS:
        raise ValueError("a text that is too long")
    return str(text.join(kept))


TRUTHS = ("startswith", "endswith", "isdigit", "isalpha", "isalnum", "isupper", "islower")
"""Methods of text whose answer is yes or no."""

METHODS: Mapping[str, Callable[..., Any]] = {
    **{name: _method(name) for name in (*_TEXT_METHODS, *TRUTHS, "isspace", "count")},
    "join": _join,
}
"""Methods of text."""
