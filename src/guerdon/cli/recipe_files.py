"""Recipe files: whole ones as runs write them, and short ones laid over a recipe by name.

    recipe: grpo
    objective: gspo
    loop: {steps: 3}

A place takes a part's name as on the command line, or ``part`` and its settings; what is not named
stays as the recipe has it. Either kind of file may be anybody's, and is judged by the same rules
(`guerdon.trust`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from guerdon.cli.choices import Choices, choices_of
from guerdon.cli.laying import NoSuchPlaceError, Reader, meant, put
from guerdon.cli.part_names import called_after, choose, is_own_reward, kind_of, part_of
from guerdon.parsing.strict_yaml import read_yaml
from guerdon.parts import PartError, build, describe, name_of
from guerdon.ranges import checked_later
from guerdon.recipes import build_recipe
from guerdon.reward_models import SavedRewardModel
from guerdon.rewards import ScorerReward
from guerdon.schedules import named
from guerdon.training.recipe import load_any
from guerdon.trust import refuse_untrusted


def load_recipe_file(path: Path, trust: Sequence[str] = ()) -> Any:
    """The recipe that a file says, whole or in short.

    No code that the file names runs before all of it is found to be guerdon's own or in ``trust``.
    Raises PartError naming file, place and mend.
    """
    try:
        data = read_yaml(path)
        if not isinstance(data, Mapping) or not {"recipe", "part"} & {*data}:
            raise PartError(
                "it does not hold a recipe: its top level says neither `recipe: NAME`, as a short "
                "file does, nor `part`, as a run's own"
            )
        if "recipe" not in data:
            return load_any(path, trust)
        with checked_later():
            recipe = _composed(data, trust)
        refuse_untrusted(describe(recipe), "recipe", trust)
        return replace(recipe)
    except PartError as error:
        told = str(error)
        raise PartError(told if told.startswith(str(path)) else f"{path}: {told}") from error
    except ValueError as error:
        raise PartError(f"{path}: {str(error).removeprefix('--')}") from error


def _composed(data: Mapping[str, Any], trust: Sequence[str]) -> Any:
    """A short file's settings over the recipe that it names."""
    base = data["recipe"]
    if not isinstance(base, str):
        raise PartError(f"recipe is {base!r:.60}; give a recipe's name, such as grpo")
    begun: Any = build_recipe(base)
    recipe, choices = begun, choices_of(type(begun))
    given = [one for key in data if key != "recipe" for one in _settings_in(data[key], str(key))]
    readers: dict[str, Reader] = {}
    # A part comes before what is inside it, in whatever order they were written.
    for place, value in sorted(given, key=lambda one: one[0].count(".")):
        option = place.replace("_", "-")
        if isinstance(value, str) and option in choices:
            _refuse_strangers(option, value, choices, trust)
            recipe = choose(recipe, option, value, choices)
        else:
            readers[place] = _reader(value, option, choices, trust)
    try:
        recipe = put(recipe, readers)
    except NoSuchPlaceError as error:
        told = f"the recipe has no {error}{meant(str(error), recipe, '{}')}"
        raise PartError(f"{told} (--settings lists all)") from None
    return called_after(begun, recipe, choices)


def _settings_in(value: Any, place: str) -> Iterator[tuple[str, Any]]:
    """What a file says of single places: settings inside of what stands there, or another part."""
    if isinstance(value, Mapping) and not {"part", "function"} & {*value}:
        for key, inside in value.items():
            yield from _settings_in(inside, f"{place}.{key}")
    else:
        yield place, value


def _reader(value: Any, option: str, choices: Choices, trust: Sequence[str]) -> Reader:
    """What puts a file's value at a place of a recipe."""

    def read(held: Any, hint: Any) -> Any:
        return build(_in_full(value, option, choices, trust), option, trust)

    return read


def _in_full(value: Any, option: str, choices: Choices, trust: Sequence[str]) -> Any:
    """A file's value with parts by name as whole files have them, however deep they stand."""
    if isinstance(value, list):
        if option not in choices and all(isinstance(one, str) for one in value):
            return value  # texts, such as where a completion stops
        return [_in_full(one, option, choices, trust) for one in value]
    if isinstance(value, str) and option in choices:
        _refuse_strangers(option, value, choices, trust)
        part = part_of(option, value, choices)
        return describe(part[0] if isinstance(part, tuple) and len(part) == 1 else part)
    if isinstance(value, str) and (schedule := named(value)) is not None:
        return describe(schedule)
    if not isinstance(value, Mapping) or "function" in value:
        return value
    inside = {
        key: one if key == "part" else _in_full(one, f"{option}.{key}", choices, trust)
        for key, one in value.items()
    }
    if "part" not in value or ":" in str(value["part"]):
        return inside
    if option not in choices:
        raise PartError(
            f"{option}.part is {value['part']!r:.60}; no part has a name of its own there, so give "
            "where its class is defined (module:Class), or its settings alone"
        )
    kind = kind_of(option, str(value["part"]), choices[option])
    if not isinstance(kind, type):
        return {**inside, "function": name_of(kind)}
    if kind is type(None):
        return None
    made = {**inside, "part": name_of(kind)}
    # A reward model is no reward by itself: it knows of texts, not of rollouts.
    return {"part": name_of(ScorerReward), "scorer": made} if kind is SavedRewardModel else made


def _refuse_strangers(option: str, text: str, choices: Choices, trust: Sequence[str]) -> None:
    """Raises PartError for a function of a user's file that is not trusted."""
    if option == "reward" and is_own_reward(text, choices):
        refuse_untrusted({option: {"function": text}}, "recipe", trust)
