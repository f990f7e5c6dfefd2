"""When a short answer equals the reference: exactly, and fast, wherever that settles it."""

from __future__ import annotations

import re
from collections.abc import Sequence

from guerdon.parsing import LONGEST_EXPRESSION, Plain, parse_number, plain_answer, same_expression

_OPERATOR = re.compile(r"[\d\\^_=+*/()\[\]{}|√π∞−-]")
_COMMAND = re.compile(r"\\[a-zA-Z]+|\{[a-z]?matrix\}")
_LONG_WORD = re.compile(r"[a-zA-Z]{4,}")
_FUNCTIONS = frozenset(
    ["sqrt", "sinh", "cosh", "tanh", "asin", "acos", "atan", "arcsin", "arccos", "arctan"]
)
_DATE = re.compile(r"\d+(?:[-/]\d+){2}")


def same_text(answer: str, gold: str) -> bool:
    """Equal as text, apart from white space at the ends and its amount between words."""
    return answer == gold or answer.split() == gold.split()


def same_answer(answer: str, gold: str) -> bool | None:
    """Whether a short answer equals the reference; None where only algebra could tell.

    In this order: as text; as exact numbers where the reference is a number (an expression
    such as ``3+4`` is then no answer); without what does not change the meaning (see
    `plain_answer`); and, where both look like mathematics, by their values at fixed points
    (see `same_expression`). "50%" equals both 0.5 and 50, since questions ask for either. A
    unit or a name ("x =") on one side only is no difference, two different ones are.
    """
    if same_text(answer, gold):
        return True
    number = parse_number(gold)
    if number is not None and parse_number(answer) == number:
        return True
    one, two = plain_answer(answer), plain_answer(gold)
    if not _compatible(one, two):
        return False
    if one.body.replace(" ", "") == two.body.replace(" ", ""):
        return bool(one.body)
    number = parse_number(two.body)
    if number is not None:
        value = parse_number(one.body)
        asked_in_percent = one.body.endswith("%") and not two.body.endswith("%")
        return value == number or (asked_in_percent and value == number / 100)
    if not (looks_mathematical(one.body) and looks_mathematical(two.body)):
        return False
    return same_expression(one.body, two.body)


def _compatible(one: Plain, two: Plain) -> bool:
    pairs = ((one.unit, two.unit), (one.name, two.name))
    return all(a == b or not (a and b) for a, b in pairs)


def looks_mathematical(text: str) -> bool:
    """Operators or digits, and neither prose, a query, JSON nor a date: those aren't solved."""
    if len(text) > LONGEST_EXPRESSION or '"' in text or _DATE.fullmatch(text.strip()):
        return False
    words = _LONG_WORD.findall(_COMMAND.sub(" ", text))
    return bool(_OPERATOR.search(text)) and all(word in _FUNCTIONS for word in words)


def any_same(answer: str, golds: Sequence[str]) -> bool | None:
    """`same_answer` with any of several references; None if none is equal and one is open."""
    verdicts = [same_answer(answer, gold) for gold in golds]
    return True if True in verdicts else None if None in verdicts else False
