r"""The tree of a short mathematical answer, in LaTeX or as typed.

Reading computes nothing, so its time is linear in the text whatever numbers stand in it.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

from guerdon.parsing.tokens import (
    FUNCTIONS,
    GREEK,
    LONGEST_EXPRESSION,
    RELATIONS,
    Unreadable,
    tokens,
)
from guerdon.parsing.trees import MINUS_ONE, Node, negated, number

MAX_DEPTH = 24
"""Brackets inside brackets that are read."""

_CLOSING = {"(": ")", "[": "]", r"\{": r"\}"}
_JOINS = frozenset((",", "or", "and", "lor", "land"))
_NO_FACTOR = frozenset(("", ",", ")", "}", "]", "+", "-", "&", r"\}", "=", "|"))
"""Some of what begins no factor: what mostly follows one."""
_SETS = {"union": "union", r"\cap": "common", r"\setminus": "minus"}
_CONSTANTS = frozenset(("e", "i", r"\pi", r"\infty", r"\emptyset"))
_ATOMS = GREEK | {r"\pi", r"\frac", r"\sqrt", r"\binom", r"\lfloor", "abs"}
_DEGREE = Node("/", (Node("constant", name="pi"), number(180)))


@lru_cache(maxsize=8192)
def read_tree(text: str, grouped: bool = False) -> Node | None:
    r"""The tree of a short text, None where it is none; ``grouped`` reads 1,000 as one number.

    ``\pm`` gives the list of both. Texts longer than `LONGEST_EXPRESSION` are None.
    """
    if len(text) > LONGEST_EXPRESSION:
        return None
    try:
        if r"\pm" not in text:
            return _Reader(text, grouped).whole()
        swapped = text.replace(r"\mp", "+").replace(r"\pm", "-")
        both = (text.replace(r"\pm", "+").replace(r"\mp", "-"), swapped)
        return Node("several", tuple(_Reader(one, grouped).whole() for one in both))
    except (Unreadable, ArithmeticError, ValueError, RecursionError):
        return None


def _joined(op: str, parts: list[Node]) -> Node:
    return parts[0] if len(parts) == 1 else Node(op, tuple(parts))


class _Reader:
    """Recursive descent over the tokens."""

    def __init__(self, text: str, grouped: bool) -> None:
        self.tokens, self.digits = tokens(text, grouped)
        self.tokens.append("")  # the end
        self.at = self.depth = self.bars = 0

    def whole(self) -> Node:
        node = self._list("")
        if self.tokens[self.at]:
            raise Unreadable
        return node

    def _sign(self) -> str:
        """What comes next, if it is a sign or a word; "" for a number and at the end."""
        token = self.tokens[self.at]
        return token if isinstance(token, str) else ""

    def _take(self) -> str | Node:
        token = self.tokens[self.at]
        if not token:
            raise Unreadable
        self.at += 1
        return token

    def _took(self, sign: str) -> bool:
        """Whether this sign comes next; it is taken then."""
        token = self.tokens[self.at]
        if isinstance(token, str) and token == sign:
            self.at += 1
            return True
        return False

    def _expect(self, token: str) -> None:
        if not self._took(token):
            raise Unreadable

    def _list(self, brackets: str) -> Node:
        items, joins = [self._relation()], set()
        while (join := self._sign()) in _JOINS:
            self.at += 1
            while self._sign() in ("or", "and"):  # "1, 2, and 3"
                join = str(self._take())
            joins.add("" if join == "," else join)
            items.append(self._relation())
        if len(items) == 1 and brackets != "{}":
            return items[0]
        if joins & {"lor", "land"} and any(item.op != "relation" for item in items):
            raise Unreadable  # a formula of logic, and no list
        joins = {join.removeprefix("l") for join in joins}
        return Node("several", tuple(items), brackets or max(joins))

    def _relation(self) -> Node:
        first = self._set()
        if self._sign() not in RELATIONS:
            return first
        sides, signs = [first], []
        while (token := self._sign()) in RELATIONS:
            self.at += 1
            signs.append(RELATIONS[token])
            sides.append(self._set())
        return Node("relation", tuple(sides), " ".join(signs))

    def _set(self) -> Node:
        node = self._sum()
        while (token := self._sign()) in _SETS:
            self.at += 1
            node = Node(_SETS[str(token)], (node, self._sum()))
        return node

    def _sum(self) -> Node:
        first = self._term()
        if self._sign() not in ("+", "-"):
            return first
        terms = [first]
        while (sign := self._sign()) in ("+", "-"):
            self.at += 1
            term = self._term()
            terms.append(term if sign == "+" else negated(term))
        return Node("+", tuple(terms))

    def _term(self) -> Node:
        negative = False
        while (sign := self._sign()) in ("-", "+"):
            self.at += 1
            negative ^= sign == "-"
        factors = [self._factor()]
        while True:
            sign = self._sign()
            if sign == "*":
                self.at += 1
                factors.append(self._factor())
            elif sign == "/":
                self.at += 1
                factors = [Node("/", (_joined("*", factors), self._factor()))]
            elif self._begins_factor():
                if not sign and factors[-1].op != "^":
                    raise Unreadable  # "2 3": two numbers side by side are no product
                factors.append(self._factor())
            elif sign == "|" and factors[-1].op == "number" and not self.bars:
                factors.append(self._factor())
            else:
                break
        product = _joined("*", factors)
        return negated(product) if negative else product

    def _begins_factor(self, in_argument: bool = False) -> bool:
        token = self.tokens[self.at]
        if isinstance(token, Node):
            return True
        if token in _NO_FACTOR:
            return False
        if len(token) == 1:
            return token.isalpha() or (token in "([" and not in_argument)
        if token.isupper():
            return True
        if in_argument and token[1:] in FUNCTIONS:
            return False
        return token in _ATOMS or token[1:] in FUNCTIONS

    def _factor(self) -> Node:
        node = self._atom()
        while (sign := self._sign()) in ("^", "!", "%"):
            self.at += 1
            if sign == "^":
                node = self._raised(node)
            else:
                node = Node("!", (node,)) if sign == "!" else Node("/", (node, number(100)))
        return node

    def _raised(self, node: Node) -> Node:
        at = self.at
        self._took("{")
        if self._took(r"\circ"):
            if self.at - at == 2:
                self._expect("}")
            return Node("*", (node, _DEGREE))
        self.at = at
        return Node("^", (node, self._exponent()))

    def _exponent(self) -> Node:
        if self._took("-"):
            return negated(self._exponent())
        node = self._group() if self._sign() == "{" else self._atom()
        return self._raised(node) if self._took("^") else node

    def _argument(self) -> Node:
        r"""What follows ``\frac`` or ``\sqrt``: a group, one digit or one atom."""
        text = self.digits.get(self.at, "")
        if len(text) > 1:
            if not text.isdigit():
                raise Unreadable
            self.digits[self.at] = text[1:]
            self.tokens[self.at] = number(int(text[1:]))
            return number(int(text[0]))
        return self._group() if self._sign() == "{" else self._atom()

    def _deeper(self) -> None:
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise Unreadable

    def _group(self, left: str = "{", right: str = "}") -> Node:
        self._expect(left)
        ahead = self.tokens[self.at : self.at + 2]
        if len(ahead) == 2 and isinstance(ahead[0], Node) and ahead[1] == right:
            self.at += 2
            return ahead[0]
        self._deeper()
        node = self._list("")
        self._expect(right)
        self.depth -= 1
        # Braces around items are a set's, typed without its backslashes.
        is_set = left == "{" and node.op == "several" and not node.name
        return Node("several", node.parts, "{}") if is_set else node

    def _atom(self) -> Node:
        token = self._take()
        if isinstance(token, Node):
            return self._mixed(token)
        if token in _CONSTANTS:
            return Node("constant", name=token.removeprefix("\\"))
        if token in GREEK or (token.isalpha() and (len(token) == 1 or token.isupper())):
            return Node("name", name=token + self._subscript())
        if token == "{":
            self.at -= 1
            return self._group()
        if token in _CLOSING:
            return self._bracketed(token)
        if token == "|":
            self._deeper()
            self.bars += 1
            inside = self._sum()
            self._expect("|")
            self.bars -= 1
            self.depth -= 1
            return Node("abs", (inside,))
        if token[1:] in FUNCTIONS:
            return self._function(token[1:])
        if token in _STRUCTURES:
            return _STRUCTURES[token](self)
        raise Unreadable

    def _mixed(self, whole: Node) -> Node:
        r"""A whole number with a smaller fraction of digits behind it is their sum.

        ``1\frac14`` and ``1 1/4`` are 5/4; ``2\frac{x}{3}`` is a product, and what
        ``2\frac{5}{3}`` is can't be said.
        """
        if whole.op != "number" or whole.value.denominator != 1:
            return whole
        if self._took(r"\frac"):
            above, below = self._argument(), self._argument()
            if not above.op == below.op == "number":
                return Node("*", (whole, Node("/", (above, below))))
        else:
            ahead = self.tokens[self.at : self.at + 3]
            if not (len(ahead) == 3 and isinstance(ahead[0], Node) and ahead[1] == "/"):
                return whole
            above, below = ahead[0], ahead[2]  # type: ignore[assignment]
            self.at += 3
        if not (isinstance(below, Node) and above.value < below.value):
            raise Unreadable
        return number(whole.value + above.value / below.value)

    def _subscript(self) -> str:
        if not self._took("_"):
            return ""
        if not self._took("{"):
            return f"_{self._label()}"
        label = ""
        while not self._took("}"):
            label += self._label()
        return f"_{label}"

    def _label(self) -> str:
        token = self._take()
        return str(token.value) if isinstance(token, Node) else token

    def _function(self, name: str) -> Node:
        base = None
        if self._took("_"):
            base = self._argument()
            if name != "log":
                raise Unreadable
        power = self._exponent() if self._took("^") else None
        if power == MINUS_ONE and name in ("sin", "cos", "tan"):
            name, power = f"arc{name}", None
        elif power is not None and power.op == "number" and power.value < 0:
            raise Unreadable  # csc^{-1}, ln^{-1}: the inverse or the reciprocal?
        if self._sign() in ("(", "[", "{", "|"):
            inside = self._atom()
        else:
            factors = [self._signed_factor()]
            while self._begins_factor(in_argument=True):
                factors.append(self._factor())
            inside = _joined("*", factors)
        node = Node("log", (base, inside)) if base is not None else Node(name, (inside,))
        return node if power is None else Node("^", (node, power))

    def _signed_factor(self) -> Node:
        return negated(self._factor()) if self._took("-") else self._factor()

    def _bracketed(self, left: str) -> Node:
        self._deeper()
        shown = left.removeprefix("\\")
        if left == r"\{" and self._took(r"\}"):
            self.depth -= 1
            return Node("constant", name="emptyset")
        node = self._list(shown + _CLOSING[left].removeprefix("\\"))
        if left == r"\{" and (
            self._took(":") or self._took("|")
        ):  # {x : x > 3} says what its condition says
            node = self._list("")
        right = self._take()
        self.depth -= 1
        is_list = node.op == "several" and node.name[:1] == shown
        if right == _CLOSING[left]:
            return node
        if left in "([" and right in (")", "]") and is_list and len(node.parts) == 2:
            return Node("several", node.parts, left + str(right))
        raise Unreadable

    def _fraction(self) -> Node:
        return Node("/", (self._argument(), self._argument()))

    def _root(self) -> Node:
        degree = self._group("[", "]") if self._sign() == "[" else number(2)
        return Node("root", (self._argument(), degree))

    def _binomial(self) -> Node:
        return Node("binom", (self._argument(), self._argument()))

    def _absolute(self) -> Node:
        return Node("abs", (self._atom(),))

    def _floor(self) -> Node:
        node = self._sum()
        self._expect(r"\rfloor")
        return Node("floor", (node,))

    def _reals(self) -> Node:
        if self._took("{"):
            self._expect("R")
            self._expect("}")
        else:
            self._expect("R")
        return Node("constant", name="reals")

    def _matrix(self) -> Node:
        kind = self._environment()
        if kind == "array":
            self._environment()  # how its columns stand
        elif not kind.endswith("matrix"):
            raise Unreadable
        rows, cells = [], [self._sum()]
        while True:
            token = self._take()
            if token == "&":
                cells.append(self._sum())
                continue
            rows.append(Node("several", tuple(cells), "row"))
            if token == "\\\\" and self._sign() != r"\end":
                cells = [self._sum()]
                continue
            if token == "\\\\":
                self._take()
            elif token != r"\end":
                raise Unreadable
            if self._environment() != kind:
                raise Unreadable
            return Node("several", tuple(rows), "determinant" if kind[0] in "vV" else "matrix")

    def _environment(self) -> str:
        self._expect("{")
        name = ""
        while not self._took("}"):
            name += self._label()
        return name


_STRUCTURES: dict[str, Callable[[_Reader], Node]] = {
    r"\frac": _Reader._fraction,
    r"\sqrt": _Reader._root,
    r"\binom": _Reader._binomial,
    r"\begin": _Reader._matrix,
    r"\mathbb": _Reader._reals,
    r"\lfloor": _Reader._floor,
    "abs": _Reader._absolute,
}
