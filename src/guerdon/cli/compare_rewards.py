"""``guerdon compare-rewards``: reward tables of one process, held against each other."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from guerdon.cli.options import UsageError, reading_arguments
from guerdon.training.comparison import RewardComparison, compare, show


def run(options: dict[str, Any], rest: list[str]) -> int:
    """Compare and show; a folder is written where ``--out`` names one."""
    if unknown := [word for word in rest if word.startswith("-")]:
        raise UsageError(f"unknown argument {unknown[0]!r}; after PROCESS come files of rewards")
    with reading_arguments():
        discount = _number(options["discount"] or "0.95")
        recipe = RewardComparison(world=options["process"], rewards=tuple(rest), discount=discount)
    if options["out"]:
        recipe.run(Path(options["out"]), quiet=True)
    mdp, rewards = recipe.load()
    rows = compare(mdp, rewards)
    if options["json"]:
        print(json.dumps(rows))
    else:
        show(rows, next(iter(rewards)))
    return 0


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise UsageError(f"--discount is {text!r}, which is no number") from None
