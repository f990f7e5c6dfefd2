"""Mathematics, in LaTeX or as typed, cut into tokens: signs, words and numbers."""

from __future__ import annotations

import re
import string
from fractions import Fraction
from functools import lru_cache

from guerdon.parsing.trees import Node, number

LONGEST_EXPRESSION = 300
"""Characters of an expression that is read at all."""

# fmt: off
FUNCTIONS = frozenset((
    "sin", "cos", "tan", "cot", "sec", "csc", "arcsin", "arccos", "arctan", "sinh", "cosh", "tanh",
    "exp", "ln", "log", "floor", "ceil",
))
RELATIONS = {
    "=": "=", "<": "<", ">": ">", r"\lt": "<", r"\gt": ">", r"\in": "in", r"\ne": "!=",
    r"\neq": "!=", r"\le": "<=", r"\leq": "<=", r"\leqslant": "<=", r"\leqq": "<=", r"\ge": ">=",
    r"\geq": ">=", r"\geqslant": ">=", r"\geqq": ">=",
}
GREEK = frozenset((
    r"\alpha", r"\beta", r"\gamma", r"\delta", r"\epsilon", r"\theta", r"\lambda", r"\mu", r"\nu",
    r"\rho", r"\sigma", r"\tau", r"\phi", r"\psi", r"\omega", r"\Delta", r"\Gamma", r"\Omega",
    r"\Phi", r"\Theta", r"\Lambda", r"\Sigma",
))
_SIGNS = {
    "<=": r"\le", ">=": r"\ge", "!=": r"\ne", "**": "^", "$": "", ";": ",", r"\lvert": "|",
    r"\rvert": "|", r"\vert": "|", r"\langle": "(", r"\rangle": ")", r"\lbrace": r"\{",
    r"\rbrace": r"\}", r"\lbrack": "[", r"\rbrack": "]", r"\dfrac": r"\frac", r"\tfrac": r"\frac",
    r"\cfrac": r"\frac", r"\dbinom": r"\binom", r"\tbinom": r"\binom", r"\land": "land",
    r"\wedge": "land", r"\lor": "lor", r"\vee": "lor", r"\varnothing": r"\emptyset",
    r"\backslash": r"\setminus", r"\div": "/", r"\ast": "*", r"\cdot": "*", r"\times": "*",
    r"\cup": "union", r"\colon": ":", r"\mid": ":", r"\%": "%", r"\varphi": r"\phi",
}
_WORDS = {name: "\\" + name for name in FUNCTIONS} | {
    "asin": r"\arcsin", "acos": r"\arccos", "atan": r"\arctan", "sqrt": r"\sqrt", "abs": "abs",
    "pi": r"\pi", "inf": r"\infty", "infinity": r"\infty", "oo": r"\infty", "or": "or",
    "and": "and", "in": r"\in", "union": "union", "theta": r"\theta", "U": "union",
}
_BASES = {
    "two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "seven": 7, "eight": 8, "nine": 9,
    "ten": 10,
}
_CALCULUS = frozenset((
    r"\sum", r"\prod", r"\int", r"\lim", r"\to", r"\rightarrow", r"\infty", r"\partial", r"\vec",
    r"\bar", r"\hat", r"\overline", r"\mathbf", r"\frac", r"\sqrt", r"\binom", r"\begin", r"\end",
    r"\pi", r"\emptyset", r"\mathbb", r"\cap", r"\setminus", r"\pm", r"\mp", r"\\", r"\{", r"\}",
))
# fmt: on
_TOKEN = re.compile(
    r"\d{1,9}(?![\d.,_A-Ze])"  # most numbers are
    r"|\d{0,60}\.\d{0,60}(?:\\(?:overline|bar|dot)\s?\{\d{1,60}\}|\(\d{1,60}\))"  # recurring
    r"|\d{1,3}(?:,\d{3}){1,20}(?!\d)(?:\.\d+)?"  # grouped
    r"|(?:\d[0-9A-Z]*|\(\d+\))_(?:\d|\{\s?(?:\d{1,2}|[a-z]{3,8})\s?\})"  # with a base
    r"|(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d{1,4}(?![\da-zA-Z.]))?"
    r"|\\[a-zA-Z]+|\\[{}|%]|\\\\|[a-zA-Z]+"
    r"|<=|>=|!=|\*\*|[^\s]",
    re.ASCII,
)
_ASCII_DIGITS, _ASCII_LETTERS = frozenset(string.digits), frozenset(string.ascii_letters)
_MARKED = re.compile(r"[,_\\(]")  # a number that is more than digits
_PLAIN_SIGNS = frozenset("+-*/^_=<>(){}[],|!&%") | {"<=", ">=", "!=", "**"}
_INSIDE = re.compile("sqrt|sin|cos|tan|log|exp|abs|min|max|mod|gcd|lcm|inf|pi")
_DOTS = re.compile(r"(\.\d{0,40}?)(\d)\2{2,40}\s?(?:\.\.\.|\\[lc]?dots)", re.ASCII)
NO_VALUE = Fraction(-1)
"""The value of a number whose digits are none of its base."""

_PERIOD = re.compile(r"(\d{0,60})\D{1,12}+(\d{1,60})\D{1,2}", re.ASCII)


def is_algebra(text: str) -> bool:
    r"""Whether a symbolic library may be asked about a text that can't be read here.

    It leaves out what it doesn't know: to it ``\angle ABC`` is a product, and ``1, 2, \ldots`` is
    ``1, 2``. So there must be known commands, one or two letters and plain signs alone.
    """
    for token in _TOKEN.findall(text):
        if token[0] == "\\" and len(token) > 1:
            known = token in _SIGNS or token in RELATIONS or token in GREEK or token in _CALCULUS
            if not known and token[1:] not in FUNCTIONS:
                return False
        elif token[0] in _ASCII_LETTERS:
            if len(token) > 2 and token not in _WORDS:
                return False
        elif token not in _PLAIN_SIGNS and not _is_number(token):
            return False
    return ".." not in text


class Unreadable(Exception):
    """The text is no expression of this small language."""


def tokens(text: str, grouped: bool) -> tuple[list[str | Node], dict[int, str]]:
    r"""The tokens of a text, numbers as nodes; and the digits of those numbers that stand alone.

    ``grouped`` reads 1,000 as one number. Recurring decimals (``0.\overline{3}``, ``0.(3)``,
    ``0.333...``) and numbers with a base (``101_2``) are one token. Raises `Unreadable` for words
    that hold a function's name and more: "xsin" is neither four names nor a function.
    """
    found: list[str | Node] = []
    digits: dict[int, str] = {}
    if not grouped:
        text = text.replace(",", ", ")
    if ".." in text or "dots" in text:
        text = _DOTS.sub(r"\1\\overline{\2}", text)
    for token in _TOKEN.findall(text):
        if _is_number(token):
            if token.isdigit() or not _MARKED.search(token):
                digits[len(found)] = token
            found.append(_number_of(token))
        elif token[0] in _ASCII_LETTERS:
            if token not in _WORDS and _INSIDE.search(token):
                raise Unreadable
            # Points and quantities have names of capitals: AB is not BA.
            whole = token in _WORDS or (len(token) > 1 and token.isupper())
            found += [_WORDS.get(token, token)] if whole else list(token)
        elif plain := _SIGNS.get(token, token):
            found.append(plain)
    return found, digits


def _recurring(text: str) -> Node:
    whole, _, rest = text.partition(".")
    found = _PERIOD.fullmatch(rest)
    if found is None:
        raise Unreadable
    fixed, period = found.groups()
    tail = Fraction(int(period), 10 ** len(fixed) * (10 ** len(period) - 1))
    return number(Fraction(f"{whole or 0}.{fixed or 0}") + tail)


def _based(text: str) -> Node:
    digits, _, base = text.partition("_")
    digits, base = digits.strip("()"), base.strip("{} ")
    size = _BASES.get(base) or (int(base) if base.isdigit() else 0)
    try:
        value = Fraction(int(digits, size if size > 1 else 37))
    except ValueError:  # digits that the base has not
        value = NO_VALUE
    return Node("based", name=f"{size or base} {digits.lstrip('0') or '0'}", value=value)


def _is_number(token: str) -> bool:
    return token[0] in _ASCII_DIGITS or (token[0] in ".(" and len(token) > 1)


@lru_cache(maxsize=4096)
def _number_of(token: str) -> Node:
    if token.isdigit():
        return number(int(token))
    if "_" in token:
        return _based(token)
    if "\\" in token or "(" in token:
        return _recurring(token)
    return number(Fraction(token.replace(",", "")))
