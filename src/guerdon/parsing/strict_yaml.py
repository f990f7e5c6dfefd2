"""YAML from a file that anybody may have written: plain values only, each key once, no aliases."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import yaml

MAX_BYTES = 2**17
"""Longest file that is read."""

MAX_DEPTH = 64
"""Deepest nesting."""

_SCALARS = frozenset(
    f"tag:yaml.org,2002:{kind}" for kind in ("null", "bool", "int", "float", "str")
)


class _Plain(yaml.SafeLoader):
    """Refuses aliases before they are followed (they make a small file endless), and depth."""

    depth = 0

    def compose_node(self, parent: Any, index: Any) -> Any:
        event = self.peek_event()
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None):
            raise ValueError(f"{_line(event)}: anchors and aliases are not read; write values out")
        if self.depth > MAX_DEPTH:
            raise ValueError(f"{_line(event)}: nested deeper than {MAX_DEPTH}")
        self.depth += 1
        node = super().compose_node(parent, index)
        self.depth -= 1
        return node


def read_yaml(path: Path) -> Any:
    """The value in a file: dicts with text for keys, lists, text, finite numbers, bools, None.

    Raises ValueError saying what is wrong and in which line: no such file, not UTF-8, longer than
    `MAX_BYTES`, no YAML, a key twice, an alias, another type, NaN or an infinity, and depth.
    """
    try:
        if path.exists() and not path.is_file():
            raise ValueError("it is no file")
        with path.open("rb") as file:
            raw = file.read(MAX_BYTES + 1)
    except (OSError, ValueError) as error:
        told = getattr(error, "strerror", None) or str(error)
        raise ValueError(f"it can't be read ({told})") from error
    if len(raw) > MAX_BYTES:
        raise ValueError(f"it is longer than {MAX_BYTES // 1024} KiB")
    try:
        text = raw.removeprefix(b"\xef\xbb\xbf").decode()
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise ValueError(f"line {line}: not UTF-8 text; save the file as UTF-8") from error
    try:
        loader = _Plain(text)
        node = loader.get_single_node()
        return None if node is None else _value(loader, node, "")
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        at = f"line {mark.line + 1}: " if mark else ""
        raise ValueError(f"{at}no YAML ({error.problem or error.context})") from error
    except yaml.YAMLError as error:
        raise ValueError(f"no YAML ({' '.join(str(error).split())})") from error


def is_open_end(value: float, field: str) -> bool:
    """Whether it is the open end of a setting ``range``: only there infinity says something."""
    return math.isinf(value) and field.rpartition(".")[2] in ("range[0]", "range[1]")


def _value(loader: _Plain, node: Any, field: str) -> Any:
    """Recursion is bounded by the loader's depth."""
    place = f"{_line(node)}, field {field!r}" if field else _line(node)
    if isinstance(node, yaml.SequenceNode) and node.tag == "tag:yaml.org,2002:seq":
        return [_value(loader, item, f"{field}[{i}]") for i, item in enumerate(node.value)]
    if isinstance(node, yaml.MappingNode) and node.tag == "tag:yaml.org,2002:map":
        made: dict[str, Any] = {}
        for key, item in node.value:
            if key.tag != "tag:yaml.org,2002:str":
                raise ValueError(f"{_line(key)}: a key is text; put it in quotation marks")
            if key.value in made:
                raise ValueError(f"{_line(key)}: the key {key.value!r:.80} stands there twice")
            made[key.value] = _value(loader, item, f"{field}.{key.value}" if field else key.value)
        return made
    if not isinstance(node, yaml.ScalarNode) or node.tag not in _SCALARS:
        raise ValueError(f"{place}: {node.tag.rpartition(':')[2]!r:.80} is no plain value")
    try:
        value = loader.construct_object(node)
    except (ValueError, KeyError, OverflowError) as error:
        raise ValueError(f"{place}: {node.value!r:.60} can't be read ({error})") from error
    if isinstance(value, float) and not (math.isfinite(value) or is_open_end(value, field)):
        raise ValueError(f"{place}: {node.value:.60} is no finite number; give one")
    return value


def _line(marked: Any) -> str:
    return f"line {marked.start_mark.line + 1}"
