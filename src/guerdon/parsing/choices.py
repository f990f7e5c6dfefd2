"""Letters of multiple-choice answers."""

from __future__ import annotations

import re

LETTERS = "ABCDEFG"
"""The letters of DianJin-R1 (arXiv 2504.15716)."""

_WRAPPED = re.compile(r"\\(?:text|textbf|mathrm|mathbf|rm)\s*\{\s*([^{}\\]{0,64})\}")
_SEPARATOR = re.compile(r"[\s,;/&、，；]+")
_LEADING = re.compile(r"\A\s*[(\[*]{0,3}([A-Za-z])(?:[)\].:*]{1,3}|\s*\Z)")
_TOLD = re.compile(
    r"(?:the )?(?:right |correct |best )?(?:answer|choice|option)(?: is|:) ?"
    r"[(*]{0,3}([a-z])[).*]{0,3}",
    re.IGNORECASE,
)
_DECORATION = "().[]:$*（）。"
_LONGEST = 200


def choice_letters(text: str, letters: str = LETTERS) -> str:
    """Every letter that occurs anywhere in the text, once, in the order of ``letters``.

    The released rule of DianJin-R1: "B, D" gives "BD", "DB" gives "BD", "none" gives "" —
    and "Answer: B" gives "AB", because of the capital of its first word.
    """
    return "".join(letter for letter in letters if letter in text)


def separated_choice_letters(text: str, letters: str = LETTERS) -> str:
    r"""The letters of a text that holds nothing but separated letters; "" for any other text.

    Letters are separated by white space, commas, semicolons or slashes (ASCII or full-width)
    and may stand in brackets or in ``\text{...}``. "B, D" gives "BD"; "Answer: B", "CFA" and
    "DB" give "", since a word may be spelt with choice letters.
    """
    plain = _WRAPPED.sub(r"\1", text)
    tokens = [token.strip(_DECORATION) for token in _SEPARATOR.split(plain)]
    tokens = [token for token in tokens if token]
    if any(len(token) != 1 or token not in letters for token in tokens):
        return ""
    return "".join(letter for letter in letters if letter in tokens)


def chosen_letters(text: str, letters: str = LETTERS) -> str:
    """The letters that an answer chooses: separated, in a row, the leading one or the one told.

    "b, d" gives "BD", and so does "BD", since its letters are capitals in their order;
    "(b) because", "B: the second", "B." and "The answer is B." give "B"; "A dog" gives "",
    since its first word may be an article. Letters outside ``letters`` choose nothing.
    """
    plain = _WRAPPED.sub(r"\1", text).strip() if len(text) < _LONGEST else ""
    several = separated_choice_letters(plain.upper(), letters)
    if several:
        return several
    row = plain.strip(_DECORATION)
    if row and row == "".join(letter for letter in letters if letter in row):
        return row
    found = _LEADING.match(text) or _TOLD.fullmatch(plain)
    letter = found.group(1).upper() if found else ""
    return letter if letter and letter in letters else ""
