"""What older recipe files say, in today's words: parts whose settings have changed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

Settings = Mapping[str, Any]


def modernised(data: Any) -> Any:
    """A description as `guerdon.parts.describe` would write it today; others as they are."""
    if isinstance(data, list | tuple):
        return [modernised(one) for one in data]
    if not isinstance(data, Mapping):
        return data
    body = {name: modernised(value) for name, value in data.items()}
    change = CHANGED.get(body.get("part", ""))
    return body if change is None else change(body)


def _part(name: str, **settings: Any) -> dict[str, Any]:
    return {"part": f"guerdon.{name}", **settings}


def _renamed(name: str, **settings: str) -> Callable[[Settings], Settings]:
    """Another part, whose settings are called otherwise: the new names by the old ones."""

    def change(old: Settings) -> Settings:
        given = {settings.get(key, key): value for key, value in old.items() if key != "part"}
        return _part(name, **given)

    return change


def _switch(old: Settings) -> Settings:
    values = [old.get("before"), old.get("after")]
    return _part("schedules:Steps", values=values, at=[old.get("at")])


_CHANGED: Mapping[str, Callable[[Settings], Settings]] = {
    "rewards.schedules:LinearSchedule": _renamed("schedules:Linear"),
    "rewards.schedules:CosineSchedule": _renamed("schedules:Cosine"),
    "rewards.levels:Ramp": _renamed("schedules:Linear", start="first", end="last"),
    "rewards.levels:Switch": _switch,
    "shaping.anneal:LinearWeight": _renamed(
        "schedules:Linear", start="first", end="last", finish="end"
    ),
}

CHANGED: Mapping[str, Callable[[Settings], Settings]] = MappingProxyType(
    {
        f"guerdon.{place}": change
        for name, change in _CHANGED.items()
        for place in {name, name.replace("rewards.", "rewards.composing.")}
    }
)
"""By the name that the part had."""
