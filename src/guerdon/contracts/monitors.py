"""What every monitor promises."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import torch

from guerdon.contracts.made import made_rollouts, made_scores
from guerdon.contracts.promises import (
    calling,
    check_written_and_read_back,
    no_rows,
    promise,
    same,
)
from guerdon.parts import memories
from guerdon.records import Experience
from guerdon.stages import Monitor


def check_monitor(monitor: Monitor, parts: tuple[str, ...] = ("a", "b")) -> None:
    """Raises AssertionError where a monitor breaks what every monitor promises.

    It gives figures by name, each a number (NaN where it is not known); it changes nothing of what
    it looks at; asked again, one without memory says the same; no rows, rows that are no texts and
    none that is valid are no error; and it goes to a recipe's file and back. Tried on scores with
    ``parts``.
    """
    rollouts, scores = made_rollouts(), made_scores(parts=parts)
    advantage = torch.where(rollouts.mask & scores.valid[:, None], scores.value[:, None], 0.0)
    whole = Experience(rollouts, scores, advantage)
    held = (scores.value.clone(), advantage.clone(), rollouts.logps.clone())
    figures = figures_of(monitor, whole, "eight rows in three groups")
    now = (whole.scores.value, whole.advantage, whole.rollouts.logps)
    kept = all(same(one, other) for one, other in zip(held, now, strict=True))
    promise(kept, monitor, "it changes what it looks at")
    if not memories(monitor):
        again = figures_of(monitor, whole, "the same rows again")
        alike = str(again) == str(figures)
        promise(alike, monitor, f"asked again it says {again!r:.200}, and not {figures!r:.200}")
    none = torch.tensor([], dtype=torch.long)
    empty = Experience(no_rows(rollouts), scores.select(none))
    figures_of(monitor, empty, "no rows")
    figures_of(monitor, replace(whole, rollouts=replace(rollouts, texts=())), "rows without texts")
    invalid = made_scores(valid=[False] * len(scores), parts=parts)
    figures_of(monitor, replace(whole, scores=invalid), "rows none of which is valid")
    check_written_and_read_back(monitor)


def figures_of(monitor: Any, experience: Experience, on: str) -> dict[str, float]:
    """What it says; AssertionError where it raises, or says anything but figures by name."""
    with calling(monitor, on):
        said = monitor(experience)
    promise(isinstance(said, Mapping), monitor, f"it gives a {type(said).__name__}, no figures")
    for name, value in said.items():
        promise(isinstance(name, str), monitor, f"it calls a figure {name!r}, which is no text")
        number = isinstance(value, int | float)
        promise(number, monitor, f"its figure {name!r} is {value!r:.60}, and no number")
    return dict(said)
