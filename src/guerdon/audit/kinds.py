"""Answers by their kind: as people write the right one, and values that are nearly it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from fractions import Fraction

from guerdon.audit.numerals import number_of
from guerdon.examples import Probe

_FRACTION = re.compile(r"(-?)(?:\\[dt]?frac\{(\d{1,9})\}\{(\d{1,9})\}|(\d{1,9})/(\d{1,9}))")
_DECIMAL = re.compile(r"-?\d{1,15}(?:\.\d{1,15})?")
_WORDS = re.compile(r"[^\W\d_]{2,30}(?: [^\W\d_]{1,30}){0,2}")


def dressed(probe: Probe) -> Iterator[str]:
    """The right answer as people write it: bold, in dollars or a box, after "The answer is".

    Numbers, fractions, choices and a few words alone: programs, objects and prose have no such
    forms.
    """
    right = probe.right
    value, fraction = number_of(right), _FRACTION.fullmatch(right)
    chosen = right in probe.choices
    if value is None and fraction is None and not chosen and not _WORDS.fullmatch(right):
        return
    inside = [f"**{right}**", f"The answer is {right}.", f"Answer: {right}", f"{right}."]
    if chosen:
        inside += [f"({right})", f"{right})", f"{right}. {_text(probe, right)}".rstrip(". ")]
    elif value is not None or fraction is not None:
        inside += [f"${right}$", rf"\({right}\)", f"x = {right}"]
    if fraction is not None:
        sign, *parts = fraction.groups()
        above, below = (part for part in parts if part)
        inside += [f"{sign}{above}/{below}", rf"{sign}\frac{{{above}}}{{{below}}}"]
        inside += [rf"{sign}\dfrac{{{above}}}{{{below}}}", f"{sign}{above} / {below}"]
    yield from map(probe.wrap, inside)


def near_misses(probe: Probe) -> Iterator[str]:
    """Values one step from the right one, as it stands and dressed; never equal to it."""
    missed = [*_near(probe), *_other_choice(probe)]
    if _WORDS.fullmatch(probe.right) and not probe.choices:
        missed += [f"not {probe.right}", f"anything but {probe.right}"]
    yield from map(probe.wrap, missed)
    yield from (probe.wrap(f"**{one}**") for one in missed)


def _near(probe: Probe) -> Iterator[str]:
    right = probe.right.replace(",", "")
    if _DECIMAL.fullmatch(right):
        exact = Fraction(right)
        digits = len(right.partition(".")[2])
        step = Fraction(1, 10**digits)
        for value in (exact + step, exact - step, -exact, 10 * exact, exact / 10, exact + step / 2):
            if value != exact:
                yield _decimal(value)
        head = right.removeprefix("-")
        if len(head) > 1 and head[:2].isdecimal() and head[0] != head[1] and head[1] != "0":
            yield right.replace(head, head[1] + head[0] + head[2:])
    fraction = _FRACTION.fullmatch(probe.right)
    if fraction is not None:
        sign, *parts = fraction.groups()
        above, below = (int(part) for part in parts if part)
        exact = Fraction(above, below or 1)
        for one, other in ((below, above), (above + 1, below), (above, below + 1), (above, 1)):
            if other and Fraction(one, other) != exact:
                yield f"{sign}{one}/{other}"


def _decimal(value: Fraction) -> str:
    """A fraction of tenths, written out."""
    places = 0
    while value.denominator != 1:
        value, places = value * 10, places + 1
    digits = str(abs(value.numerator)).rjust(places + 1, "0")
    whole, tail = (digits[:-places], digits[-places:]) if places else (digits, "")
    return ("-" if value < 0 else "") + whole + (f".{tail}" if tail else "")


def _other_choice(probe: Probe) -> Iterator[str]:
    if probe.right not in probe.choices:
        return
    for letter in probe.choices:
        if letter != probe.right:
            yield f"{letter}, because {probe.right} is wrong"
            yield f"not {probe.right} but {letter}"
            yield f"{letter}. {_text(probe, letter)}".rstrip(". ")


def _text(probe: Probe, letter: str) -> str:
    choices = probe.task.columns.get("choices")
    if isinstance(choices, dict):
        return str(choices.get(letter, ""))
    if isinstance(choices, list | tuple):
        return str(choices[probe.choices.index(letter)])
    return ""
