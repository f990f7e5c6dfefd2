"""``guerdon sample``: completions of a model, with what they earn."""

from __future__ import annotations

import json
from typing import Any

from rich.console import Console

from guerdon.cli.options import own_output, whole_number
from guerdon.cli.settings import asked
from guerdon.cli.showing import shown
from guerdon.failures import refuse_failing, tally
from guerdon.judging import judged
from guerdon.ranges import PositiveInt
from guerdon.records import Progress
from guerdon.schedules import at
from guerdon.traits import sampling_of


def run(options: dict[str, Any], rest: list[str]) -> int:
    """Sample and show."""
    count = whole_number("--count", options["count"] or "4", PositiveInt)
    needed = ("model", "tasks", "reward", "sampler")
    recipe = asked(needed, options, rest)
    tasks = list(recipe.tasks.load("test"))[:count]
    sampling = at(sampling_of(recipe.sampler) or recipe.evaluation_sampling, Progress())
    rollouts = recipe.model.load(tasks).sample(tasks, 1, sampling, recipe.loop.seed)
    with own_output():
        scores = judged(recipe.reward, rollouts, Progress())
    refuse_failing(tally(rollouts, scores))
    console = Console()
    for row, text in enumerate(rollouts.shown):
        task = rollouts.task_of(row)
        value = scores.value[row].item() if scores.valid[row] else None
        if options["json"]:
            entry = {
                "id": task.id,
                "prompt": task.text,
                "completion": text,
                "answer": task.answer,
                "value": value,
                "reason": scores.reasons[row],
            }
            print(json.dumps(entry, default=str))
            continue
        earned = value if value is not None else scores.reasons[row]
        console.rule(shown(f"{task.id}  reward {earned}"))
        console.print(shown(task.text), style="dim")
        console.print(shown(text))
    return 0
