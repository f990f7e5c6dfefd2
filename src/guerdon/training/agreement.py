"""Settings that contradict each other, said before anything is loaded."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

from guerdon.composition import needs_of, parts_in
from guerdon.ranges import are_checked_now
from guerdon.schedules import ends, schedules_in
from guerdon.stages import ValueTargets
from guerdon.training.recording import TOLD
from guerdon.training.reference import LACKING, NoReference, compares_with_reference
from guerdon.traits import (
    compares_group,
    group_sizes_of,
    has_adapter,
    has_value_head,
    least_updates_of,
    needs_adapter,
    portion_of,
    sampling_of,
)

if TYPE_CHECKING:
    from guerdon.training.recipe import PolicyRecipe


def check_agreement(recipe: PolicyRecipe) -> None:
    """Raises ValueError for the first contradiction in a recipe, with the mend."""
    for told in _contradictions(recipe) if are_checked_now() else ():
        raise ValueError(told)


def check_start(recipe: PolicyRecipe, *, loads_model: bool = True) -> None:
    """Raises ValueError for what can't be trained, though it can be sampled or scored.

    With ``loads_model`` False the policy is given, and its heads and adapters are its own.
    """
    for told in _obstacles(recipe, loads_model):
        raise ValueError(told)


READ_ONCE = ("model", "tasks", "reference", "evaluation_sampling", "loop")
"""What a recipe reads at its start: no schedule can change it later."""


MAKES_BATCHES = ("curriculum", "sampler", "reward", "filter")
"""Where in a recipe the parts stand that a batch is made with: a thread's own with loop.ahead."""


def _fixed(recipe: PolicyRecipe) -> Iterator[str]:
    """Schedules where nothing reads them again."""
    for name in READ_ONCE:
        for place, schedule in schedules_in(getattr(recipe, name), name):
            yield f"{place} is {schedule}, but it is read once, at the start; give a number"
    for name in MAKES_BATCHES if recipe.loop.ahead else ():
        for place, schedule in schedules_in(getattr(recipe, name), name):
            if schedule.follows is not None:
                yield (
                    f"{place} follows the figure {schedule.follows!r}, but with loop.ahead the "
                    "next batch is made before this step's figures are known; set loop.ahead to 0"
                )
    for i, exam in enumerate(recipe.exams):
        # All but its reward, which is resolved each time.
        for place, schedule in schedules_in(replace(exam, reward=None), f"exams[{i}]"):
            yield f"{place} is {schedule}, but it is read once, at the start; give a number"


def _contradictions(recipe: PolicyRecipe) -> Iterator[str]:
    yield from _fixed(recipe)
    loop, sizes = recipe.loop, group_sizes_of(recipe.sampler)
    rows = math.inf if sizes is None else loop.groups * sizes[1]
    credit = [part for _, part in parts_in((recipe.advantage, recipe.shaping))]
    compare = [part for part in credit if compares_group(part)]
    needs = recipe.objective.needs
    learns, credits = type(recipe.objective).__name__, type(recipe.advantage).__name__
    if sizes is not None and sizes[0] == 1 and compare:
        yield (
            f"sampler.size is 1{'' if sizes[1] == 1 else ' at times'}, but "
            f"{type(compare[0]).__name__} compares the completions of a group; give 2 or more, or "
            "an advantage that compares nothing, such as ReinforcePlusPlus (--advantage "
            "reinforce++)"
        )
    if loop.minibatch > rows:
        yield (
            f"loop.minibatch is {loop.minibatch}, but a step has {rows} rows (loop.groups x "
            "sampler.size); give at most that, or 0 for all at once"
        )
    portion = portion_of(recipe.sampler)
    if portion > loop.groups:
        yield (
            f"sampler.portion is {portion}, but a step has {loop.groups} groups; give at most "
            "that, or 0 for all"
        )
    if loop.resample > 1 and recipe.filter is None:
        yield (
            f"loop.resample is {loop.resample}, but there is no filter whose groups would be "
            "replaced; give one (--filter informative), or 1"
        )
    late = needs_of((recipe.reward, recipe.filter, recipe.exams)) - TOLD
    if late:
        yield (
            f"a reward or filter needs {', '.join(sorted(late))}, which is not known when rows are "
            f"judged; it may need {', '.join(sorted(TOLD))}, and a shaper the reference too"
        )
    if compares_with_reference(recipe) and isinstance(recipe.reference, NoReference):
        yield LACKING
    if recipe.objective.couples == "pair" and recipe.selection is None:
        yield (
            f"{learns} learns from pairs, but nothing makes them; set recipe.selection to "
            "AllPairs() or another of guerdon.selection (--selection all-pairs)"
        )
    if "values" in needs and not isinstance(recipe.advantage, ValueTargets):
        yield (
            f"{learns} learns values, but {credits} gives it no returns to learn them from; use "
            "GAE (--advantage gae)"
        )
    if "values" not in needs and "values" in needs_of(recipe.advantage):
        yield (
            f"{credits} needs value estimates, but {learns} learns none; use an objective with a "
            "value loss, such as PPO (--objective ppo)"
        )


def _obstacles(recipe: PolicyRecipe, loads_model: bool) -> Iterator[str]:
    sampling = sampling_of(recipe.sampler)
    if sampling is not None and ends(sampling.temperature)[1] == 0:
        yield (
            "sampler.sampling.temperature is 0: a group's completions would all be the same, and "
            "nothing could be learned from them; give a number above 0 (evaluation_sampling may be "
            "greedy)"
        )
    loop, sizes = recipe.loop, group_sizes_of(recipe.sampler)
    rows = 0 if sizes is None else loop.groups * sizes[0]
    least = least_updates_of(recipe.objective)
    if rows and loop.epochs * math.ceil(rows / (loop.minibatch or rows)) < least:
        yield (
            f"{type(recipe.objective).__name__} holds the policy near the one that sampled. At a "
            f"batch's first update they are the same, so it needs {least} updates per batch: give "
            f"a loop.minibatch of at most {rows // least} rows (such as --loop.minibatch "
            f"{max(rows // 4, 1)}), or more loop.epochs"
        )
    model, values = recipe.model, "values" in recipe.objective.needs
    if loads_model and values and not has_value_head(model):
        yield (
            f"{type(recipe.objective).__name__} learns values, but the model has no value head; "
            "set model.value_head to True (--model.value-head)"
        )
    if loads_model and needs_adapter(recipe.reference) and not has_adapter(model):
        yield (
            f"{type(recipe.reference).__name__} needs a policy with an adapter; set "
            'model.adapter to "lora" (--model.adapter lora), or use FixedReference'
        )
