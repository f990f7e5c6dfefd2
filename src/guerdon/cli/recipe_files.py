"""Recipe files: whole ones as runs write them, and short ones laid over a recipe by name.

    recipe: grpo
    objective: gspo
    loop: {steps: 3}

A place takes a part's name as on the command line, or ``part`` and its settings; what is not named
stays as the recipe has it. A chain says its stages by name, each a recipe in short:

    recipe: stages
    stages:
      sft: {recipe: sft, demonstrations: written.jsonl}
      rl: {recipe: grpo, loop: {steps: 3}}

and rounds the one that they have: ``recipe: rounds``, ``round: {recipe: dpo, pairs: FILE}``. Any
file may be anybody's, and is judged by the same rules (`guerdon.trust`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any

from guerdon.cli.chains import OVER_ALL, dealt, laid_inside, told_of
from guerdon.cli.laying import NoSuchPlaceError, Reader, meant, put, tell_moved
from guerdon.cli.offered import Choices, choices_of
from guerdon.cli.part_names import FILES, called_after, choose, is_own_reward, kind_of, part_of
from guerdon.parsing.strict_yaml import read_yaml
from guerdon.parts import PartError, build, describe, name_of
from guerdon.ranges import checked_later
from guerdon.recipes import build_recipe
from guerdon.reward_models import SavedRewardModel
from guerdon.rewards import ScorerReward
from guerdon.schedules import named
from guerdon.training.chain import CARRIES, Rounds, Stage, Stages
from guerdon.training.recipe import load_any
from guerdon.trust import refuse_untrusted


def load_recipe_file(
    path: Path, trust: Sequence[str] = (), files: Mapping[str, str] = MappingProxyType({})
) -> Any:
    """The recipe that a file says, whole or in short.

    ``files`` are read in place of what it learns from, by the field they are for. No code that the
    file names runs before all of it is found to be guerdon's own or in ``trust``. Raises PartError
    naming file, place and mend.
    """
    try:
        data = read_yaml(path)
        if not isinstance(data, Mapping) or not {"recipe", "part"} & {*data}:
            raise PartError(
                "it does not hold a recipe: its top level says neither `recipe: NAME`, as a short "
                "file does, nor `part`, as a run's own"
            )
        if "part" in data:  # rounds have a setting called recipe
            whole = load_any(path, trust)
            return learning_from(whole, files)
        with checked_later():
            recipe = _composed({**data, **files}, trust)
        refuse_untrusted(describe(recipe), "recipe", trust)
        return replace(recipe)
    except PartError as error:
        told = str(error)
        raise PartError(told if told.startswith(str(path)) else f"{path}: {told}") from error
    except ValueError as error:
        raise PartError(f"{path}: {str(error).removeprefix('--')}") from error


def named_on(name: str, sources: Mapping[str, Any]) -> Any:
    """The recipe called ``name``, learning from ``sources`` by the field they are for.

    Raises ValueError for one that has no such field, or that needs one which is not given.
    """
    try:
        return build_recipe(name, **sources)
    except TypeError as error:
        if not sources:
            raise
        field = min(sources)
        raise ValueError(
            f"--{field} does not go with --recipe {name}, which learns from no {field}"
        ) from error


def learning_from(recipe: Any, files: Mapping[str, str]) -> Any:
    """``recipe`` with these files as what it learns from. Raises ValueError where it reads none."""
    for field, file in files.items():
        if not hasattr(recipe, field):
            raise ValueError(f"a {type(recipe).__name__} learns from no {field}")
        recipe = replace(recipe, **{field: FILES[field](file)})
    return recipe


def base_in(path: Path) -> str:
    """The recipe that a short file, which can be read, is laid over; "" of a whole one."""
    data: Any = read_yaml(path)
    return "" if "part" in data else str(data["recipe"])


def _composed(data: Mapping[str, Any], trust: Sequence[str]) -> Any:
    """A short file's settings over the recipe that it names."""
    base = data["recipe"]
    if not isinstance(base, str):
        raise PartError(f"recipe is {base!r:.60}; give a recipe's name, such as grpo")
    rest = {str(key): value for key, value in data.items() if key != "recipe"}
    begun, rest = _begun(base, rest, trust)
    given = [one for key in rest for one in _settings_in(rest[key], key)]
    return _laid_over(begun, given, trust)


def _begun(base: str, rest: dict[str, Any], trust: Sequence[str]) -> tuple[Any, dict[str, Any]]:
    """The recipe called ``base``, made of what can't be left out, and what is left to lay over."""
    if base == "stages":
        return Stages(tuple(_stages(rest.pop("stages", None), trust))), rest
    if base == "rounds":
        with told_of(OVER_ALL):
            return Rounds(_inside(rest.pop(OVER_ALL, None), trust)), rest
    needed = {}
    for field in {*FILES} & {*rest}:
        held = rest[field]
        if isinstance(held, Mapping) and "part" not in held:  # settings of a file
            held = held.get("path")
        else:
            rest = {key: value for key, value in rest.items() if key != field}
        if held is not None:
            needed[field] = build(_in_full(held, field, {}, trust), field, trust)
    return named_on(base, needed), rest


def _stages(data: Any, trust: Sequence[str]) -> Iterator[Stage]:
    if not isinstance(data, Mapping) or not data:
        raise PartError(
            f"stages is {data!r:.60}; give each stage by its name, such as "
            "stages: {sft: {recipe: sft, demonstrations: FILE}, rl: {recipe: grpo}}"
        )
    for name, inside in data.items():
        with told_of(f"stages.{name}"):
            if isinstance(inside, Mapping) and "carry" in inside:
                held = {key: value for key, value in inside.items() if key != "carry"}
                taken = build(_in_full(inside["carry"], "carry", _CARRY, trust), "carry", trust)
                yield Stage(str(name), _inside(held, trust), taken)
            else:
                yield Stage(str(name), _inside(inside, trust))


def _inside(data: Any, trust: Sequence[str]) -> Any:
    """A recipe in a recipe, in short or whole."""
    if isinstance(data, Mapping) and "recipe" in data:
        return _composed(data, trust)
    if isinstance(data, Mapping) and "part" in data:
        return build(data, "recipe", trust)
    raise PartError(f"{data!r:.60} stands where a recipe belongs; give one: {{recipe: grpo}}")


_CARRY: Choices = {"carry": CARRIES}


def _laid_over(begun: Any, given: Sequence[tuple[str, Any]], trust: Sequence[str]) -> Any:
    """``begun`` with a file's settings laid over it, and over the recipes in it."""
    recipe = begun
    if isinstance(begun, Stages | Rounds):
        given, inside = dealt(begun, given)
        recipe = laid_inside(begun, inside, partial(_laid_over, trust=trust))
    choices = choices_of(recipe)
    readers: dict[str, Reader] = {}
    # A part comes before what is inside it, in whatever order they were written.
    for place, value in sorted(given, key=lambda one: one[0].count(".")):
        option = place.replace("_", "-")
        tell_moved(place, begun, "{}")
        if isinstance(value, str) and (option in choices or option in FILES):
            _refuse_strangers(option, value, choices, trust)
            recipe = choose(recipe, option, value, choices)
        else:
            readers[place] = _reader(value, option, choices, trust)
    try:
        recipe = put(recipe, readers)
    except NoSuchPlaceError as error:
        told = f"the recipe has no {error}{meant(str(error), recipe, '{}')}"
        raise PartError(f"{told} (--settings lists all)") from None
    return recipe if "name" in readers else called_after(begun, recipe, choices)


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
    if isinstance(value, str) and (option in choices or option in FILES):
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
