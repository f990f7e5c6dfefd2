"""Lists of items in an answer."""

from __future__ import annotations

import json
import re

from guerdon.parsing.fenced import unfenced
from guerdon.parsing.json_objects import MAX_DEPTH, read_json

MAX_ITEMS = 256
"""Items read from one answer; what follows is left out."""

_SEPARATOR = re.compile(r"[,;\n，；、]|\s(?:and|or)\s")
_MARK = re.compile(rf"{_SEPARATOR.pattern}|[()\[\]{{}}]")
_BRACKET = re.compile(r"[()\[\]{}]")
_BULLET = re.compile(r"(?:[-*•]|\(?\d{1,3}[.)])\s+")
_BRACKETS = {"[": "]", "{": "}", "(": ")"}
_LEAD = re.compile(
    r"(?i)(?:so,? )?(?:the|these|they|those|it|this)\b[^,;:.\n()\[{]{0,80}?"
    r"\s(?:are|is|includes?)(?:\s?:)?\s+(?=\S)"
)
_DECORATION = " \t\r\"'`.$"


def list_items(text: str) -> tuple[str, ...]:
    r"""The items of a list: a JSON list, or items set apart by commas, semicolons, lines, "and".

    A fence around it and what leads to it ("The primes are") are left out, and so are brackets
    around the list, bullets, quotes and blank items; at most `MAX_ITEMS` are read. "[2, 3]",
    "2 and 3", "- 2\n- 3" and ``["2", "3"]`` all give 2, 3. What stands in brackets of its own is
    one item: "(1,2), (3,4)" gives two. A comma inside a number ("1,000") separates: write such
    lists with semicolons or as JSON.
    """
    plain = unfenced(text).replace("\\{", "{").replace("\\}", "}").strip("$").strip()
    lead = _LEAD.match(plain)
    plain = plain[lead.end() :] if lead else plain
    loaded = _json_list(plain)
    if loaded is not None:
        return loaded
    parts = _split(plain)
    if len(parts) == 1 and plain[:1] in _BRACKETS and plain.endswith(_BRACKETS[plain[0]]):
        parts = _split(plain[1:-1])
    items = []
    for part in parts:
        item = _BULLET.sub("", part.strip(), count=1) if _BULLET.match(part.strip()) else part
        item = item.strip(_DECORATION).removeprefix("and ").strip()
        if item:
            items.append(item)
    return tuple(items[:MAX_ITEMS])


def _split(text: str) -> list[str]:
    """Cut where a separator stands outside brackets, or anywhere if brackets don't fit.

    Where there are semicolons, they and lines alone separate.
    """
    parts: list[str] = []
    commas: list[str] = []
    depth = begin = comma = 0
    marks = _MARK if _is_balanced(text) else _SEPARATOR
    for mark in marks.finditer(text):
        sign = mark.group()
        depth += (sign in "([{") - (sign in ")]}")
        if depth or sign in ")]}":
            continue
        if sign in ";\n":
            parts.append(text[begin : mark.start()])
            begin = mark.end()
        commas.append(text[comma : mark.start()])
        comma = mark.end()
        if len(commas) >= 4 * MAX_ITEMS:
            break
    found = [*parts, text[begin:]] if ";" in text else [*commas, text[comma:]]
    return found[: 4 * MAX_ITEMS]


def _is_balanced(text: str) -> bool:
    """Whether no bracket closes that was not open; "(1, 2]" is balanced as intervals are.

    Of more brackets, or deeper ones, than a list has in it, none are looked at.
    """
    depth = 0
    for k, bracket in enumerate(_BRACKET.finditer(text)):
        depth += 1 if bracket.group() in "([{" else -1
        if not 0 <= depth <= MAX_DEPTH or k > 16 * MAX_ITEMS:
            return False
    return depth == 0


def _json_list(text: str) -> tuple[str, ...] | None:
    if not text.startswith("["):
        return None
    try:
        loaded = read_json(text)
    except ValueError:
        return None
    nested = (dict, list)
    texts = (json.dumps(item) if isinstance(item, nested) else str(item) for item in loaded)
    return tuple(item.strip() for item in texts)[:MAX_ITEMS]
