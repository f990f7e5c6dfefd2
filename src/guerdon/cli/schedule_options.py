"""Options whose number follows the run: ``--objective.kl.coefficient linear:0.1,0``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from guerdon.composition import put
from guerdon.schedules import Schedule, named, schedules_in


def take_schedules(
    recipe: Any, arguments: Sequence[str]
) -> tuple[Any, Mapping[str, Schedule], list[str]]:
    """The recipe with plain numbers, its schedules by their places, and the arguments left.

    Options are read by the types of settings, and these say number; so each schedule, of the recipe
    and of the arguments, makes way for one of its values until the options are read.
    """
    found = {place_of(place): schedule for place, schedule in schedules_in(recipe)}
    pending, rest = list(arguments), []
    while pending:
        name, equals, value = pending.pop(0).partition("=")
        if name.startswith("--") and not equals and pending:
            value = pending[0]
        schedule = named(value) if name.startswith("--") else None
        if schedule is None:
            rest.append(name + equals + (value if equals else ""))
            continue
        if not equals:
            pending.pop(0)
        found[place_of(name)] = schedule
    for place, schedule in found.items():
        try:
            recipe = put(recipe, place, schedule.ends[0])
        except ValueError as error:
            raise ValueError(f"there is no option --{place.replace('_', '-')}: {error}") from error
    return recipe, found, rest


def with_schedules(recipe: Any, schedules: Mapping[str, Schedule], arguments: Sequence[str]) -> Any:
    """The recipe with its schedules back, but for those that an option gave a number."""
    given = {place_of(one.partition("=")[0]) for one in arguments if one.startswith("--")}
    for place, schedule in schedules.items():
        if place not in given:
            recipe = put(recipe, place, schedule)
    return recipe


def place_of(option: str) -> str:
    """The place in a recipe that an option names, as `put` takes it."""
    dotted = option.removeprefix("--").replace("[", ".").replace("]", "")
    return dotted.replace("-", "_")
