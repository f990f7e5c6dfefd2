"""Requests to be turned into one tool call."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, ClassVar

from guerdon.ranges import Count, Seed, check_ranges
from guerdon.tasks.procedural import Drawn, Problem

CITIES = ("Rome", "Oslo", "Lima", "Cairo", "Paris", "Delhi", "Tokyo", "Quito")
PEOPLE = ("Anna", "Ben", "Carla", "David", "Eva", "Felix", "Greta", "Hugo")


def _weather(source: random.Random) -> tuple[str, dict[str, Any]]:
    city, day = source.choice(CITIES), source.choice(("today", "tomorrow"))
    return f"Will it rain in {city} {day}?", {"city": city, "day": day}


def _alarm(source: random.Random) -> tuple[str, dict[str, Any]]:
    hour, minute = source.randint(1, 12), source.choice((0, 15, 30, 45))
    return f"Wake me at {hour}:{minute:02d}.", {"hour": hour, "minute": minute}


def _transfer(source: random.Random) -> tuple[str, dict[str, Any]]:
    amount, name = source.randint(1, 99), source.choice(PEOPLE)
    return f"Send {amount} to {name}.", {"amount": amount, "to": name}


def _convert(source: random.Random) -> tuple[str, dict[str, Any]]:
    amount, unit = source.randint(1, 99), source.choice(("miles", "feet", "pounds"))
    return f"Convert {amount} {unit}.", {"amount": amount, "unit": unit}


_REQUESTS: Mapping[str, Callable[[random.Random], tuple[str, dict[str, Any]]]] = MappingProxyType(
    {"weather": _weather, "alarm": _alarm, "transfer": _transfer, "convert": _convert}
)

TOOLS: Mapping[str, Mapping[str, str]] = MappingProxyType(
    {
        "weather": {"city": "string", "day": "string"},
        "alarm": {"hour": "integer", "minute": "integer"},
        "transfer": {"amount": "integer", "to": "string"},
        "convert": {"amount": "integer", "unit": "string"},
    }
)
"""Tool name to its parameters' types."""


@dataclass(frozen=True)
class ToolCalls(Drawn):
    """A request and two to four tools, one of which fits.

    The answer is the call as compact JSON, ``{"name":…,"parameters":{…}}``. Columns: ``tools``
    (name to parameter types, those offered) and ``calls`` (a list of the one gold call).
    """

    kind: ClassVar[str] = "tool-calls"

    train: Count = 4096
    """Tasks to learn from."""
    test: Count = 512
    """Held-out tasks."""
    seed: Seed = 0
    """What they are drawn from."""

    def __post_init__(self) -> None:
        check_ranges(self)

    def draw(self, source: random.Random) -> Problem:
        """One problem."""
        name = source.choice(list(_REQUESTS))
        request, parameters = _REQUESTS[name](source)
        others = source.sample([t for t in TOOLS if t != name], source.randint(1, 3))
        offered = source.sample([name, *others], 1 + len(others))
        signatures = " ".join(f"{t}({','.join(TOOLS[t])})" for t in offered)
        call = {"name": name, "parameters": parameters}
        return Problem(
            prompt=f"Tools: {signatures}\n{request}\n",
            answer=json.dumps(call, separators=(",", ":")),
            columns={"tools": {t: dict(TOOLS[t]) for t in offered}, "calls": [call]},
        )
