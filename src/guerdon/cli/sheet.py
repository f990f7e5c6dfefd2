"""A recipe's settings written out: which part fills each place, which others could, and ranges.

What is written is itself a recipe file (see `guerdon.cli.recipe_files`).
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields, is_dataclass
from typing import Any, get_origin

import yaml

from guerdon.cli.chains import OVER_ALL
from guerdon.cli.offered import Choices, choices_of
from guerdon.cli.part_names import name_at
from guerdon.cli.settings import beyond
from guerdon.documented import documented
from guerdon.parsing.visible import visible
from guerdon.parts import describe, name_of
from guerdon.ranges import expected, settings_of
from guerdon.training import (
    PolicyRecipe,
    PreferenceRecipe,
    RewardModelRecipe,
    Rounds,
    Stages,
    SupervisedRecipe,
)
from guerdon.training.chain import CARRIES

_HEAD = "# {name}: every setting, and what else could stand in its place."
_USE = """\
# A line such as steps below loop is also an option: --loop.steps 60.
# This is a recipe file: save it, change it, leave out what you don't change, and run it by
#   guerdon train --recipe FILE.yaml"""
_WIDTH = 96
_COMMENT = 36
"""Where comments begin, if the line leaves room."""

_OBVIOUS = ("a text", "a function", "true or false", "a number that is finite")


BASES: Mapping[type, str] = {
    PolicyRecipe: "grpo",
    PreferenceRecipe: "dpo",
    RewardModelRecipe: "reward-model",
    SupervisedRecipe: "sft",
}
"""What a recipe of a kind is laid over, where nothing else is said."""


def sheet(recipe: Any, base: str = "") -> str:
    """The recipe's settings, as a file that lays them over the recipe called ``base``.

    Without one it is its kind's, and of a kind that has none all is written as in a run's file.
    """
    said = beyond(recipe)
    head = [_HEAD.format(name=recipe.name), _USE]
    head += [f"# {visible(said)}"] if said else []
    return "\n".join([*head, *map(_aligned, _recipe(recipe, base))]) + "\n"


def _recipe(recipe: Any, base: str = "") -> Iterator[str]:
    """The lines of a recipe, and of those in it."""
    if isinstance(recipe, Stages):
        yield "recipe: stages"
        yield from _settings(recipe, "", choices_of(recipe), leaving=("stages",))
        yield "stages:"
        for stage in recipe.stages:
            yield f"  {_plain(stage.name)}:"
            carry = _setting("carry", stage.carry, Any, "carry", {"carry": CARRIES})
            yield from (f"    {line}" for line in (*carry, *_recipe(stage.recipe)))
    elif isinstance(recipe, Rounds):
        yield "recipe: rounds"
        yield from _settings(recipe, "", choices_of(recipe), leaving=("recipe",))
        yield f"{OVER_ALL}:"
        yield from (f"  {line}" for line in _recipe(recipe.recipe))
    elif base := base or BASES.get(type(recipe), ""):
        yield f"recipe: {base}"
        yield from _settings(recipe, "", choices_of(recipe))
    else:
        yield f"part: {name_of(type(recipe))}"
        yield from _settings(recipe, "", None)


def _settings(
    part: Any, place: str, choices: Choices | None, leaving: Sequence[str] = ()
) -> Iterator[str]:
    """The lines of a part's settings, each a place in the recipe.

    Without ``choices`` parts are named by where they are defined, as a run's file has them.
    """
    kind: Any = type(part)
    hints, notes = dict(settings_of(kind)), documented(kind)
    for setting in fields(part):
        if setting.init and setting.name not in leaving:
            inside = f"{place}.{setting.name}" if place else setting.name
            held = getattr(part, setting.name)
            lines = _setting(setting.name, held, hints.get(setting.name, Any), inside, choices)
            yield from _comment(notes[setting.name]) if setting.name in notes else ()
            yield from lines


def _setting(name: str, held: Any, hint: Any, place: str, choices: Choices | None) -> Iterator[str]:
    name = _plain(name)  # YAML takes `on` for true
    option = place.replace("_", "-")
    if choices is not None and option in choices:
        others = [one for one in choices[option] if one != name_at(option, held, choices)]
        yield from _comment(f"or {', '.join(others)}") if others else ()
    if is_dataclass(held):
        yield f"{name}:"
        # Without its part the recipe below has the same.
        if choices is None or "." in place or hint is not type(held):
            yield f"  part: {_part_name(option, held, choices)}"
        yield from (f"  {line}" for line in _settings(held, place, choices))
    elif isinstance(held, tuple) and any(map(is_dataclass, held)):
        yield f"{name}:"
        for one in held:
            yield f"  - part: {_part_name(option, one, choices)}"
            yield from (f"    {line}" for line in _settings(one, place, choices))
    elif isinstance(held, Mapping) and held:
        yield f"{name}:"
        for key, one in held.items():
            inside = _setting(str(key), one, Any, f"{place}.{key}", choices)
            yield from (f"  {line}" for line in inside)
    else:
        yield f"{name}: {_plain(_short(option, held, choices) or describe(held, place))}\t" + (
            _range(held, hint)
        )


def _part_name(option: str, part: Any, choices: Choices | None) -> str:
    """A part's name in its place's list, where it has one; else where it is defined."""
    return _short(option, part, choices) or name_of(type(part))


def _short(option: str, part: Any, choices: Choices | None) -> str:
    """A part's name in its place's list; "" where that has none."""
    if choices is None or option not in choices:
        return ""
    short = name_at(option, part, choices)
    return short if short in choices[option] else ""


def _plain(value: Any) -> str:
    text: str = yaml.safe_dump(value, default_flow_style=True, allow_unicode=True, width=10_000)
    return text.removesuffix("...\n").strip()


def _aligned(line: str) -> str:
    """A line whose comment follows a tab, with comments below each other."""
    setting, _, comment = line.partition("\t")
    return f"{setting.ljust(_COMMENT)}  # {comment}" if comment else setting


def _range(held: Any, hint: Any) -> str:
    """What may stand there, in words; "" where these would say nothing."""
    if callable(held) or hint is Any or get_origin(hint) is dict:
        return ""
    told = expected(hint).replace("None", "null")
    return "" if "a part (" in told or told in _OBVIOUS else told


def _comment(text: str) -> list[str]:
    return textwrap.wrap(
        text, _WIDTH, initial_indent="# ", subsequent_indent="#    ", break_on_hyphens=False
    )
