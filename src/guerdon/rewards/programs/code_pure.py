"""What a test computes from a program's values, outside the sandbox: a small, bounded reader.

It reads Python's syntax tree, and knows the syntax below, what `code_functions` holds, and
nothing else: no name is looked up anywhere but there and in what it is given.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from guerdon.rewards.programs.code_functions import (
    CONSTANTS,
    FUNCTIONS,
    METHODS,
    TYPES,
    binary,
    compared,
    kind_of,
    listed,
    number,
    set_of,
    truth,
    whole,
)
from guerdon.rewards.programs.code_values import MOST_WEIGHT, checked_keys, same_value, weight

_MAX_WORK = MOST_WEIGHT
"""Nodes read and elements handled for one test, when it is taken apart and again when values are
judged: about a second.
"""

OPAQUE = object()
"""Stands for a value that is no plain data or is not there: to use it raises ValueError."""

FAILURES = (ValueError, TypeError, LookupError, ArithmeticError, MemoryError, RecursionError)
"""What an expression without a value raises."""


class Work:
    """What is left of the work that one test may take."""

    def __init__(self) -> None:
        self.left = _MAX_WORK

    def spend(self, work: int) -> None:
        """Raise ValueError where no more is left."""
        self.left -= work
        if self.left < 0:
            raise ValueError("a test that takes too much work")


def evaluate(node: ast.expr, names: Mapping[str, Any], work: Work | None = None) -> Any:
    """The value of an expression, where ``names`` stand for values.

    Raises one of `FAILURES` where it has none: ValueError for syntax and names that are not known
    here and for more work than is allowed (or is left of ``work``).
    """
    return _Reader(work or Work()).value(node, names)


class _Reader:
    """One evaluation and the work that is left to it."""

    def __init__(self, work: Work) -> None:
        self.spend = work.spend

    def value(self, node: ast.expr, names: Mapping[str, Any]) -> Any:
        self.spend(5)
        read = _SYNTAX.get(type(node))
        if read is None:
            raise ValueError(f"{shown(node)} is not read in a test")
        return read(self, node, names)

    def values(self, nodes: Iterable[ast.expr], names: Mapping[str, Any]) -> list[Any]:
        return [self.value(node, names) for node in nodes]

    def name(self, node: ast.Name, names: Mapping[str, Any]) -> Any:
        if node.id not in names and node.id not in TYPES:
            raise ValueError(f"the name {node.id!r} is not known in a test")
        value = names[node.id] if node.id in names else TYPES[node.id]
        if value is OPAQUE:
            raise ValueError("no plain value")
        return value

    def attribute(self, node: ast.Attribute, names: Mapping[str, Any]) -> Any:
        if dotted(node) not in CONSTANTS:
            raise ValueError(f"{shown(node)} is not read in a test")
        return CONSTANTS[dotted(node)]

    def display(self, node: ast.List | ast.Tuple | ast.Set, names: Mapping[str, Any]) -> Any:
        items = self.values(node.elts, names)
        if isinstance(node, ast.Set):
            return set_of(items)
        return items if isinstance(node, ast.List) else tuple(items)

    def dictionary(self, node: ast.Dict, names: Mapping[str, Any]) -> dict[Any, Any]:
        keys = self.values([key for key in node.keys if key is not None], names)
        return dict(zip(checked_keys(keys), self.values(node.values, names), strict=True))

    def binary(self, node: ast.BinOp, names: Mapping[str, Any]) -> Any:
        result = binary(node.op, self.value(node.left, names), self.value(node.right, names))
        self.spend(weight(result))
        return result

    def unary(self, node: ast.UnaryOp, names: Mapping[str, Any]) -> Any:
        value = self.value(node.operand, names)
        if isinstance(node.op, ast.Not):
            return not truth(value)
        if isinstance(node.op, ast.USub | ast.UAdd):
            return -number(value) if isinstance(node.op, ast.USub) else number(value)
        raise ValueError("~ is not read in a test")

    def either(self, node: ast.BoolOp, names: Mapping[str, Any]) -> bool:
        decides = isinstance(node.op, ast.Or)
        for one in node.values:
            if truth(self.value(one, names)) is decides:
                return decides
        return not decides

    def compare(self, node: ast.Compare, names: Mapping[str, Any]) -> bool:
        left = self.value(node.left, names)
        for op, following in zip(node.ops, node.comparators, strict=True):
            right = self.value(following, names)
            self.spend(weight(left) + weight(right))
            if not compared(op, left, right):
                return False
            left = right
        return True

    def subscript(self, node: ast.Subscript, names: Mapping[str, Any]) -> Any:
        holder = self.value(node.value, names)
        if isinstance(node.slice, ast.Slice):
            parts = [node.slice.lower, node.slice.upper, node.slice.step]
            found = [None if part is None else whole(self.value(part, names)) for part in parts]
            self.spend(weight(holder))
            return kind_of(holder, list, tuple, str, bytes, range)[slice(*found)]
        key = self.value(node.slice, names)
        if not isinstance(holder, dict):
            return kind_of(holder, list, tuple, str, bytes, range)[whole(key)]
        self.spend(len(holder))
        # Python's own look-up would take True for 1.
        fitting = [holder[one] for one in holder if same_value(one, key, tuples_apart=True)]
        return fitting[0]

    def several(
        self, node: ast.ListComp | ast.SetComp | ast.GeneratorExp, names: Mapping[str, Any]
    ) -> Any:
        items = [self.value(node.elt, found) for found in self.rounds(node.generators, names)]
        return set_of(items) if isinstance(node, ast.SetComp) else items

    def mapped(self, node: ast.DictComp, names: Mapping[str, Any]) -> Any:
        rounds = self.rounds(node.generators, names)
        return FUNCTIONS["dict"](
            [(self.value(node.key, found), self.value(node.value, found)) for found in rounds]
        )

    def rounds(
        self, loops: list[ast.comprehension], names: Mapping[str, Any]
    ) -> Iterator[Mapping[str, Any]]:
        """The names of every round of nested loops."""
        if not loops:
            yield names
            return
        loop, *inner = loops
        items = listed(self.value(loop.iter, names))
        self.spend(len(items))
        for item in items:
            self.spend(5 + len(names))
            found = {**names, **unpacked(loop.target, item)}
            if all(truth(self.value(test, found)) for test in loop.ifs):
                yield from self.rounds(inner, found)

    def call(self, node: ast.Call, names: Mapping[str, Any]) -> Any:
        arguments = self.values(node.args, names)
        settings = {str(k.arg): self.value(k.value, names) for k in node.keywords}
        self.spend(sum(map(weight, arguments)))
        result = self.called(node, arguments, settings, names)
        self.spend(weight(result))
        return result

    def called(
        self,
        node: ast.Call,
        arguments: list[Any],
        settings: dict[str, Any],
        names: Mapping[str, Any],
    ) -> Any:
        name = dotted(node.func)
        if name in FUNCTIONS:
            return FUNCTIONS[name](*arguments, **settings)
        if isinstance(node.func, ast.Attribute) and node.func.attr in METHODS and not settings:
            receiver = self.value(node.func.value, names)
            self.spend(weight(receiver))
            return METHODS[node.func.attr](receiver, *arguments)
        raise ValueError(f"{shown(node.func)} can't be called in a test")


def dotted(node: ast.expr) -> str:
    """``f`` or ``math.f`` for such names; "" for any other expression."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
        return f"{node.value.id}.{node.attr}"
    return ""


def shown(node: ast.expr) -> str:
    """An expression's text, in quotes and cut short."""
    return f"{ast.unparse(node)[:60]!r}"


def unpacked(target: ast.expr, item: Any) -> dict[str, Any]:
    """The names that a loop's target binds to an item."""
    if isinstance(target, ast.Name):
        return {target.id: item}
    if not isinstance(target, ast.Tuple | ast.List):
        raise ValueError(f"a loop over {shown(target)} is not read in a test")
    found: dict[str, Any] = {}
    for one, inside in zip(target.elts, listed(item), strict=True):
        found.update(unpacked(one, inside))
    return found


_SYNTAX: Mapping[type, Callable[[_Reader, Any, Mapping[str, Any]], Any]] = {
    ast.Constant: lambda reader, node, names: node.value,
    ast.Name: _Reader.name,
    ast.Attribute: _Reader.attribute,
    ast.List: _Reader.display,
    ast.Tuple: _Reader.display,
    ast.Set: _Reader.display,
    ast.Dict: _Reader.dictionary,
    ast.BinOp: _Reader.binary,
    ast.UnaryOp: _Reader.unary,
    ast.BoolOp: _Reader.either,
    ast.Compare: _Reader.compare,
    ast.Subscript: _Reader.subscript,
    ast.ListComp: _Reader.several,
    ast.SetComp: _Reader.several,
    ast.GeneratorExp: _Reader.several,
    ast.DictComp: _Reader.mapped,
    ast.Call: _Reader.call,
}
