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

from guerdon.cli.laying import Reader, options_of, put, scheduled
from guerdon.cli.part_names import Choices, called_after, choose, is_own_reward, part_of
from guerdon.names import nearest
from guerdon.parsing.strict_yaml import read_yaml
from guerdon.parts import PartError, build, describe
from guerdon.ranges import checked_later
from guerdon.recipes import build_recipe
from guerdon.training import PolicyRecipe
from guerdon.trust import refuse_untrusted


def load_recipe_file(path: Path, choices: Choices, trust: Sequence[str] = ()) -> PolicyRecipe:
    """The recipe that a file says, whole or in short.

    No code that the file names runs before all of it is found to be guerdon's own or in ``trust``.
    Raises PartError naming file, place and mend.
    """
    try:
        data = read_yaml(path)
        if not isinstance(data, Mapping) or "recipe" not in data:
            return PolicyRecipe.load(path, trust)
        with checked_later():
            recipe = _composed(data, choices, trust)
        refuse_untrusted(describe(recipe), "recipe", trust)
        return replace(recipe)
    except PartError as error:
        told = str(error)
        raise PartError(told if told.startswith(str(path)) else f"{path}: {told}") from error
    except ValueError as error:
        raise PartError(f"{path}: {str(error).removeprefix('--')}") from error


def _composed(data: Mapping[str, Any], choices: Choices, trust: Sequence[str]) -> PolicyRecipe:
    """A short file's settings over the recipe that it names."""
    base = data["recipe"]
    if not isinstance(base, str):
        raise PartError(f"recipe is {base!r:.60}; give a recipe's name, such as grpo")
    begun: PolicyRecipe = build_recipe(base)
    recipe = begun
    given = [one for key in data if key != "recipe" for one in _settings_in(data[key], str(key))]
    # A part comes before what is inside it, in whatever order they were written.
    for place, value in sorted(given, key=lambda one: one[0].count(".")):
        option = place.replace("_", "-")
        if isinstance(value, str) and option in choices:
            _refuse_strangers(option, value, choices, trust)
            recipe = choose(recipe, option, value, choices)
            continue
        try:
            recipe = put(recipe, place, _reader(value, option, choices, trust))
        except LookupError:
            meant = nearest(option, options_of(recipe), "{}")
            raise PartError(f"the recipe has no {place}{meant} (--settings lists all)") from None
    made: PolicyRecipe = called_after(begun, recipe, choices)
    return made


def _settings_in(value: Any, place: str) -> Iterator[tuple[str, Any]]:
    """What a file says of single places: a part's name first, then the settings inside it."""
    if not isinstance(value, Mapping) or _is_described(value):
        yield place, value
        return
    if "part" in value:
        yield place, value["part"]
    for key, inside in value.items():
        if key != "part":
            yield from _settings_in(inside, f"{place}.{key}")


def _is_described(value: Mapping[str, Any]) -> bool:
    """Whether it names a class or function in full, as whole files do."""
    return "function" in value or ":" in str(value.get("part", ""))


def _reader(value: Any, option: str, choices: Choices, trust: Sequence[str]) -> Reader:
    """What puts a file's value at a place of a recipe."""

    def read(held: Any, hint: Any) -> Any:
        if isinstance(value, str) and (schedule := scheduled(value, hint)) is not None:
            return schedule
        return build(_in_full(value, option, choices, trust), option, trust)

    return read


def _in_full(value: Any, option: str, choices: Choices, trust: Sequence[str]) -> Any:
    """A file's value with parts by name as whole files have them, however deep they stand."""
    if isinstance(value, list):
        return [_in_full(one, option, choices, trust) for one in value]
    if isinstance(value, str) and option in choices:
        _refuse_strangers(option, value, choices, trust)
        part = part_of(option, value, choices)
        return describe(part[0] if isinstance(part, tuple) and len(part) == 1 else part)
    if not isinstance(value, Mapping) or "function" in value:
        return value
    inside = {
        key: one if key == "part" else _in_full(one, f"{option}.{key}", choices, trust)
        for key, one in value.items()
    }
    if "part" in value and not _is_described(value):
        named = _in_full(value["part"], option, choices, trust)
        return {**named, **inside, "part": named["part"]}
    return inside


def _refuse_strangers(option: str, text: str, choices: Choices, trust: Sequence[str]) -> None:
    """Raises PartError for a function of a user's file that is not trusted."""
    if option == "reward" and is_own_reward(text, choices):
        refuse_untrusted({option: {"function": text}}, "recipe", trust)
