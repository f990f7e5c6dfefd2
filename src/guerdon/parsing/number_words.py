"""Whole numbers that are written in English words."""

from __future__ import annotations

import re

# fmt: off
_UNITS = (
    "zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten",
    "eleven", "twelve", "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen",
    "nineteen",
)
# fmt: on
_TENS = ("twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")
_VALUES = {word: n for n, word in enumerate(_UNITS)} | {
    word: 10 * n for n, word in enumerate(_TENS, start=2)
}
_SCALES = {"thousand": 1_000, "million": 1_000_000, "billion": 1_000_000_000}
_WORD = "|".join([*_VALUES, "hundred", *_SCALES])
_RUN = re.compile(
    rf"(?i)(?:{_WORD})(?:(?:[ -]|,? and |, )(?:{_WORD})\b){{0,15}}(?![\w-])"
    r"(?:(?P<noun> [a-z]{2,24})\Z)?"
)
# fmt: off
_NO_NOUNS = frozenset((
    "hundred", "dozen", "half", "halves", "third", "thirds", "quarter", "quarters", "fourth",
    "fourths", "fifth", "fifths", "sixth", "sixths", "seventh", "eighth", "eighths", "ninth",
    "tenth", "tenths", "percent", "or", "and", "not", "to", "of", "point", "plus", "minus",
    "times", "over", "trillion", "more", "less", "per", "is", "at", "in",
))
# fmt: on


def number_in_words(text: str) -> int | None:
    """The value of a text that is a whole number in words and nothing else; None otherwise.

    >>> number_in_words("two thousand and forty-one"), number_in_words("two or three")
    (2041, None)
    """
    found = _RUN.fullmatch(text)
    return None if found is None or found["noun"] else _value(text)


def in_digits(text: str) -> str:
    """A short text that begins with a number in words, with that in digits; others as they are.

    The number is all of it, or one word follows that is counted: "seven birds", not "one of
    them", "two thirds" or "seven or eight".
    """
    found = _RUN.fullmatch(text)
    noun = found["noun"] or "" if found else ""
    if found is None or noun.strip().lower() in _NO_NOUNS:
        return text
    value = _value(text[: len(text) - len(noun)])
    return text if value is None else f"{value}{noun}"


def _value(words: str) -> int | None:
    """The value of number words in their order; None where they make none: "two three"."""
    total = part = 0
    room = 1_000
    scale = 10**12
    for word in words.lower().replace(",", " ").replace("-", " ").split():
        if word == "and":
            continue
        if word in _SCALES:
            if not part or _SCALES[word] >= scale:
                return None
            scale = _SCALES[word]
            total, part, room = total + part * scale, 0, 1_000
        elif word == "hundred":
            if not 0 < part < 10:
                return None
            part, room = 100 * part, 100
        elif _VALUES[word] >= room:
            return None
        else:
            part += _VALUES[word]
            room = 10 if _VALUES[word] >= 20 else 1
    return total + part
