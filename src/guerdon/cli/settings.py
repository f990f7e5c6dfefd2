"""A recipe with settings of the command line laid over it."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import fields, replace
from itertools import pairwise
from pathlib import Path
from types import MappingProxyType
from typing import Any

from guerdon.cli.chains import dealt, laid_inside
from guerdon.cli.exams import with_exam
from guerdon.cli.helping import SHORT_OPTIONS
from guerdon.cli.laying import lay, tell_moved
from guerdon.cli.offered import Choices, choices_of
from guerdon.cli.options import UsageError, number, reading_arguments, whole_number
from guerdon.cli.part_names import FILES, called_after, choose, is_own_reward, part_of
from guerdon.cli.recipe_files import base_in, load_recipe_file, named_on
from guerdon.composition import places
from guerdon.objectives import KL
from guerdon.parsing.visible import visible
from guerdon.parts import PartError, describe
from guerdon.ranges import Count, NonNegative, RangeError, Seed, checked_later
from guerdon.rollout import EndpointPolicy, Model
from guerdon.rollout.sources import begun_from
from guerdon.tasks import DataError, FileTasks
from guerdon.training import (
    FixedReference,
    NoReference,
    PolicyRecipe,
    Rounds,
    Stages,
)
from guerdon.training.recipe import load_any
from guerdon.training.run_folder import RECIPE, resume_command
from guerdon.trust import foreign, told


def recipe_from(
    slug: str,
    arguments: Sequence[str],
    *,
    trust: Sequence[str] = (),
    data: Mapping[str, str] = MappingProxyType({}),
) -> Any:
    """A named recipe (or a recipe.yaml) of any kind with command-line overrides laid over it.

    A recipe.yaml may name guerdon's own parts and what ``trust`` lists or the arguments name; a
    run's folder stands for its own. ``data`` are files to learn from, by the field they are for.
    """
    file = file_of(slug)
    with reading_arguments():
        if file is not None:
            recipe = load_recipe_file(file, (*trust, *_named_here(arguments)), data)
        else:
            recipe = named_on(slug, {field: FILES[field](path) for field, path in data.items()})
        made = overlaid(recipe, arguments)
    if file is not None:  # what else it runs was named on the command line
        show_foreign(made)
    show_layout(made)
    return made


def show_layout(recipe: Any) -> None:
    """Say how files of tasks are read whose columns are other people's."""
    for _, part in places(getattr(recipe, "tasks", None)):
        with suppress(DataError):  # told when the file is read
            if isinstance(part, FileTasks) and (told := part.told):
                print(visible(f"guerdon: {told}"), file=sys.stderr)


def file_of(slug: str) -> Path | None:
    """The file that --recipe names, or that of the run it names; None for a recipe's name."""
    if is_file(slug):
        return Path(slug)
    file = Path(slug) / RECIPE
    return file if file.is_file() else None


def base_of(slug: str) -> str:
    """The recipe that what --recipe names is laid over; "" of a file that is whole."""
    file = file_of(slug)
    return slug if file is None else base_in(file)


def is_file(name: str) -> bool:
    """Whether a name is that of a recipe file."""
    return name.endswith((".yaml", ".yml"))


def _named_here(arguments: Sequence[str]) -> Iterator[str]:
    """What the user names on the command line, and so trusts: a reward's file, an address."""
    words = [word for one in arguments for word in one.split("=", 1)]
    for option, value in pairwise(words):
        if option == "--endpoint":
            yield value
        elif option == "--reward" and is_own_reward(value):
            yield value.rpartition(":")[0]


def show_foreign(recipe: Any) -> None:
    """Say which code besides guerdon's the recipe runs, and where it sends what it reads."""
    if said := beyond(recipe):
        print(visible(f"guerdon: {said}"), file=sys.stderr)


def beyond(recipe: Any) -> str:
    """What a recipe reaches besides guerdon, in a sentence; "" where that is nothing."""
    with suppress(PartError):  # what can't be described was named by the user
        if found := foreign(describe(recipe)):
            return f"this recipe {told(found)}"
    return ""


def recipe_with(
    parts: Sequence[str], slug: str, arguments: Sequence[str], *, trust: Sequence[str] = ()
) -> Any:
    """`recipe_from`, of a recipe that has these parts. Raises UsageError for any other kind."""
    return having(parts, recipe_from(slug, arguments, trust=trust))


def asked(parts: Sequence[str], options: Mapping[str, Any], arguments: Sequence[str]) -> Any:
    """The recipe that a command asks: --recipe's, or that of a run with the model it trained.

    Raises UsageError where it has not these parts, and where the run has no model yet.
    """
    slug, run, trust = options["recipe"], options["run"], options["trust"]
    if not run:
        return recipe_with(parts, slug or "grpo", arguments, trust=trust)
    if slug:
        raise UsageError(f"give the run {run} or --recipe, not both: the run has its own")
    file, model = Path(run) / RECIPE, Path(run) / "model"
    if not file.is_file():
        raise UsageError(f"unknown argument {run!r:.200}: no run is there (it has no {RECIPE})")
    with reading_arguments():
        recipe = having(parts, load_any(file, (*trust, *_named_here(arguments))))
        if not model.is_dir():
            raise UsageError(f"{run} has no model yet: {resume_command(Path(run))}")
        made = replace(recipe, model=begun_from(recipe.model, str(model)))
        made = overlaid(made, arguments)
    show_foreign(made)
    return made


def having(parts: Sequence[str], recipe: Any) -> Any:
    """``recipe``, if it has these parts. Raises UsageError for one of another kind."""
    missing = [part for part in parts if not hasattr(recipe, part)]
    if missing:
        raise UsageError(
            f"the recipe {recipe.name} is a {type(recipe).__name__} and has no "
            f"{' and no '.join(missing)}, which this needs; guerdon train runs it"
        )
    return recipe


def overlaid(recipe: Any, arguments: Sequence[str]) -> Any:
    """``recipe`` with options laid over it, checked whole. Raises ValueError naming the option."""
    return _overlaid(recipe, list(_options_in(arguments)))


_Options = Sequence[tuple[str, Sequence[str]]]
"""Each option without its dashes, and the words that follow it."""


def _overlaid(recipe: Any, given: _Options) -> Any:
    if isinstance(recipe, Stages | Rounds):
        given, inside = dealt(recipe, _named_as_places(recipe, given))
        if isinstance(recipe, Stages):
            _refuse_a_stages_own(recipe, given)
        recipe = laid_inside(recipe, inside, _overlaid)
    choices = choices_of(recipe)
    try:
        # Options come one by one: what they make is checked whole, where every place is known.
        with checked_later():
            made = called_after(recipe, _laid_over(recipe, given, choices), choices)
        return replace(made)
    except RangeError as error:
        place = error.place.removeprefix("--").replace("_", "-")
        raise RangeError(f"--{place}", error.told) from error


def _named_as_places(recipe: Stages | Rounds, given: _Options) -> _Options:
    """Options of a chain by their places: ``--from NAME --model FOLDER`` skips stages."""
    short = {"from": "start", "model": "given"} if isinstance(recipe, Stages) else {}
    return [(short.get(option, option), words) for option, words in given]


def _refuse_a_stages_own(recipe: Stages, given: _Options) -> None:
    """Raises UsageError for an option that is none of the chain, but could be a stage's."""
    for option, _ in given:
        if option.partition(".")[0] not in {field.name for field in fields(recipe)}:
            where = " or ".join(f"--stages.{stage.name}.{option}" for stage in recipe.stages)
            raise UsageError(f"--{option} does not say of which stage it is: {where}")


def _laid_over(recipe: Any, given: _Options, choices: Choices) -> Any:
    for option, _ in given:
        tell_moved(option, recipe, "--{}")
    # A part comes before what is inside it, in whatever order they were written.
    named = [one for one in given if one[0] in {*choices, *SHORT_OPTIONS}]
    for option, words in sorted(named, key=lambda one: (one[0].count("."), one[0] == "kl")):
        if not words:
            raise UsageError(f"--{option} needs a value")
        if words[1:]:
            raise UsageError(f"unknown argument {words[1]!r}")
        if option in choices and option != "model":
            recipe = choose(recipe, option, words[0], choices)
        else:
            recipe = _short(recipe, option, words[0])
    settings = {
        option: words for option, words in given if option not in {*choices, *SHORT_OPTIONS}
    }
    return lay(recipe, settings, sorted({*choices, *SHORT_OPTIONS}))


def _options_in(arguments: Sequence[str]) -> Iterator[tuple[str, list[str]]]:
    """Each option with the words that follow it, up to the next; ``--a=b`` has one."""
    found: list[tuple[str, list[str]]] = []
    for one in arguments:
        if one.startswith("--"):
            name, equals, value = one.removeprefix("--").partition("=")
            found.append((name, [value] if equals else []))
        elif found:
            found[-1][1].append(one)
        else:
            raise UsageError(f"unknown argument {one!r}")
    return iter(found)


def _short(recipe: Any, option: str, value: str) -> Any:
    """One short form over a recipe."""
    place = {"endpoint": "model", "kl": "objective", "steps": "loop"}.get(option, option)
    if not (hasattr(recipe, place) or (option == "seed" and hasattr(recipe, "loop"))):
        raise ValueError(f"--{option}: a {type(recipe).__name__} has no {place}")
    if option == "model":
        return _with_model(recipe, value)
    if option == "exams":
        return with_exam(recipe, value)
    if option == "endpoint":
        if not isinstance(recipe.model, Model):
            raise ValueError(
                f"--endpoint asks a language model's server, but the model is a "
                f"{type(recipe.model).__name__}; give one or the other"
            )
        return replace(recipe, model=replace(recipe.model, engine=EndpointPolicy(value)))
    if option == "kl":
        return _with_kl(recipe, value)
    number = whole_number(f"--{option}", value, Seed if option == "seed" else Count)
    if hasattr(recipe, option):
        return replace(recipe, **{option: number})
    return replace(recipe, loop=replace(recipe.loop, **{option: number}))


def _with_model(recipe: Any, value: str) -> Any:
    """Another kind of policy by its name; a language model's name keeps the other settings."""
    if isinstance(recipe, PolicyRecipe):
        part = part_of("model", value)
        if not (isinstance(part, Model) and isinstance(recipe.model, Model)):
            return replace(recipe, model=part)
    return replace(recipe, model=replace(recipe.model, name=value))


def _with_kl(recipe: PolicyRecipe, value: str) -> PolicyRecipe:
    coefficient = number("--kl", value, NonNegative)
    kl = KL(coefficient) if coefficient else None
    if not hasattr(recipe.objective, "kl"):
        raise ValueError(f"--kl: {type(recipe.objective).__name__} has no KL term")
    objective: Any = replace(recipe.objective, kl=kl)  # type: ignore[type-var]
    near = isinstance(recipe.reference, NoReference) and kl is not None
    reference = FixedReference() if near else recipe.reference
    return replace(recipe, objective=objective, reference=reference)
