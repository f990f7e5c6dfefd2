"""Lists of items in an answer."""

from __future__ import annotations

import json
import re

from guerdon.parsing.json_objects import read_json

MAX_ITEMS = 256
"""Items read from one answer; what follows is left out."""

_SEPARATOR = re.compile(r"[,;\n，；、]|\s(?:and|or)\s")
_BULLET = re.compile(r"(?:[-*•]|\(?\d{1,3}[.)])\s+")
_BRACKETS = {"[": "]", "{": "}", "(": ")"}
_DECORATION = " \t\r\"'`.$"


def list_items(text: str) -> tuple[str, ...]:
    r"""The items of a list: a JSON list, or items set apart by commas, semicolons, lines, "and".

    Brackets around the list, bullets, quotes and blank items are left out; at most
    `MAX_ITEMS` are read. "[2, 3]", "2 and 3", "- 2\n- 3" and ``["2", "3"]`` all give 2, 3.
    A comma inside a number ("1,000") separates: write such lists with semicolons or as JSON.
    """
    plain = text.strip().replace("\\{", "{").replace("\\}", "}").strip("$").strip()
    loaded = _json_list(plain)
    if loaded is not None:
        return loaded
    if plain[:1] in _BRACKETS and plain.endswith(_BRACKETS[plain[0]]):
        plain = plain[1:-1]
    separator = re.compile(r"[;\n]") if ";" in plain else _SEPARATOR
    items = []
    for part in separator.split(plain, maxsplit=4 * MAX_ITEMS)[: 4 * MAX_ITEMS]:
        item = _BULLET.sub("", part.strip(), count=1) if _BULLET.match(part.strip()) else part
        item = item.strip(_DECORATION).removeprefix("and ").strip()
        if item:
            items.append(item)
    return tuple(items[:MAX_ITEMS])


def _json_list(text: str) -> tuple[str, ...] | None:
    if not text.startswith("[") or text.count("[") > 1:
        return None
    try:
        loaded = read_json(text)
    except ValueError:
        return None
    texts = (json.dumps(item) if isinstance(item, dict) else str(item) for item in loaded)
    return tuple(item.strip() for item in texts)[:MAX_ITEMS]
