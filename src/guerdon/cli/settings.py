"""A recipe with settings of the command line laid over it."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import fields, is_dataclass, make_dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any, get_type_hints

import tyro

from guerdon.cli.options import number, reading_arguments, whole_number
from guerdon.cli.part_names import (
    POLICY_CHOICES,
    PREFERENCE_CHOICES,
    RANKING_CHOICES,
    Choices,
    choose,
)
from guerdon.cli.schedule_options import take_schedules, with_schedules
from guerdon.objectives import KL
from guerdon.parsing.visible import visible
from guerdon.parts import PartError, describe
from guerdon.ranges import Count, NonNegative, RangeError, Seed, checked_later
from guerdon.recipes import build_recipe
from guerdon.rollout import EndpointPolicy
from guerdon.tasks import RankingFile
from guerdon.training import (
    FixedReference,
    NoReference,
    PolicyRecipe,
    PreferenceRecipe,
    RewardModelRecipe,
)
from guerdon.trust import foreign, told


def recipe_from(
    slug: str, arguments: list[str], *, settings: bool = False, trust: Sequence[str] = ()
) -> PolicyRecipe:
    """A named recipe (or a recipe.yaml) with command-line overrides laid over it.

    A recipe.yaml may name guerdon's own parts and what ``trust`` lists or the arguments name.
    """
    with reading_arguments():
        from_file = slug.endswith((".yaml", ".yml"))
        if from_file:
            recipe = PolicyRecipe.load(Path(slug), (*trust, *_named_here(arguments)))
        else:
            recipe = build_recipe(slug)
        made: PolicyRecipe = _overlaid(recipe, arguments, POLICY_CHOICES, settings)
    if from_file:  # what else it runs was named on the command line
        show_foreign(made)
    return made


def _named_here(arguments: list[str]) -> Iterator[str]:
    """What the user names on the command line, and so trusts: a reward's file, an address."""
    words = [word for one in arguments for word in one.split("=", 1)]
    for option, value in pairwise(words):
        if option == "--endpoint":
            yield value
        elif option == "--reward" and value.partition(":")[0] not in POLICY_CHOICES["reward"]:
            module, colon, _ = value.rpartition(":")
            if colon:
                yield module


def show_foreign(recipe: Any, file: Any = None) -> None:
    """Say which code besides guerdon's the recipe runs, and where it sends what it reads."""
    with suppress(PartError):  # what can't be described was named by the user
        if found := foreign(describe(recipe)):
            print(visible(f"guerdon: this recipe {told(found)}"), file=file or sys.stderr)


def preference_recipe_from(
    path: str, arguments: list[str], *, settings: bool = False
) -> PreferenceRecipe:
    """The recipe of a run on the pairs in a file, with overrides laid over it."""
    with reading_arguments():
        recipe = PreferenceRecipe(pairs=RankingFile(path))
        made: PreferenceRecipe = _overlaid(recipe, arguments, PREFERENCE_CHOICES, settings)
    return made


def reward_model_recipe_from(
    path: str, arguments: list[str], *, settings: bool = False
) -> RewardModelRecipe:
    """The recipe of a reward model trained on a file's pairs or rankings, with overrides."""
    with reading_arguments():
        recipe = RewardModelRecipe(pairs=RankingFile(path))
        made: RewardModelRecipe = _overlaid(recipe, arguments, RANKING_CHOICES, settings)
    return made


def _overlaid(recipe: Any, arguments: list[str], choices: Choices, settings: bool) -> Any:
    try:
        # Options come one by one: what they make is checked whole, where every place is known.
        with checked_later():
            made = _laid_over(recipe, arguments, choices, settings)
        return replace(made)
    except RangeError as error:
        raise RangeError(f"--{error.place.replace('_', '-')}", error.told) from error


def _laid_over(recipe: Any, arguments: list[str], choices: Choices, settings: bool) -> Any:
    recipe, rest = _short_forms(recipe, arguments, choices)
    recipe, scheduled, rest = take_schedules(recipe, rest)
    if settings:
        show_foreign(recipe, sys.stdout)
    for one in rest:
        if one.startswith("--") and visible(one) != one:
            raise ValueError(f"there is no option {one}")
    parts = {f.name: getattr(recipe, f.name) for f in fields(recipe)}
    shape = _settings_of(type(recipe), parts)
    unprefixed: Any = Annotated[shape, tyro.conf.arg(name="")]
    overridden = tyro.cli(
        unprefixed,
        default=shape(**parts),
        args=["--help"] if settings else rest,
        prog="guerdon train",
        config=(tyro.conf.SuppressFixed, tyro.conf.AvoidSubcommands),
    )
    made = replace(recipe, **{name: getattr(overridden, name) for name in parts})
    return with_schedules(made, scheduled, rest)


def _settings_of(kind: Any, parts: Mapping[str, Any]) -> Any:
    """A dataclass of these parts by their own types.

    A recipe's fields are typed by stage, and a stage that has properties (`Objective`) can't
    be narrowed to the part that fills it: its settings would be missing from the options.
    """
    declared = get_type_hints(kind)
    made = [(name, _own_type(part) or declared[name]) for name, part in parts.items()]
    return make_dataclass("Settings", made, namespace={"__doc__": kind.__doc__})


def _own_type(part: Any) -> Any:
    if is_dataclass(part):
        return type(part)
    if isinstance(part, tuple) and part and all(map(is_dataclass, part)):
        return tuple[tuple(map(type, part))]  # type: ignore[misc]
    return None


def _short_forms(recipe: Any, arguments: list[str], choices: Choices) -> tuple[Any, list[str]]:
    """Take parts by name and the other short forms out of the arguments, and lay them over."""
    forms = {*choices, "model", "endpoint", "kl", "steps", "seed"}
    rest: list[str] = []
    given: list[tuple[str, str]] = []
    pending = list(arguments)
    while pending:
        name, equals, value = pending.pop(0).partition("=")
        option = name.removeprefix("--") if name.startswith("--") else ""
        if option not in forms:
            rest.append(name + equals + value)
            continue
        if not equals:
            if not pending:
                raise ValueError(f"{name} needs a value")
            value = pending.pop(0)
        given.append((option, value))
    # A part comes before what is inside it, in whatever order they were written.
    for option, value in sorted(given, key=lambda one: (one[0].count("."), one[0] == "kl")):
        if option in choices:
            recipe = choose(recipe, option, value, choices)
        else:
            recipe = _lay(recipe, option, value)
    return recipe, rest


def _lay(recipe: Any, option: str, value: str) -> Any:
    """One short form over a recipe."""
    if option == "model":
        return replace(recipe, model=replace(recipe.model, name=value))
    if option == "endpoint":
        return replace(recipe, model=replace(recipe.model, engine=EndpointPolicy(value)))
    if option == "kl":
        return _with_kl(recipe, value)
    number = whole_number(f"--{option}", value, Seed if option == "seed" else Count)
    if hasattr(recipe, option):
        return replace(recipe, **{option: number})
    return replace(recipe, loop=replace(recipe.loop, **{option: number}))


def _with_kl(recipe: PolicyRecipe, value: str) -> PolicyRecipe:
    coefficient = number("--kl", value, NonNegative)
    kl = KL(coefficient) if coefficient else None
    if not hasattr(recipe.objective, "kl"):
        raise ValueError(f"--kl: {type(recipe.objective).__name__} has no KL term")
    objective: Any = replace(recipe.objective, kl=kl)  # type: ignore[type-var]
    near = isinstance(recipe.reference, NoReference) and kl is not None
    reference = FixedReference() if near else recipe.reference
    return replace(recipe, objective=objective, reference=reference)
