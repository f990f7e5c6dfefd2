"""What every recipe promises: one seed is one run, and stopping in the middle changes nothing."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from torch import nn

from guerdon.contracts.promises import calling, check_written_and_read_back, promise

TIMED = ("seconds/", "tokens_per_second")
"""Figures that time, and no seed, decides."""


def check_recipe(recipe: Any, folder: Path | str) -> None:
    """Raises AssertionError where a recipe breaks what every recipe promises.

    It goes to a recipe's file and back, and a run that is stopped after its first step and
    resumed from what its file says is, figure by figure and weight by weight, the run that was
    not. Give a recipe of two or three small steps; it is run twice, inside ``folder``.
    """
    check_written_and_read_back(recipe)
    whole, cut = Path(folder) / "whole", Path(folder) / "cut"
    with calling(recipe, "a new folder"):
        unbroken = recipe.run(whole, quiet=True)
    with calling(recipe, "a new folder, to be stopped after its first step"):
        recipe.run(cut, quiet=True, stop_after=1)
    steps = len(figures(cut))
    promise(
        steps == min(1, len(figures(whole))),
        recipe,
        f"stopped after one step, it has figures of {steps}",
    )
    with calling(recipe, "the folder of a run that was stopped"):
        resumed = recipe.run(cut, quiet=True, resume=True)
    for step, (one, other) in enumerate(zip(figures(whole), figures(cut), strict=False)):
        names = [name for name in one if one[name] != other.get(name)]
        promise(not names, recipe, f"resumed, step {step} has other figures: {names[:5]}")
    lines = len(figures(whole)), len(figures(cut))
    promise(lines[0] == lines[1], recipe, "unbroken it has {} steps, resumed {}".format(*lines))
    promise(resumed.after == unbroken.after, recipe, "resumed, the held-out figures are others")
    for name, weight in weights(unbroken.model).items():
        kept = torch.equal(weight, weights(resumed.model)[name])
        promise(kept, recipe, f"resumed, the weight {name} is another")


def figures(folder: Path) -> list[dict[str, Any]]:
    """What a run logged of each step, but for what took how long; none where it has no steps."""
    file = folder / "metrics.jsonl"
    lines = file.read_text().splitlines() if file.is_file() else []
    return [
        {name: figure for name, figure in json.loads(line).items() if not name.startswith(TIMED)}
        for line in lines
    ]


def weights(model: Any) -> dict[str, torch.Tensor]:
    """The weights of what was trained, by name; none where nothing was."""
    module = model if isinstance(model, nn.Module) else getattr(model, "module", None)
    return dict(module.state_dict()) if isinstance(module, nn.Module) else {}
