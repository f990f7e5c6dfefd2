"""What stands beside learning: monitors look at what was collected, a buffer adds to it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from guerdon.records import Experience, Progress, Task
from guerdon.schedules import at
from guerdon.training.collect import Collected
from guerdon.training.recipe import PolicyRecipe
from guerdon.training.stopping import naming


def watched(recipe: PolicyRecipe, collected: Collected, progress: Progress) -> dict[str, float]:
    """Every monitor's figures of this step, as ``monitor/NAME/FIGURE``.

    Of two monitors of one name the second is NAME-2. Raises `PartFailed` for one that raises, or
    that gives what are no figures.
    """
    if not recipe.monitors:
        return {}
    whole = replace(
        collected.experience,
        rollouts=collected.rollouts,
        scores=collected.scores,
        advantage=collected.advantage,
        pairs=None,
    )
    figures: dict[str, float] = {}
    for name, monitor in zip(_names(recipe.monitors), recipe.monitors, strict=True):
        with naming("the monitor", monitor):
            for figure, value in _figures(at(monitor, progress)(whole)).items():
                figures[f"monitor/{name}/{figure}"] = value
    return figures


def _names(monitors: Sequence[Any]) -> list[str]:
    """What the monitors are called in figures, each its own."""
    seen: Counter[str] = Counter()
    names = []
    for monitor in monitors:
        kind = getattr(monitor, "__name__", type(monitor).__name__)
        name = str(getattr(monitor, "name", kind)).replace("/", "-")
        seen[name] += 1
        names.append(name if seen[name] == 1 else f"{name}-{seen[name]}")
    return names


def _figures(given: Any) -> dict[str, float]:
    if not isinstance(given, Mapping):
        raise TypeError(f"it gave a {type(given).__name__}, and not figures by name")
    return {str(name): float(value) for name, value in given.items()}


def buffered(
    recipe: PolicyRecipe, fresh: Experience, tasks: Sequence[Task], progress: Progress
) -> Experience:
    """What is learned from: what was just sampled and credited, and what the buffer adds.

    Raises `PartFailed` where the buffer raises, or gives what is no experience.
    """
    if recipe.buffer is None:
        return fresh
    with naming("the buffer", recipe.buffer):
        made = at(recipe.buffer, progress).mix(fresh, tasks, progress)
        if not isinstance(made, Experience):
            raise TypeError(f"mix gave a {type(made).__name__}, and no Experience")
        return made
