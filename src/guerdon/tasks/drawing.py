"""Drawing procedural tasks so that splits never meet."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Callable
from typing import Any

from guerdon.records import Task

HELD_OUT = 5
"""One question in this many belongs to the test split."""

Draw = Callable[[random.Random], tuple[str, Any, dict[str, Any]]]


def draw_tasks(kind: str, draw: Draw, count: int, split: str, seed: int) -> list[Task]:
    """Up to ``count`` distinct tasks of a split, from ``draw(rng) -> (prompt, answer, columns)``.

    A prompt's split is a hash of its text, so no seed or count can move a question across.
    Where the world holds fewer than ``count`` distinct questions all that were met are given.
    """
    if split not in ("train", "test"):
        raise ValueError(f"split must be train or test, not {split!r}")
    rng = random.Random(f"{kind}/{split}/{seed}")
    tasks: dict[str, Task] = {}
    misses = 0
    while len(tasks) < count and misses < 2000:
        prompt, answer, columns = draw(rng)
        digest = hashlib.sha256(f"{kind}\n{prompt}".encode()).hexdigest()
        held_out = int(digest[:8], 16) % HELD_OUT == 0
        name = f"{kind}-{digest[:16]}"
        if held_out != (split == "test") or name in tasks:
            misses += 1
            continue
        misses = 0
        tasks[name] = Task(name, prompt, answer, columns)
    return list(tasks.values())
