"""JSON tool calls for the nursery."""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from guerdon.records import Task
from guerdon.tasks.drawing import draw_tasks

CITIES = ("Paris", "Oslo", "Rome", "Lima", "Cairo", "Delhi", "Quito", "Seoul")
ITEMS = ("pen", "book", "lamp", "cup", "rope", "map")


@dataclass(frozen=True)
class ToolCalls:
    """A request in words; the answer is the gold call ``{"name": ..., "parameters": {...}}``."""

    train: int = 4096
    test: int = 512
    seed: int = 0

    def load(self, split: str) -> Sequence[Task]:
        """The tasks of "train" or "test", the same at every call."""
        count = {"train": self.train, "test": self.test}[split]
        return draw_tasks("call", self._draw, count, split, self.seed)

    def _draw(self, rng: random.Random) -> tuple[str, dict[str, Any], dict[str, Any]]:
        city, item, number = rng.choice(CITIES), rng.choice(ITEMS), rng.randint(1, 99)
        kind = rng.randrange(3)
        call: dict[str, Any]
        if kind == 0:
            prompt = f"Tool: weather in {city} for {number} days."
            call = {"name": "weather", "parameters": {"city": city, "days": number}}
        elif kind == 1:
            prompt = f"Tool: order {number} of {item} to {city}."
            call = {
                "name": "order",
                "parameters": {"item": item, "count": number, "to": city},
            }
        else:
            prompt = f"Tool: find {item} under {number}."
            call = {"name": "find", "parameters": {"item": item, "under": number}}
        return prompt, call, {"tools": ["weather", "order", "find"]}


def worked_call(task: Task, rng: random.Random, careless: float) -> str:
    """The gold call; a careless worker gets one parameter wrong."""
    call = json.loads(json.dumps(task.answer))
    if rng.random() < careless:
        name = rng.choice(list(call["parameters"]))
        value = call["parameters"][name]
        call["parameters"][name] = (
            rng.randint(1, 99) if isinstance(value, int) else rng.choice(CITIES + ITEMS)
        )
    return f"<tool>{json.dumps(call)}</tool>"
