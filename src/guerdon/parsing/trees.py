"""What a short mathematical answer says, as a tree: numbers, names, operations, lists."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction


@dataclass(frozen=True, slots=True)
class Node:
    """An operation on its parts.

    Operations: "number" (with ``value``), "based" (``value``, its base and digits in ``name``),
    "name" and "constant" (``name``), "+", "*", "/", "^", "root" (of, degree), "!", "abs",
    "binom", "log" (base, of), the names of `FUNCTIONS`; and what is no value: "several" (its
    brackets in ``name``: "" for a bare list, "or" and "and" where these join it), "union",
    "common", "minus" (of sets), "relation" (``name`` holds its signs).
    """

    op: str
    parts: tuple[Node, ...] = ()
    name: str = ""
    value: Fraction = Fraction(0)

    def nodes(self) -> Iterator[Node]:
        """This node and all below it."""
        pending = [self]
        while pending:
            node = pending.pop()
            yield node
            pending += node.parts


def number(value: Fraction | int) -> Node:
    """A number as it stands."""
    return Node("number", value=Fraction(value))


MINUS_ONE = number(-1)


def negated(node: Node) -> Node:
    """A number with the other sign, or -1 times something."""
    return number(-node.value) if node.op == "number" else Node("*", (MINUS_ONE, node))


def names_of(*trees: Node) -> list[str]:
    """The names that stand in the trees, in order."""
    return sorted({n.name for tree in trees for n in tree.nodes() if n.op == "name"})
