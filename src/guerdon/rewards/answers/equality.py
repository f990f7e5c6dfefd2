"""When a short answer equals the reference: exactly, and fast, wherever that settles it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from fractions import Fraction

from guerdon.parsing import LONGEST_EXPRESSION, Plain, parse_number, plain_answer, same_expression
from guerdon.parsing.expressions import left_undone
from guerdon.parsing.numbers import MONEY
from guerdon.parsing.plain_lists import same_plain_lists
from guerdon.parsing.tokens import is_algebra
from guerdon.parsing.units import is_unit

_OPERATOR = re.compile(r"[\d\\^_=+*/()\[\]{}|!<>-]")
_COMMAND = re.compile(r"\\[a-zA-Z]+|\{[a-z]?matrix\}")
_LONG_WORD = re.compile(r"[a-zA-Z]{4,}")
# fmt: off
_FUNCTIONS = frozenset((
    "sqrt", "sinh", "cosh", "tanh", "asin", "acos", "atan", "arcsin", "arccos", "arctan",
    "infinity", "union", "theta", "floor", "ceil",
))
# fmt: on
_RELATION = re.compile(r"[=<>]|\\(?:[lg]eq?|lt|gt)(?![a-zA-Z])")
_RATIO = re.compile(r"\d{1,9}(?:\s?:\s?\d{1,9}){1,9}", re.ASCII)
_SPACE = re.compile(r"(?<![0-9]) | (?![0-9])")  # "2 1/4" is not "21/4"
_PLAIN_WORDS = re.compile(r"[a-z]{2,40}(?: [a-z]{2,40}){0,8}")
_DATE = re.compile(r"\d+(?:[-/]\d+){2}")


def same_text(answer: str, gold: str) -> bool:
    """Equal as text, apart from white space at the ends and its amount between words."""
    return answer == gold or answer.split() == gold.split()


def same_answer(answer: str, gold: str) -> bool | None:
    """Whether a short answer equals the reference; None where only algebra could tell.

    In this order: as text; as exact numbers; without what does not change the meaning (see
    `plain_answer`); and, where both look like mathematics, by what they say (see
    `same_expression`). "50%" equals both 0.5 and 50, since questions ask for either. A unit or a
    name ("x =") on one side only is no difference, two different ones are. Where the reference
    is a number, numbers that are yet to be added or multiplied (``3+4``) are no answer; apart
    from that it is symmetric.
    """
    if same_text(answer, gold):
        return True
    if (verdict := same_plain_lists(answer, gold)) is not None:
        return verdict
    number = parse_number(gold)
    value = None if number is None else parse_number(answer)
    if number is not None and value is not None:
        return _same_number(value, number, answer, gold)
    if number is not None and _with_unit(answer, number) and gold.isdigit():
        return True
    one, two = plain_answer(answer), plain_answer(gold)
    if not _compatible(one, two):
        return False
    left, right = _body(one, two), _body(two, one)
    if _SPACE.sub("", left) == _SPACE.sub("", right):
        return bool(left)
    if left[:1].isalpha() and _same_word(left, right):
        return True
    number = number if right == gold else parse_number(right)
    value = parse_number(left)
    if number is not None and value is not None:
        return _same_number(value, number, left, right)
    if not (looks_mathematical(left) and looks_mathematical(right)):
        return False
    if _RATIO.fullmatch(left) or _RATIO.fullmatch(right):
        return _numbers_of(left) == _numbers_of(right)
    return _same_expression(left, right, number is not None)


def _numbers_of(ratio: str) -> list[int] | None:
    """The numbers of a ratio or a clock time: ``4:30`` is neither ``4/30`` nor ``2:15``."""
    return [int(n) for n in ratio.split(":")] if _RATIO.fullmatch(ratio) else None


def _with_unit(answer: str, number: Fraction) -> bool:
    """Whether an answer is that number and a known unit: the quick way for "3 km"."""
    said, _, unit = answer.partition(" ")
    return unit.isalpha() and is_unit(unit) and parse_number(said) == number


def _same_word(one: str, two: str) -> bool:
    """The same words but for a capital at the beginning, or all in capitals: ``Yes`` and ``YES``.

    Other letters may be names of quantities: ``ab`` is not ``AB``.
    """
    low = one.lower()
    if low != two.lower() or not _PLAIN_WORDS.fullmatch(low):
        return False
    loud = len(low) > 3 or low in ("yes", "no")
    forms = (low, low.capitalize(), low.title(), low.upper() if loud else low)
    return one in forms and two in forms


def _money(text: str) -> str:
    """The sign of money in a text, "" where there is none."""
    return next((sign for sign in MONEY if sign in text), "")


def _same_number(value: Fraction, number: Fraction, answer: str, gold: str) -> bool:
    if value == number:
        # The dollar is the only sign of money in ASCII, and at times a sign of mathematics.
        plain = answer.isascii() and gold.isascii()
        return plain or _money(answer) in ("", _money(gold)) or not _money(gold)
    per_cent = "%" in answer, "%" in gold
    return per_cent[0] != per_cent[1] and (value * 100 if per_cent[0] else value) == (
        number * 100 if per_cent[1] else number
    )


def _same_expression(one: str, two: str, is_number: bool) -> bool | None:
    """Of two bodies that are not both numbers: as expressions, per cent on one side or both."""
    if is_number and left_undone(one.rpartition("=")[2]):
        return False
    bare_one, bare_two = one.removesuffix("%"), two.removesuffix("%")
    verdict = same_expression(one, two)
    if (bare_one, bare_two) != (one, two) and verdict is not True:
        verdict = same_expression(bare_one, bare_two)
    if verdict is None and (is_number or not (is_algebra(one) and is_algebra(two))):
        return False
    return verdict


def _body(one: Plain, two: Plain) -> str:
    """The answer without its name, unless the other side is a relation in which names stand."""
    named = one.name and not two.name and _RELATION.search(two.body)
    return f"{one.name}={one.body}" if named else one.body


def _compatible(one: Plain, two: Plain) -> bool:
    pairs = ((one.unit, two.unit), (one.name, two.name))
    return all(a == b or not (a and b) for a, b in pairs)


def looks_mathematical(text: str) -> bool:
    """Operators, digits or at most two letters, and neither prose, a query, JSON nor a date."""
    if len(text) > LONGEST_EXPRESSION or '"' in text or _DATE.fullmatch(text.strip()):
        return False
    words = _LONG_WORD.findall(_COMMAND.sub(" ", text))
    if not all(word in _FUNCTIONS for word in words):
        return False
    return bool(_OPERATOR.search(text)) or len(text.strip()) <= 2


def any_same(answer: str, golds: Sequence[str]) -> bool | None:
    """`same_answer` with any of several references; None if none is equal and one is open."""
    verdicts = [same_answer(answer, gold) for gold in golds]
    return True if True in verdicts else None if None in verdicts else False
