r"""A short answer without what does not change its meaning: LaTeX spacing, names, units."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

from guerdon.parsing.characters import latex_characters
from guerdon.parsing.number_words import in_digits
from guerdon.parsing.units import WRAPPED, split_unit

LONGEST_ANSWER = 800
"""Longer texts are no short answers and are left as they are."""

_GROUPED = re.compile(r"(?<=\d)(?:,\\!|\{,\}|\\[,!])(?=\d{3}(?!\d))", re.ASCII)
_REMOVED = re.compile(
    r"\\(?:left|right|[bB]ig[gl]?|displaystyle)(?![a-zA-Z])|(?<!\\)\\[,!;: ]|~|\\q?quad(?![a-zA-Z])"
)
_DOLLAR = re.compile(r"(?<!\\)\$")
_FRACTION = re.compile(r"\\[dtc]frac(?![a-zA-Z])")
_JOINT = re.compile(r"([,;]|\b(?:and|or)\b)")
_ABOUT = re.compile(r"\A\\approx(?![a-zA-Z])\s?")
_PER_CENT = re.compile(r"\s?(?:\\?%|\s(?:percent|per cent))\Z")
_NAME = re.compile(
    r"((?:[a-zA-Z]|\\[a-zA-Z]{2,8}|\\frac\{d[a-z]?\}\{d[a-z]\})'?(?:_(?:\w|\{\w{1,8}\}))?(?:\^\{-1\})?)(?:\([a-zA-Z]\))?\s?(?:=(?!=)|\\approx(?![a-zA-Z]))\s?"
)
_MIXED = re.compile(r"(-?)\s?(\d{1,40})\s?\\frac\s?\{(\d{1,40})\}\s?\{(\d{1,40})\}", re.ASCII)
_SCIENTIFIC = re.compile(
    r"(-?[\d.,]{1,40})\s?(?:\\times|\\cdot|[*x×·])\s?10\s?\^\s?\{?\s?(-?\d{1,3})\s?\}?", re.ASCII
)
_SCALED = re.compile(r"(-?[\d.,]{1,40})\s(hundred|thousand|million|billion|trillion)", re.ASCII)
_PHRASES = {
    "all real numbers": r"\mathbb{R}",
    "all reals": r"\mathbb{R}",
    "the real numbers": r"\mathbb{R}",
    "real numbers": r"\mathbb{R}",
    "no solution": r"\emptyset",
    "no solutions": r"\emptyset",
    "empty set": r"\emptyset",
    "the empty set": r"\emptyset",
    "infinity": r"\infty",
    "negative infinity": r"-\infty",
}
_POWERS = {"hundred": 2, "thousand": 3, "million": 6, "billion": 9, "trillion": 12}
_CLOCK = re.compile(r"(?<=\d)\s?([aApP])\.?\s?[mM]\.?\Z")
_TURNED = re.compile(r"([\[\]])([^\[\]()]{1,80}[,;][^\[\]()]{1,80})([\[\]])")
_BRACKETED = re.compile(r"\(([^()\[\],;|]*)\)")


@dataclass(frozen=True)
class Plain:
    """A short answer taken apart: ``name = body unit``; name and unit are "" where absent."""

    body: str
    unit: str = ""
    name: str = ""


def plain_answer(text: str) -> Plain:
    r"""A short answer with its LaTeX reduced to what matters.

    Unicode signs become LaTeX's (`latex_characters`). Enclosing ``$`` and brackets, ``\left``,
    spacing commands, separators of thousands and a final full stop go; ``\dfrac`` becomes
    ``\frac``, ``\text{x}`` becomes x, a mixed number a fraction, ``5 \times 10^{3}`` and
    "5 thousand" 5e3. "x = 5" has the name x; "5\text{ cm}", "5 cm" and "5^\circ" have a unit (see
    `split_unit`), and so has a list with the same unit at each item. Texts longer than
    `LONGEST_ANSWER` come back as they are. Linear time, raises nothing.
    """
    # Only short texts are remembered: what is kept of hostile ones is bounded too.
    return _taken_apart(text) if len(text) <= LONGEST_ANSWER else Plain(text.strip())


@lru_cache(maxsize=8192)
def _taken_apart(text: str) -> Plain:
    body = _GROUPED.sub("", latex_characters(text.strip()))
    body = _without_stop(_REMOVED.sub(" ", body).strip())
    for left, right in (("\\(", "\\)"), ("\\[", "\\]")):
        if len(body) > len(left) + len(right) and body.startswith(left) and body.endswith(right):
            body = body[len(left) : -len(right)]
            break
    signs = _DOLLAR.findall(body)
    if signs and len(signs) % 2 == 0:  # around mathematics, and no sums of money
        body = _DOLLAR.sub("", body).strip()
    body = _without_stop(_FRACTION.sub(r"\\frac", " ".join(body.split())))
    whole = WRAPPED.fullmatch(body)
    body = whole[1].strip() if whole else body
    if body[:1].isalpha():
        body = in_digits(body)
    if body[-2:].lower() in ("m.", "am", "pm") and ":" in body:
        body = _CLOCK.sub(lambda found: f" {found[1].lower()}m", body)
    turned = _TURNED.fullmatch(body) if body[:1] == "]" or body[-1:] == "[" else None
    if turned:  # ]0, 1[ leaves out its ends
        body = ("(" if turned[1] == "]" else "[") + turned[2] + (")" if turned[3] == "[" else "]")
    body, unit = split_unit(_ABOUT.sub("", body))
    if unit and _JOINT.search(body):
        body = _each_without(unit, body)
    body = _PER_CENT.sub("%", body)
    body = _PHRASES.get(body.lower(), body)
    bracketed = _BRACKETED.fullmatch(body)
    body = bracketed.group(1).strip() if bracketed else body
    name = _NAME.match(body)
    if name and not any(sign in body[name.end() :] for sign in "=<>") and body[name.end() :]:
        return Plain(_as_number(body[name.end() :]), unit, name.group(1))
    return Plain(_as_number(body), unit)


def _each_without(unit: str, body: str) -> str:
    """A list without the unit that stands at each of its items; as it is where one has another."""
    *before, last = _JOINT.split(body)
    items = [split_unit(item.strip()) for item in before[::2]]
    if any(found != unit for _, found in items):
        return body
    joins = [f" {join} " if join.isalpha() else f"{join} " for join in before[1::2]]
    pairs = zip(items, joins, strict=True)
    return "".join(f"{item}{join}" for (item, _), join in pairs) + last.strip()


def _without_stop(body: str) -> str:
    """Without a full stop; three dots go on and stay."""
    return body if body.endswith("..") else body.removesuffix(".").rstrip()


def _as_number(body: str) -> str:
    r"""Mixed numbers as a fraction, ``5 \times 10^{3}`` as 5e3; anything else as it is."""
    mixed = _MIXED.fullmatch(body)
    if mixed:
        sign, whole, above, below = mixed.groups()
        return f"{sign}{int(whole) * int(below) + int(above)}/{below}"
    scientific = _SCIENTIFIC.fullmatch(body)
    if scientific:
        return f"{scientific.group(1)}e{scientific.group(2)}"
    scaled = _SCALED.fullmatch(body)
    return f"{scaled.group(1)}e{_POWERS[scaled.group(2)]}" if scaled else body
