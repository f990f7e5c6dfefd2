"""``guerdon evaluate``: a model graded on held-out tasks."""

from __future__ import annotations

import json
from typing import Any

from guerdon.cli.options import own_output
from guerdon.cli.settings import asked
from guerdon.failures import RewardFailed, too_many
from guerdon.training import describe_held_out
from guerdon.training.exams import held_out_sets
from guerdon.training.held_out_summary import all_summaries
from guerdon.training.run_folder import plain


def run(options: dict[str, Any], rest: list[str]) -> int:
    """Grade and show."""
    needed = ("model", "tasks", "reward", "evaluation_sampling")
    recipe = asked(needed, options, rest)
    sets = [one for one in held_out_sets(recipe) if one.tasks or not recipe.exams]
    with own_output():
        policy = recipe.model.load([task for one in sets for task in one.tasks])
        results = {one.name: one.measured_by(policy, recipe.loop.seed) for one in sets}
    for name, result in results.items():
        if too_many(result.failed, len(result.results), recipe.loop.max_failed, fewest=1):
            raise RewardFailed((f"exam {name!r}: " if name else "") + result.failure)
    if options["json"]:
        told = all_summaries({}, results)
        exams = {name: exam["after"] for name, exam in told.get("exams", {}).items()}
        print(json.dumps(plain({**told.get("after", {}), **({"exams": exams} if exams else {})})))
    else:
        for name, result in results.items():
            print((f"exam {name}: " if name else "") + describe_held_out(result))
    return 0 if all(result.valid for result in results.values()) else 1
