"""Numbers in completions, read exactly."""

from __future__ import annotations

import re
from fractions import Fraction

MAX_DIGITS = 200
"""Longest run of digits that is read as a number: arithmetic on hostile text stays cheap."""

MAX_EXPONENT = 300
"""Largest power of ten, either way, that is read as a number."""

_SIZE = r"(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d*)?|\.\d+"
_NUMBER = re.compile(
    rf"(?P<sign>[-+−]?)\s?[$£€]?(?P<sign2>[-+−]?)(?P<size>{_SIZE})"
    r"(?:[eE](?P<exponent>[-+]?\d{1,4}))?"
    r"(?:\s?/\s?(?P<below>\d+))?\s?(?P<percent>%?)"
)
_FRACTION = re.compile(
    r"(?P<sign>[-+−]?)\s?\\[dt]?frac\s?(?:\{\s?(?P<above>[-+−]?\d+)\s?\}|(?P<a>\d))"
    r"\s?(?:\{\s?(?P<below>\d+)\s?\}|(?P<b>\d))"
)
_LAST = re.compile(
    r"(?:(?<![\w.)\]])[-+−])?"
    r"(?:\d{1,3}(?:,\d{3})+(?![\d])|\d+)(?:\.\d+)?(?:[eE][-+]?\d{1,4}(?!\w))?(?:/\d+)?%?"
)
# Longer than any number within the limits above, its separators and its LaTeX wrapping.
_LONGEST = 4 * MAX_DIGITS


def parse_number(text: str) -> Fraction | None:
    r"""The exact value of a text that is one number and nothing else; None otherwise.

    Reads signs, thousands separators (groups of three), decimals, exponents, ``a/b``,
    ``\frac{a}{b}`` (``\frac12`` too: digits), a currency sign, per cent (``50%`` is 1/2), a
    trailing full stop and enclosing ``$`` or ``\(...\)``. Numbers beyond `MAX_DIGITS` digits or
    `MAX_EXPONENT` powers of ten, and division by zero, are None.

    >>> [str(parse_number(text)) for text in ("1,234", r"\frac{1}{4}", "50%", "about 5")]
    ['1234', '1/4', '1/2', 'None']
    """
    if len(text) > _LONGEST:
        return None
    plain = _unwrap(text)
    found = _FRACTION.fullmatch(plain)
    if found:
        above = _digits((found["above"] or found["a"]).replace("−", "-"))
        below = _digits(found["below"] or found["b"])
        if above is None or not below:
            return None
        return Fraction(above, below) * (-1 if found["sign"] in ("-", "−") else 1)
    found = _NUMBER.fullmatch(plain)
    if not found or (found["sign"] and found["sign2"]):
        return None
    return _value(found)


def _value(found: re.Match[str]) -> Fraction | None:
    whole, _, decimals = found["size"].replace(",", "").partition(".")
    digits = _digits(whole + decimals)
    exponent = int(found["exponent"] or 0)
    below = _digits(found["below"] or "1")
    if digits is None or not below or abs(exponent) > MAX_EXPONENT:
        return None
    power = exponent - len(decimals) - (2 if found["percent"] else 0)
    value = Fraction(digits, below) * Fraction(10) ** power
    return -value if (found["sign"] or found["sign2"]) in ("-", "−") else value


def _digits(text: str) -> int | None:
    return int(text) if len(text) <= MAX_DIGITS else None


def _unwrap(text: str) -> str:
    plain = text.strip().replace("\\%", "%").replace("\\$", "$").replace("{,}", ",")
    for left, right in (("\\(", "\\)"), ("\\[", "\\]"), ("$$", "$$"), ("$", "$")):
        inside = len(plain) > len(left) + len(right)
        if inside and plain.startswith(left) and plain.endswith(right):
            plain = plain[len(left) : -len(right)].strip()
            break
    return plain.removesuffix(".").rstrip() if plain.endswith(".") else plain


def last_number(text: str) -> str | None:
    """The last number in the text as it is written there; None if there is none.

    "3-4" ends in 4: a sign counts only where no operand stands before it. Linear time.

    >>> last_number("3 apples and 4.5, so 7.5")
    '7.5'
    """
    last = None
    for last in _LAST.finditer(text):  # noqa: B007  # wanted: what the loop leaves behind
        pass
    return last.group() if last else None
