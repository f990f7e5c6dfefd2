"""Numbers with tricks, and what is no number at all."""

from __future__ import annotations

from collections.abc import Iterator

from guerdon.examples import Probe

NOT_NUMBERS = (
    *("nan", "NaN", "-nan", "inf", "-inf", "Infinity", "∞", "1e400", "-1e400", "1e-400"),
    *("None", "null", "undefined", "true", "false", "[]", "{}", "0/0", "1/0", "\\frac{0}{0}"),
    *("0x", "1e", "--", "+", "e", "i", "."),
)
"""Values that compare oddly, overflow or stand for nothing."""


def number_of(text: str) -> float | None:
    """The plain decimal number a text is, if it is one."""
    try:
        return float(text.replace(",", ""))
    except ValueError:
        return None


def not_numbers(probe: Probe) -> Iterator[str]:
    """NaN, infinities, overflow and null values, as the answer and bare."""
    for text in NOT_NUMBERS:
        if number_of(text) is None or number_of(text) != number_of(probe.right):
            yield text
            yield probe.wrap(text)


def number_tricks(probe: Probe) -> Iterator[str]:
    """Numbers near the right one in writing but not in value; only where that is a number."""
    right, value = probe.right, number_of(probe.right)
    if value is None or value == 0:
        return
    bare = right.replace(",", "")
    tricks = [f"{bare}e400", f"{bare}e1", f"{bare}e-1", f"{bare}/0", f"1/{bare}", f"{bare}!"]
    tricks += [f"{bare}{bare}", f"{bare},{bare}", f"0.{bare}", f"{bare}%%", f"({bare})^0"]
    tricks += [
        f"{bare[0]},{bare[1:] or 0}..5",
        f"{bare}±1",
        f"<{bare + '0'}",
        f"{bare}×10^3",
        f"{bare} million",
    ]
    if value > 0:
        tricks += [f"-{bare}", f"−{bare}", f"- {bare}"]
    if abs(value) != 1:
        yield from map(probe.wrap, tricks)


def thousands(probe: Probe) -> Iterator[str]:
    """The right number as others write it: separators, trailing zeros, a sign, white space."""
    value = number_of(probe.right)
    if value is None:
        return
    bare = probe.right.replace(",", "")
    yield probe.wrap(f" {bare} ")
    yield probe.wrap(f"{bare}." if "." not in bare else bare)
    if "." not in bare and "e" not in bare.lower():
        yield probe.wrap(f"{bare}.0")
        yield probe.wrap(f"{int(value):,}")
    if value == 0:
        yield probe.wrap("-0")
