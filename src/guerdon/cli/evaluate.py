"""``guerdon evaluate``: a model graded on held-out tasks."""

from __future__ import annotations

import json
from typing import Any

from guerdon.cli.options import own_output
from guerdon.cli.settings import recipe_with
from guerdon.failures import RewardFailed, too_many
from guerdon.records import first_views
from guerdon.training import describe_held_out, evaluate, held_out_summary
from guerdon.training.run_folder import plain


def run(options: dict[str, Any], rest: list[str]) -> int:
    """Grade and show."""
    needed = ("model", "tasks", "reward", "evaluation_sampling")
    recipe = recipe_with(needed, options["recipe"] or "grpo", rest, trust=options["trust"])
    tasks = first_views(recipe.tasks.load("test"))[: recipe.loop.evaluation_tasks]
    with own_output():
        result = evaluate(
            recipe.model.load(tasks),
            tasks,
            recipe.reward,
            recipe.evaluation_sampling,
            seed=recipe.loop.seed,
        )
    if too_many(result.failed, len(result.results), recipe.loop.max_failed, fewest=1):
        raise RewardFailed(result.failure)
    if options["json"]:
        print(json.dumps(plain(held_out_summary(None, result)["after"])))
    else:
        print(describe_held_out(result))
    return 0 if result.valid else 1
