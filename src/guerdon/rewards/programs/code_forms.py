"""What a test's expression must be like, so that it can't be passed for nothing.

Each check raises ValueError with the reason. ``late`` are names of loops over what the program
returned, and whether their values are the program's; names <0>, <1> are the program's values.
"""

from __future__ import annotations

import ast
import builtins
import math
import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from guerdon.rewards.programs.code_functions import FUNCTIONS, TRUTHS, TYPES, listed, truth
from guerdon.rewards.programs.code_pure import FAILURES, Work, dotted, evaluate, shown, unpacked
from guerdon.rewards.programs.code_values import check_plain

KNOWN = frozenset({"math", *TYPES, *(name for name in FUNCTIONS if "." not in name)})
"""Names that mean the built-in thing, whatever the program calls so."""

_BUILT_IN = frozenset(dir(builtins)) - KNOWN
_MODULES = sys.stdlib_module_names | {"np", "numpy", "pd", "pandas", "torch", "scipy", "pytest"}
_DECIDES = frozenset({"issubset", "issuperset", "isdisjoint", "equals", "eq"})
"""Methods that would compare inside the sandbox, or hold for an empty result."""

_DISPLAYS = (ast.List, ast.Tuple, ast.Set, ast.Dict, ast.ListComp, ast.SetComp, ast.DictComp)


def free_names(node: ast.AST) -> set[str]:
    """Names that an expression reads and does not bind itself."""
    names = [one for one in ast.walk(node) if isinstance(one, ast.Name)]
    bound = {one.id for one in names if not isinstance(one.ctx, ast.Load)}
    bound |= {one.arg for one in ast.walk(node) if isinstance(one, ast.arg)}
    return {one.id for one in names} - bound


def root(node: ast.expr) -> str | None:
    """The name that a chain of calls, attributes and subscripts begins with."""
    while isinstance(node, ast.Call | ast.Attribute | ast.Subscript):
        node = node.func if isinstance(node, ast.Call) else node.value
    return node.id if isinstance(node, ast.Name) else None


def asks(node: ast.AST, late: Mapping[str, bool]) -> bool:
    """Whether something of the program's is in an expression that was taken apart."""
    names = (one.id for one in ast.walk(node) if isinstance(one, ast.Name))
    return any(name.startswith("<") or late.get(name, False) for name in names)


def is_outside_call(node: ast.expr) -> bool:
    """``map(..)``, and methods of text that say yes or no: inside, any object would answer."""
    if not isinstance(node, ast.Call):
        return False
    method = isinstance(node.func, ast.Attribute) and node.func.attr in TRUTHS
    return method or dotted(node.func) == "map"


def check_chain(node: ast.expr) -> None:
    """What the program is asked must be a name of its own, and no comparison in disguise."""
    name, one = root(node), node
    if name in _BUILT_IN:
        raise ValueError(f"{name!r} would be decided inside the sandbox")
    while isinstance(one, ast.Call | ast.Attribute | ast.Subscript):
        if isinstance(one, ast.Attribute):
            if one.attr.startswith("__") or one.attr in _DECIDES:
                raise ValueError(f".{one.attr} would be decided inside the sandbox")
            if isinstance(one.value, ast.Name | ast.Attribute) and name in _MODULES:
                raise ValueError(f"{shown(node)} would be decided inside the sandbox")
        one = one.func if isinstance(one, ast.Call) else one.value


def computed(node: ast.expr, now: Mapping[str, Any], work: Work) -> ast.expr:
    """An expression without the program, as its value."""
    try:
        value = evaluate(node, now, work)
        check_plain(value)
    except FAILURES as error:
        raise ValueError(f"{shown(node)} can't be computed: {error}") from None
    return ast.Constant(value)


def values_of(node: ast.expr, now: Mapping[str, Any], work: Work) -> list[Any]:
    """The elements of an expression without the program."""
    constant = computed(node, now, work)
    assert isinstance(constant, ast.Constant)
    try:
        return listed(constant.value)
    except TypeError as error:
        raise ValueError(f"{shown(node)}: {error}") from None


def written(value: Any) -> str:
    """A known value as an expression that gives it. ValueError where it has none."""
    text = repr(set(value) or "" if isinstance(value, frozenset) else value)
    try:
        if ast.literal_eval(text) == value:
            return text
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        pass
    raise ValueError(f"{text[:60]} can't be handed to the program")


def rounds(
    loops: Sequence[ast.comprehension], now: Mapping[str, Any], work: Work
) -> Iterator[dict[str, Any]]:
    """The names of every round of nested loops over known values."""
    if not loops:
        yield dict(now)
        return
    loop, *inner = loops
    for item in values_of(loop.iter, now, work):
        work.spend(20)
        try:
            found = {**now, **unpacked(loop.target, item)}
            kept = all(truth(evaluate(test, found, work)) for test in loop.ifs)
        except FAILURES as error:
            raise ValueError(f"a loop over {shown(loop.iter)}: {error}") from None
        if kept:
            yield from rounds(inner, found, work)


def owners(target: ast.expr, over: ast.expr, late: Mapping[str, bool]) -> dict[str, bool]:
    """The names that a loop binds, and whether their values are the program's."""
    parts = over.args if isinstance(over, ast.Call) and dotted(over.func) == "zip" else []
    if isinstance(target, ast.Tuple) and len(target.elts) == len(parts):
        found: dict[str, bool] = {}
        for one, part in zip(target.elts, parts, strict=True):
            found.update(dict.fromkeys(_bound(one), asks(part, late)))
        return found
    return dict.fromkeys(_bound(target), asks(over, late))


def _bound(target: ast.expr) -> list[str]:
    return [one.id for one in ast.walk(target) if isinstance(one, ast.Name)]


def check_loop(over: ast.expr, late: Mapping[str, bool], node: ast.expr) -> None:
    """A loop over what the program returns alone holds for an empty result."""
    paired = isinstance(over, ast.Call) and dotted(over.func) == "zip"
    # that a zip has a part that is known was seen when it was taken apart
    if paired or not asks(over, late):
        return
    raise ValueError(
        f"a loop over {shown(node)} holds for an empty result; loop over zip(.., expected values)"
    )


def check_sides(left: ast.expr, right: ast.expr, late: Mapping[str, bool], node: ast.expr) -> None:
    """Of two things compared, one must be known."""
    if asks(left, late) and asks(right, late):
        raise ValueError(f"{shown(node)} compares the program with itself")


def check_scalar(side: ast.expr, node: ast.expr, *kinds: type) -> None:
    """Only numbers (and text) are reckoned with and ordered: an empty set is less than any."""
    sets = isinstance(side, ast.Call) and dotted(side.func) in ("set", "frozenset", "list", "tuple")
    other = isinstance(side, ast.Constant) and type(side.value) not in kinds
    if isinstance(side, _DISPLAYS) or sets or other:
        names = " and ".join(kind.__name__ for kind in kinds)
        raise ValueError(f"{shown(node)}: only {names} are read there")


def check_unknown(node: ast.expr) -> None:
    """A part of and, or, any() that is known beforehand decides it for any program."""
    if isinstance(node, ast.Constant):
        raise ValueError(f"{node.value!r} in and, or, any() holds whatever the program returns")


def check_truth(node: ast.expr) -> None:
    """What stands after assert, not, and, or, or in all() must be true or false."""
    if isinstance(node, ast.Compare | ast.BoolOp | ast.Name):
        return
    if isinstance(node, ast.Constant) and type(node.value) is bool:
        return
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
        return
    if isinstance(node, ast.Call):
        if dotted(node.func) in _TRUE_OR_FALSE:
            return
        if isinstance(node.func, ast.Attribute) and node.func.attr in TRUTHS:
            return
    raise ValueError("what it asserts is neither a comparison nor true or false; compare with ==")


_TRUE_OR_FALSE = frozenset(
    {"all", "any", "bool", "isinstance", "isclose", "math.isclose", "math.isnan", "math.isinf"}
)


def check_call(
    name: str,
    arguments: Sequence[ast.expr],
    settings: Sequence[ast.keyword],
    late: Mapping[str, bool],
    node: ast.expr,
) -> None:
    """The rules of single functions."""
    if name in ("all", "any", "sum"):
        _check_elements(name, arguments, node)
    if name == "zip" and all(asks(one, late) for one in arguments):
        raise ValueError(f"{shown(node)} holds nothing but what the program returns")
    if name == "isinstance" and len(arguments) == 2:
        check_sides(ast.Name("<0>", ast.Load()), arguments[1], late, node)
    if name.endswith("isclose"):
        if len(arguments) != 2:
            raise ValueError(f"{shown(node)}: isclose takes two values")
        check_sides(arguments[0], arguments[1], late, node)
        for setting in settings:
            _check_tolerance(setting, node)


def _check_elements(name: str, arguments: Sequence[ast.expr], node: ast.expr) -> None:
    several = arguments[0] if arguments else None
    if isinstance(several, ast.List | ast.Tuple | ast.Set):
        elements = several.elts
    elif isinstance(several, ast.ListComp | ast.SetComp | ast.GeneratorExp):
        elements = [several.elt]
    elif name == "sum":
        return
    else:
        raise ValueError(f"{shown(node)} holds for an empty result; compare the whole with ==")
    for element in elements:
        if name == "any":
            check_unknown(element)
        if name != "sum":
            check_truth(element)
        elif isinstance(element, ast.Compare | ast.BoolOp):
            raise ValueError(f"{shown(node)} adds up truths; write all(..) or any(..)")


def _check_tolerance(setting: ast.keyword, node: ast.expr) -> None:
    value = setting.value.value if isinstance(setting.value, ast.Constant) else None
    most = 1.0 if setting.arg == "rel_tol" else math.inf
    good = type(value) is not bool and isinstance(value, int | float) and 0 <= value < most
    if setting.arg not in ("rel_tol", "abs_tol") or not good:
        raise ValueError(f"{shown(node)}: rel_tol is from 0 to below 1, abs_tol from 0")


def check_text(arguments: Sequence[ast.expr], node: ast.expr) -> None:
    """Methods of text take text here, and nothing else that Python's take."""
    for one in arguments:
        if isinstance(one, ast.Constant) and not isinstance(one.value, str):
            raise ValueError(f"{shown(node)}: methods of text take text only")


def may_be_text(node: ast.expr) -> bool:
    """Whether a method of text may be called on this."""
    if isinstance(node, ast.Constant):
        return isinstance(node.value, str)
    return isinstance(node, ast.Name | ast.Subscript | ast.BinOp | ast.Call)
