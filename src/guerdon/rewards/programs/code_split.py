"""Takes a test's expression apart: what the program is asked, and what is computed from that.

A program decides what its own objects, functions and built-in names mean, so it is asked for
values alone: ``abs(f(2) - 17) < 0.1`` asks it for ``f(2)``, and subtraction, ``abs`` and
comparison are done by `code_pure` outside. What can't be taken apart so is refused.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from guerdon.rewards.programs.code_forms import (
    KNOWN,
    check_call,
    check_chain,
    check_loop,
    check_scalar,
    check_sides,
    check_text,
    check_truth,
    check_unknown,
    computed,
    free_names,
    is_outside_call,
    may_be_text,
    owners,
    root,
    rounds,
    values_of,
    written,
)
from guerdon.rewards.programs.code_functions import ARITHMETIC, FUNCTIONS, METHODS
from guerdon.rewards.programs.code_pure import FAILURES, Work, dotted, evaluate, shown
from guerdon.rewards.programs.code_values import same_value, weight

_MAX_CALLS = 1000


Known = Mapping[str, Any]
"""Names of loops whose values are known already."""

Late = Mapping[str, bool]
"""Names of loops over what the program returns, and whether their values are the program's."""


@dataclass(frozen=True)
class Split:
    """``calls`` are what the program is asked; ``rest`` has their values by names <0>, <1>..."""

    calls: tuple[str, ...]
    rest: ast.expr


def split(node: ast.expr, wanted: Any = True, decides: bool = False) -> Split:
    """Take an expression apart whose value must be ``wanted``.

    ``decides``: it must be true or false, as after ``assert``. Raises ValueError, with the
    reason, for an expression that can't be decided outside, that asks the program nothing, or
    that comes out as wanted whatever the program returns.
    """
    splitter = _Splitter()
    try:
        rest = splitter.rest(node, {}, {})
    except RecursionError:
        raise ValueError("it is nested too deep") from None
    if decides:
        check_truth(rest)
    if not splitter.calls:
        raise ValueError("it asks nothing of the program")
    if not _says_what_is_not(rest, wanted) and all(
        _comes_out(rest, len(splitter.calls), nothing, wanted) for nothing in _NOTHINGS
    ):
        raise ValueError("it comes out the same whatever the program returns")
    return Split(tuple(splitter.calls), rest)


_NOTHINGS = ("guerdon", 9_182_736_450, None, True, ["guerdon"], {"guerdon": 0}, (0.77,))
"""Values of many kinds that no test expects."""


def _says_what_is_not(rest: ast.expr, wanted: Any) -> bool:
    """Whether it is honest that nearly any value passes: the test names a wrong one."""
    negations = (ast.NotEq, ast.NotIn, ast.IsNot, ast.Not)
    return wanted is False or any(isinstance(one, negations) for one in ast.walk(rest))


def _comes_out(rest: ast.expr, calls: int, value: Any, wanted: Any) -> bool:
    try:
        found = evaluate(rest, {place(number): value for number in range(calls)})
    except FAILURES:
        return False
    return same_value(found, wanted)


def place(number: int) -> str:
    """The name in ``rest`` of what the call of that number gave; no program can have it."""
    return f"<{number}>"


@dataclass
class _Splitter:
    """Collects the calls of one expression."""

    calls: list[str] = field(default_factory=list)
    work: Work = field(default_factory=Work)

    def rest(self, node: ast.expr, now: Known, late: Late) -> ast.expr:
        self.work.spend(sum(1 for _ in ast.walk(node)))
        names = free_names(node)
        asked = names - now.keys() - late.keys() - KNOWN
        if not asked and not names & late.keys():
            return computed(node, now, self.work)
        if root(node) in asked and not is_outside_call(node):
            return self.ask(node, now, late)
        take = _TAKEN_APART.get(type(node))
        if take is None:
            raise ValueError(f"{shown(node)} would be decided inside the sandbox")
        return take(self, node, now, late)

    def all(self, nodes: Sequence[ast.expr], now: Known, late: Late) -> list[ast.expr]:
        return [self.rest(node, now, late) for node in nodes]

    def ask(self, node: ast.expr, now: Known, late: Late) -> ast.expr:
        check_chain(node)
        if free_names(node) & late.keys():
            raise ValueError(f"{shown(node)} would be asked for each value of the program's own")
        self.work.spend(5 * sum(1 for _ in ast.walk(node)))
        text = ast.unparse(node)
        if given := sorted(free_names(node) & now.keys()):
            self.work.spend(5 * sum(weight(now[name]) for name in given))
            values = ", ".join(written(now[name]) for name in given)
            text = f"(lambda {', '.join(given)}: {text})({values})"
        self.calls.append(text)
        if len(self.calls) > _MAX_CALLS:
            raise ValueError(f"it asks the program more than {_MAX_CALLS} times")
        return ast.Name(place(len(self.calls) - 1), ast.Load())

    def display(self, node: Any, now: Known, late: Late) -> ast.expr:
        if isinstance(node, ast.Dict):
            keys = [key for key in node.keys if key is not None]
            if len(keys) < len(node.keys):
                raise ValueError("** is not read")
            return ast.Dict(
                [self.rest(key, now, late) for key in keys], self.all(node.values, now, late)
            )
        elements = self.all(node.elts, now, late)
        return type(node)(elements) if isinstance(node, ast.Set) else type(node)(elements, node.ctx)

    def binary(self, node: ast.BinOp, now: Known, late: Late) -> ast.expr:
        left, right = self.all([node.left, node.right], now, late)
        if type(node.op) not in ARITHMETIC:
            raise ValueError(f"{shown(node)} has an operator that is not read")
        if not isinstance(node.op, ast.Add | ast.Mult):
            check_sides(left, right, late, node)
            for side in (left, right):
                check_scalar(side, node, int, float)
        return ast.BinOp(left, node.op, right)

    def unary(self, node: ast.UnaryOp, now: Known, late: Late) -> ast.expr:
        operand = self.rest(node.operand, now, late)
        if isinstance(node.op, ast.Not):
            check_truth(operand)
        return ast.UnaryOp(node.op, operand)

    def either(self, node: ast.BoolOp, now: Known, late: Late) -> ast.expr:
        values = self.all(node.values, now, late)
        for value in values:
            check_unknown(value)
            check_truth(value)
        return ast.BoolOp(node.op, values)

    def compare(self, node: ast.Compare, now: Known, late: Late) -> ast.expr:
        sides = self.all([node.left, *node.comparators], now, late)
        for op, left, right in zip(node.ops, sides, sides[1:], strict=False):
            check_sides(left, right, late, node)
            if isinstance(op, ast.Lt | ast.LtE | ast.Gt | ast.GtE):
                for side in (left, right):
                    check_scalar(side, node, int, float, str)
        return ast.Compare(sides[0], node.ops, sides[1:])

    def subscript(self, node: ast.Subscript, now: Known, late: Late) -> ast.expr:
        holder = self.rest(node.value, now, late)
        if not isinstance(node.slice, ast.Slice):
            return ast.Subscript(holder, self.rest(node.slice, now, late), node.ctx)
        parts = (node.slice.lower, node.slice.upper, node.slice.step)
        found = [None if part is None else self.rest(part, now, late) for part in parts]
        return ast.Subscript(holder, ast.Slice(*found), node.ctx)

    def call(self, node: ast.Call, now: Known, late: Late) -> ast.expr:
        name = dotted(node.func)
        if any(isinstance(one, ast.Starred) for one in node.args) or any(
            one.arg is None for one in node.keywords
        ):
            raise ValueError("* and ** are not read")
        if name == "map" and not node.keywords and len(node.args) > 1:
            return self.mapped(node, now, late)
        arguments = self.all(node.args, now, late)
        settings = [ast.keyword(k.arg, self.rest(k.value, now, late)) for k in node.keywords]
        if name in FUNCTIONS:
            check_call(name, arguments, settings, late, node)
            return ast.Call(node.func, arguments, settings)
        if isinstance(node.func, ast.Attribute) and node.func.attr in METHODS and not settings:
            receiver = self.rest(node.func.value, now, late)
            if not may_be_text(receiver):
                raise ValueError(f"{shown(node.func)} is a method of text only")
            if node.func.attr != "join":
                check_text(arguments, node)
            check_sides(receiver, ast.Tuple(arguments, ast.Load()), late, node)
            method = ast.Attribute(receiver, node.func.attr, ast.Load())
            return ast.Call(method, arguments, [])
        raise ValueError(f"{shown(node.func)} would be decided inside the sandbox")

    def mapped(self, node: ast.Call, now: Known, late: Late) -> ast.expr:
        """``map(f, VALUES)``: one call per value."""
        function, *several = node.args
        if not isinstance(function, ast.Name):
            raise ValueError(f"{shown(node)} maps no function by name")
        lists = [values_of(one, now, self.work) for one in several]
        inside = [f"given_{k}" for k in range(len(lists))]
        call = ast.Call(function, [ast.Name(name, ast.Load()) for name in inside], [])
        rounds = [dict(zip(inside, items, strict=True)) for items in zip(*lists, strict=False)]
        return ast.List([self.rest(call, {**now, **found}, late) for found in rounds], ast.Load())

    def loop(self, node: Any, now: Known, late: Late) -> ast.expr:
        """A comprehension: written out over known values, kept over what the program returned."""
        loops = node.generators
        if any(one.is_async for one in loops):
            raise ValueError("async is not read")
        if not free_names(loops[0].iter) - now.keys() - KNOWN:
            return self.written_out(node, now, late)
        kept, inside = [], dict(late)
        for one in loops:
            if one.ifs:
                raise ValueError(f"'if' in a loop over what the program returns: {shown(node)}")
            over = self.rest(one.iter, now, inside)
            check_loop(over, inside, one.iter)
            inside.update(owners(one.target, over, inside))
            now = {name: value for name, value in now.items() if name not in inside}
            kept.append(ast.comprehension(one.target, over, [], 0))
        if isinstance(node, ast.DictComp):
            key, value = self.all([node.key, node.value], now, inside)
            return ast.DictComp(key, value, kept)
        made: ast.expr = type(node)(self.rest(node.elt, now, inside), kept)
        return made

    def written_out(self, node: Any, now: Known, late: Late) -> ast.expr:
        keys: list[ast.expr] = []
        elements: list[ast.expr] = []
        for found in rounds(node.generators, now, self.work):
            seen = {name: own for name, own in late.items() if name not in found}
            if isinstance(node, ast.DictComp):
                keys.append(self.rest(node.key, found, seen))
                elements.append(self.rest(node.value, found, seen))
            else:
                elements.append(self.rest(node.elt, found, seen))
        if isinstance(node, ast.DictComp):
            return ast.Dict(list(keys), elements)
        return (
            ast.Set(elements) if isinstance(node, ast.SetComp) else ast.List(elements, ast.Load())
        )


_TAKEN_APART: Mapping[type, Callable[..., ast.expr]] = {
    **dict.fromkeys((ast.List, ast.Tuple, ast.Set, ast.Dict), _Splitter.display),
    ast.BinOp: _Splitter.binary,
    ast.UnaryOp: _Splitter.unary,
    ast.BoolOp: _Splitter.either,
    ast.Compare: _Splitter.compare,
    ast.Subscript: _Splitter.subscript,
    ast.Call: _Splitter.call,
    # a name of a loop over what the program returned
    ast.Name: lambda splitter, node, now, late: node,
    **dict.fromkeys((ast.ListComp, ast.SetComp, ast.GeneratorExp, ast.DictComp), _Splitter.loop),
}
