"""Tool calls as chat models write them without a section: Mistral's, Llama's and Qwen's forms."""

from __future__ import annotations

import contextlib
import re
from typing import Any

from guerdon.parsing import read_json
from guerdon.parsing.end_tokens import without_end_tokens
from guerdon.parsing.fenced import unfenced
from guerdon.parsing.json_objects import json_values

_CALLED = re.compile(
    r"\s{0,8}([\w.-]{1,64})\s?(?:\[CALL_ID\]\w{1,32})?(?:\[ARGS\])?\s{0,8}(?=\{)", re.ASCII
)
_OPENING = re.compile(r"<(function|parameter)=([\w.-]{1,64})>", re.ASCII)
_STARTS = ("<|python_tag|>", "<|python_start|>")
_MISTRAL = "[TOOL_CALLS]"
_MOST = 65


def native_calls(text: str) -> list[Any]:
    """The objects of calls that a text makes in a form of its model; none of any other text.

    Read are ``[TOOL_CALLS]`` with a list, or with a name and ``[ARGS]`` (Mistral), what follows
    ``<|python_tag|>`` and ``<|python_start|>`` and a text that is nothing but objects (Llama), and
    ``<function=name>`` (`function_calls`). Raises ValueError where such a form holds anything else.
    """
    plain = without_end_tokens(text)
    if plain.lstrip().startswith("```"):
        plain = unfenced(plain)
    if _MISTRAL in plain:
        pieces = plain.split(_MISTRAL, _MOST)[1:]
        return [call for piece in pieces for call in _mistral(piece)]
    for start in _STARTS:
        if start in plain:
            pieces = plain.split(start, _MOST)[1:]
            return [call for one in pieces for call in _flat(one.removesuffix("<|python_end|>"))]
    if plain.lstrip().startswith("<function="):
        return function_calls(plain)
    if plain.lstrip()[:1] in ("{", "["):
        with contextlib.suppress(ValueError):
            return _flat(plain)
    return []


def function_calls(text: str) -> list[dict[str, Any]]:
    """The calls of a text of ``<function=name>..</function>`` and nothing else.

    In it stand an object (Llama), or ``<parameter=name>`` with texts (Qwen3-Coder), which have no
    types: one is read as JSON where it is JSON. Raises ValueError for anything else. Linear time.
    """
    named = _named(text, "function")
    return [{"name": name, "parameters": _parameters(inside)} for name, inside in named]


def _parameters(inside: str) -> Any:
    if inside.lstrip().startswith("{"):
        return read_json(inside)
    return {name: _untyped(said.strip("\n")) for name, said in _named(inside, "parameter")}


def _named(text: str, kind: str) -> list[tuple[str, str]]:
    """Name and inside of each ``<kind=name>..</kind>``; ValueError where anything else stands."""
    closing = f"</{kind}>"
    found: list[tuple[str, str]] = []
    rest = text.strip()
    while rest and len(found) < _MOST:
        opening, end = _OPENING.match(rest), rest.find(closing)
        if opening is None or opening[1] != kind or end < 0:
            raise ValueError(f"no {kind}: {rest[:40]!r}")
        found.append((opening[2], rest[opening.end() : end]))
        rest = rest[end + len(closing) :].lstrip()
    return found


def _untyped(text: str) -> Any:
    try:
        return read_json(text)
    except ValueError:
        return text


def _mistral(piece: str) -> list[Any]:
    named = _CALLED.match(piece)
    if named is None:
        return _flat(piece)
    return [{"name": named[1], "parameters": read_json(piece[named.end() :])}]


def _flat(text: str) -> list[Any]:
    values = json_values(text.strip())
    return [call for one in values for call in (one if isinstance(one, list) else [one])]
