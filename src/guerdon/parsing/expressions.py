r"""Mathematical expressions of answers, compared by what they say.

What is a number is compared exactly or to more digits than are written, what has names in it at
fixed generic points, sets and solved inequalities as regions of the line, lists item by item.
Comparing is symmetric.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import lru_cache

from guerdon.parsing.reading import read_tree
from guerdon.parsing.regions import region_of, same_region
from guerdon.parsing.relations import same_relation
from guerdon.parsing.tokens import LONGEST_EXPRESSION
from guerdon.parsing.trees import MINUS_ONE, Node, names_of
from guerdon.parsing.values import same_value

__all__ = ["LONGEST_EXPRESSION", "left_undone", "same_expression"]

_SETS = frozenset(["relation", "union", "common", "minus"])


@lru_cache(maxsize=8192)
def same_expression(one: str, two: str) -> bool | None:
    r"""Whether two expressions are equal: None where this can't be told.

    Reads numbers, one-letter names, ``+ - * / ^ !``, juxtaposition, ``\frac``, ``\sqrt``,
    ``|x|``, ``\binom``, ``\pi``, elementary functions, numbers with a base, tuples, intervals,
    sets, unions, matrices, inequalities and equations, in LaTeX or as typed. Sets and bare lists
    are compared without order; the kind of bracket counts. Symmetric; never raises; time is
    bounded by `LONGEST_EXPRESSION` and the sizes that `guerdon.parsing.values` reckons with.
    """
    try:
        # "1,000" may be two numbers or one.
        readings = (False, True) if "," in one + two else (False,)
        verdicts = [_compared(one, two, grouped) for grouped in readings]
    except (ArithmeticError, ValueError, RecursionError):
        return None
    return True if True in verdicts else False if False in verdicts else None


def left_undone(text: str) -> bool:
    """Whether numbers stand in it that are yet to be added or multiplied: ``3+4``, ``0x``.

    Any factor of 0 is yet to be multiplied by it: ``0x`` and ``f(0)`` are not how 0 is written.
    """
    tree = read_tree(text)
    return tree is not None and any(
        node.op in ("+", "*")
        and (sum(map(_is_written_out, node.parts)) > 1 or _has_factor_zero(node))
        for node in tree.nodes()
    )


def _has_factor_zero(node: Node) -> bool:
    return node.op == "*" and any(part.op == "number" and not part.value for part in node.parts)


def _is_written_out(node: Node) -> bool:
    if node.op == "*" and node.parts[0] is MINUS_ONE:
        return _is_written_out(node.parts[1])
    return node.op == "number" and node is not MINUS_ONE


def _compared(one: str, two: str, grouped: bool) -> bool | None:
    left, right = read_tree(one, grouped), read_tree(two, grouped)
    return None if left is None or right is None else _same(_plain(left), _plain(right))


def _plain(node: Node) -> Node:
    """Named solutions as a list: "x = 1 or x = 2" is 1, 2, and "y = 2, x = 1" is (1, 2)."""
    items = node.parts if node.op == "several" and node.name in ("", "or", "and") else ()
    if not items or any(item.op != "relation" or item.name != "=" for item in items):
        return node
    if any(item.parts[0].op != "name" for item in items):
        return node
    named = [(item.parts[0].name, item.parts[1]) for item in items]
    names = sorted({name for name, _ in named})
    if len(names) == 1:
        return Node("several", tuple(value for _, value in named))
    if len(names) < len(named):
        return node
    return Node("several", tuple(value for _, value in sorted(named, key=lambda n: n[0])), "()")


def _same(one: Node, two: Node) -> bool | None:
    if one.op == two.op == "number":
        return one.value == two.value
    if one == two:
        return True
    if "based" in (one.op, two.op):
        return _same_base(one, two)
    if one.op == two.op == "relation":
        return same_relation(one, two)
    if one.op == two.op == "several" and not (_joins(one) or _joins(two)):
        return _same_lists(one, two)
    left, right = region_of(one), region_of(two)
    if left is not None and right is not None:
        return same_region(left, right)
    if one.op == two.op == "several":
        return _same_lists(one, two)
    one, two = _said(one), _said(two)
    if _is_boundless(one) or _is_boundless(two):
        return one == two
    if one.op == two.op == "several":
        return _same_lists(one, two)
    for several, other in ((one, two), (two, one)):
        if several.op == "several" and other.op not in _SETS:
            alone = several.name == "{}" and len(several.parts) == 1
            return _same(several.parts[0], other) if alone else False
    if one.op in _SETS or two.op in _SETS:
        return None if {one.op, two.op} <= _SETS | {"several"} else False
    return same_value(one, two)


def _joins(node: Node) -> bool:
    """Whether it is a list of inequalities that "or" or "and" joins, and so perhaps a region."""
    return node.name in ("or", "and") and any(part.op == "relation" for part in node.parts)


def _said(node: Node) -> Node:
    """What "x = ...", "x in ..." and a chain of equal values say."""
    if node.op != "relation" or (set(node.name.split()) != {"="} and node.name != "in"):
        return node
    values = node.parts[1:] if node.parts[0].op == "name" else node.parts
    if len(values) > 1 and names_of(*values):
        return node
    return values[-1] if all(_same(value, values[-1]) for value in values[:-1]) else node


def _is_boundless(node: Node) -> bool:
    inner = node.parts[1] if node.op == "*" and node.parts[0] == MINUS_ONE else node
    return inner.op == "constant" and inner.name in ("infty", "emptyset", "reals")


def _same_base(one: Node, two: Node) -> bool:
    """A base is part of the answer; where one side leaves it out, the digits must be the same."""
    if one.op == two.op:
        return False  # equal ones are the same tree
    based, other = (one, two) if one.op == "based" else (two, one)
    digits = based.name.partition(" ")[2]
    return other.op == "number" and digits.isdigit() and other.value == int(digits)


def _same_lists(one: Node, two: Node) -> bool | None:
    one, two = _vector(one), _vector(two)
    kinds = {"" if node.name in ("or", "and") else node.name for node in (one, two)}
    if len(one.parts) != len(two.parts):
        return False
    if kinds <= {"", "{}"}:
        return _same_unordered(one.parts, two.parts)
    # Three or more between square brackets are no interval: a list, however it is written.
    as_lists = kinds <= ({"", "()", "[]"} if len(one.parts) > 2 else {"", "()"})
    if len(kinds) > 1 and not as_lists:
        return False
    return _all(_same(a, b) for a, b in zip(one.parts, two.parts, strict=True))


def _vector(node: Node) -> Node:
    """A matrix of one row or one column as a tuple."""
    if node.name != "matrix":
        return node
    if len(node.parts) == 1:
        return Node("several", node.parts[0].parts, "()")
    if all(len(row.parts) == 1 for row in node.parts):
        return Node("several", tuple(row.parts[0] for row in node.parts), "()")
    return node


def _all(verdicts: Iterable[bool | None]) -> bool | None:
    found = list(verdicts)
    return False if False in found else None if None in found else True


def _same_unordered(one: Sequence[Node], two: Sequence[Node]) -> bool | None:
    if all(item.op == "number" for item in (*one, *two)):
        return sorted(item.value for item in one) == sorted(item.value for item in two)
    verdicts = [[_same(item, other) for other in two] for item in one]
    if any(set(line) == {False} for line in (*verdicts, *zip(*verdicts, strict=True))):
        return False  # one that nothing on the other side can be
    left = list(range(len(two)))
    for line in verdicts:
        equal = [k for k in left if line[k]]
        if not equal:
            return None if any(None in line for line in verdicts) else False
        left.remove(equal[0])
    return True
