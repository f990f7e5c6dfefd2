"""``guerdon compare-rewards``: reward tables of one process, held against each other."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from guerdon.cli.options import UsageError, reading_arguments
from guerdon.training.comparison import RewardComparison, show


def run(options: dict[str, Any], rest: list[str]) -> int:
    """Compare and show; a folder is written where ``--out`` names one."""
    if unknown := [word for word in rest if word.startswith("-")]:
        raise UsageError(f"unknown argument {unknown[0]!r}; after PROCESS come files of rewards")
    with reading_arguments():
        discount = _number(options["discount"] or "0.95")
        recipe = RewardComparison(world=options["process"], rewards=tuple(rest), discount=discount)
    made = recipe.compared(Path(options["out"]) if options["out"] else None, quiet=True)
    if options["json"]:
        print(json.dumps(made.rows))
    elif made.rows:
        show(made.rows, made.first)
    return 128 + made.result.signal if made.result.interrupted else 0


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise UsageError(f"--discount is {text!r}, which is no number") from None
