"""Numbers in completions, read exactly."""

from __future__ import annotations

import re
from fractions import Fraction

from guerdon.parsing.characters import one_script

MAX_DIGITS = 200
"""Longest run of digits that is read as a number: arithmetic on hostile text stays cheap."""

MAX_EXPONENT = 300
"""Largest power of ten, either way, that is read as a number."""

MINUS = "-−–﹣－"
"""Signs that are read as a minus: hyphen, minus, en dash, and the small and full-width ones."""

_BLANK = " \u00a0\u2007\u2008\u2009\u200a\u202f"
GROUPED = (
    r"[0-9]{1,3}(?:,[0-9]{3}){1,66}+(?![0-9])|[0-9]{1,2}(?:,[0-9]{2}(?=,)){1,20}+,[0-9]{3}(?![0-9])"
    rf"|[0-9]{{1,3}}(?:[{_BLANK}][0-9]{{3}}){{1,20}}+(?![0-9])|[0-9]{{1,3}}(?:_[0-9]{{3}}){{1,20}}+(?![0-9])"
    r"|[0-9]{1,3}(?:['’][0-9]{3}){1,20}+(?![0-9])"
)
"""Pattern of whole numbers in groups: 1,234 and 12,34,567, and 1 234, 1_234 and 1'234."""

MONEY = "$£€¥₹"

_PLAIN = re.compile(r"-?[0-9]{1,60}(?:\.[0-9]{1,60})?")
_COMMA = r"[0-9]{1,3}(?:\.[0-9]{3}){1,20},[0-9]{1,20}(?![0-9,.])"
_SIZE = rf"{_COMMA}|(?:{GROUPED}|[0-9]{{1,3}}(?:\.[0-9]{{3}}){{2,20}}|[0-9]+)(?:\.[0-9]*)?|\.[0-9]+"
_NUMBER = re.compile(
    rf"(?P<sign>[{MINUS}+]?)\s?[{MONEY}]?(?P<sign2>[{MINUS}+]?)(?P<size>{_SIZE})"
    rf"(?:[eE](?P<exponent>[-+−]?[0-9]{{1,4}}))?"
    rf"(?:\s?/\s?(?P<below>[0-9]+))?\s?(?:(?P<percent>%)|[{MONEY}])?"
)
_GROUP = r"\{\s?(?P<%s>[-+−]?[0-9]+)\s?\}"
_FRACTION = re.compile(
    rf"(?P<sign>[{MINUS}+]?)\s?(?P<whole>(?:[0-9]+\s?)?)\\[dtc]?frac\s?"
    rf"(?:{_GROUP % 'above'}|(?P<a>[0-9]))\s?(?:{_GROUP % 'below'}|(?P<b>[0-9]))"
)
_MIXED = re.compile(
    rf"(?P<sign>[{MINUS}+]?)\s?(?P<whole>[0-9]+)[{_BLANK}]{{1,3}}"
    r"(?P<above>[0-9]+)\s?/\s?(?P<below>[0-9]+)"
)
SEPARATOR = re.compile(r"(?<=[0-9])(?:,\\!|\\[,!;: ]|\{,\})(?=[0-9]{3}(?![0-9]))")
"""What sets thousands apart in LaTeX."""
_DIGITS = re.compile(r"[－＋]?\d+(?:[．，٫٬／]\d+)*[％٪]?")
_SIGNS = str.maketrans("．，－＋％／٫٬٪", ".,-+%/.,%")
# Longer than any number within the limits above, its separators and its LaTeX wrapping.
_LONGEST = 4 * MAX_DIGITS


def plain_digits(text: str) -> str:
    """The text with each number in ASCII digits, where its digits are of one script that is read.

    It is `guerdon.parsing.characters.one_script` number by number, with the separators and signs
    of those scripts.

    >>> plain_digits("４２ and ٤٢, not 4２")
    '42 and 42, not 4２'
    """
    return text if text.isascii() else _DIGITS.sub(_in_ascii, text)


def _in_ascii(found: re.Match[str]) -> str:
    plain = one_script(found.group())
    return plain if plain == found.group() else plain.translate(_SIGNS)


def parse_number(text: str) -> Fraction | None:
    r"""The exact value of a text that is one number and nothing else; None otherwise.

    Reads signs, thousands in groups (``1,234``, ``12,34,567``, ``1 234``, ``1_234``, ``1'234``,
    ``1.234.567``, ``1.234,5``, ``1{,}234``), decimals, exponents, ``a/b``, mixed numbers
    (``1 1/2``, ``1\frac{1}{2}``), ``\frac{a}{b}`` (``\frac12`` too: digits), a currency sign, per
    cent (``50%`` is 1/2), a trailing full stop, enclosing ``$`` or ``\(...\)``, and what
    `plain_digits` reads. Numbers beyond `MAX_DIGITS` digits or `MAX_EXPONENT` powers of ten,
    division by zero and mixed numbers of an improper fraction are None.

    >>> [str(parse_number(text)) for text in ("1,234", r"\frac{1}{4}", "50%", "about 5")]
    ['1234', '1/4', '1/2', 'None']
    """
    if len(text) > _LONGEST:
        return None
    if _PLAIN.fullmatch(text):
        return Fraction(text)
    plain = _unwrap(plain_digits(text))
    found = _MIXED.fullmatch(plain) or _FRACTION.fullmatch(plain)
    if found:
        return _fraction(found)
    found = _NUMBER.fullmatch(plain)
    if not found or (found["sign"] and found["sign2"]):
        return None
    return _value(found)


def _fraction(found: re.Match[str]) -> Fraction | None:
    parts = found.groupdict()
    above = _digits((parts["above"] or parts.get("a") or "").replace("−", "-"))
    below = _digits((parts["below"] or parts.get("b") or "").replace("−", "-"))
    whole = _digits(found["whole"].strip() or "0")
    if above is None or not below or whole is None:
        return None
    if found["whole"] and not 0 <= above < below:
        return None
    value = whole + Fraction(above, below)
    return -value if found["sign"] and found["sign"] in MINUS else value


def _value(found: re.Match[str]) -> Fraction | None:
    size = found["size"]
    if 0 < size.find(".") < size.find(","):  # 1.234,5
        size = size.replace(".", "").replace(",", ".")
    elif size.count(".") > 1:
        size = size.replace(".", "")
    whole, _, decimals = size.partition(".")
    digits = _digits("".join(sign for sign in whole if sign.isdigit()) + decimals)
    exponent = int((found["exponent"] or "0").replace("−", "-"))
    below = _digits(found["below"] or "1")
    if digits is None or not below or abs(exponent) > MAX_EXPONENT:
        return None
    power = exponent - len(decimals) - (2 if found["percent"] else 0)
    value = Fraction(digits, below) * Fraction(10) ** power
    sign = found["sign"] or found["sign2"]
    return -value if sign and sign in MINUS else value


def _digits(text: str) -> int | None:
    return int(text) if len(text) <= MAX_DIGITS else None


def _unwrap(text: str) -> str:
    plain = text.strip()
    if "\\" in plain or "{" in plain:
        plain = SEPARATOR.sub(",", plain.replace("\\%", "%").replace("\\$", "$"))
    for left, right in (("\\(", "\\)"), ("\\[", "\\]"), ("$$", "$$"), ("$", "$")):
        inside = len(plain) > len(left) + len(right)
        if inside and plain.startswith(left) and plain.endswith(right):
            plain = plain[len(left) : -len(right)].strip()
            break
    return plain.removesuffix(".").rstrip() if plain.endswith(".") else plain
