"""Command-line arguments: a command's own options, and a recipe with settings laid over it."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from dataclasses import fields, is_dataclass, make_dataclass, replace
from pathlib import Path
from typing import Annotated, Any, get_type_hints

import tyro

from guerdon.parts import PartError, locate
from guerdon.recipes import load_recipe
from guerdon.rewards import NAMES, FunctionReward, reward
from guerdon.rollout import NAMES as ENGINES
from guerdon.rollout import EndpointPolicy
from guerdon.tasks import FileTasks
from guerdon.training import Recipe

OVERRIDES = """Settings of the recipe follow as nested options, for example
  --loop.steps 100 --sampling.temperature 0.8 --objective.clip-high 0.28
and these short forms:
  --model NAME     a Hub id, a local folder or a GGUF file instead of the seedling (--model.name)
  --model.engine E what samples: transformers (the model itself) or vllm; its settings follow,
                   for example --model.engine.max-length 4096
  --endpoint URL   ask the server at this address, which knows the model as --model NAME
                   (OpenAI's protocol; sample and evaluate; --model.engine.no-chat for plain text)
  --tasks FILE     JSONL, Parquet or a saved datasets folder with prompt and answer columns
  --reward FILE:F  a function of your own, e.g. rewards.py:brevity, or module:name
  --steps N        --loop.steps
  --seed N         --loop.seed
Ask for all settings of a recipe with --settings."""


def recipe_from(slug: str, arguments: list[str], *, settings: bool = False) -> Recipe:
    """A named recipe (or a recipe.yaml) with command-line overrides laid over it."""
    recipe: Recipe
    if slug.endswith((".yaml", ".yml")):
        recipe = Recipe.load(Path(slug))
    else:
        recipe = load_recipe(slug).build()
    recipe, rest = _short_forms(recipe, arguments)
    parts = {f.name: getattr(recipe, f.name) for f in fields(recipe)}
    shape = _settings_of(parts)
    unprefixed: Any = Annotated[shape, tyro.conf.arg(name="")]
    overridden = tyro.cli(
        unprefixed,
        default=shape(**parts),
        args=["--help"] if settings else rest,
        prog="guerdon",
        config=(tyro.conf.SuppressFixed, tyro.conf.AvoidSubcommands),
    )
    return replace(recipe, **{name: getattr(overridden, name) for name in parts})


def _settings_of(parts: Mapping[str, Any]) -> Any:
    """A dataclass of these parts by their own types.

    A recipe's fields are typed by stage, and a stage that has properties (`Objective`) can't
    be narrowed to the part that fills it: its settings would be missing from the options.
    """
    declared = get_type_hints(Recipe)
    made = [(n, type(v) if is_dataclass(v) else declared[n]) for n, v in parts.items()]
    return make_dataclass("Settings", made, namespace={"__doc__": Recipe.__doc__})


def _short_forms(recipe: Recipe, arguments: list[str]) -> tuple[Recipe, list[str]]:
    """Take the short forms out of the arguments and lay them over the recipe."""
    rest: list[str] = []
    pending = list(arguments)
    while pending:
        name, equals, value = pending.pop(0).partition("=")
        if name not in _SHORT:
            rest.append(name + equals + value)
            continue
        if not equals:
            if not pending:
                raise ValueError(f"{name} needs a value")
            value = pending.pop(0)
        recipe = _lay(recipe, name, value)
    return recipe, rest


_SHORT = frozenset(
    {"--model", "--model.engine", "--endpoint", "--tasks", "--reward", "--steps", "--seed"}
)


def _lay(recipe: Recipe, name: str, value: str) -> Recipe:
    """One short form over a recipe."""
    if name == "--model":
        return replace(recipe, model=replace(recipe.model, name=value))
    if name == "--model.engine":
        if value not in ENGINES:
            raise ValueError(f"there is no engine {value!r}; there are {', '.join(ENGINES)}")
        return replace(recipe, model=replace(recipe.model, engine=ENGINES[value]()))
    if name == "--endpoint":
        return replace(recipe, model=replace(recipe.model, engine=EndpointPolicy(value)))
    if name == "--tasks":
        return replace(recipe, tasks=FileTasks(value))
    if name == "--reward":
        return replace(recipe, reward=_reward(value))
    field = name.removeprefix("--")
    if not value.removeprefix("-").isdigit():
        raise ValueError(f"{name} needs a whole number, not {value!r}")
    return replace(recipe, loop=replace(recipe.loop, **{field: int(value)}))


def _reward(path: str) -> Any:
    if path in NAMES:
        return NAMES[path]()
    try:
        found = locate(path, "--reward")
    except PartError as error:
        raise ValueError(f"{error}; or one of ours: {', '.join(sorted(NAMES))}") from error
    if isinstance(found, type):
        return found()
    if isinstance(found, FunctionReward) or not callable(found):
        return found
    return reward(found)


def take_options(
    arguments: list[str],
    command: str,
    about: str,
    valued: list[str],
    flags: list[str],
    more: str = "",
) -> tuple[dict[str, Any], list[str]]:
    """A command's own options; what it does not know is left for the recipe's settings."""
    parser = argparse.ArgumentParser(
        prog=f"guerdon {command}",
        description=about,
        epilog=more,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    for name in valued:
        if name.startswith("--"):
            parser.add_argument(name, help=_OPTION_HELP[name])
        else:
            parser.add_argument(name.lower(), metavar=name, help=_OPTION_HELP[name])
    for name in flags:
        parser.add_argument(name, action="store_true", help=_OPTION_HELP[name])
    known, rest = parser.parse_known_args(arguments)
    return vars(known), rest


_OPTION_HELP = {
    "--recipe": "a system's name (see guerdon recipes) or a recipe.yaml; default grpo",
    "--out": "the folder to write to (train: default runs/RECIPE)",
    "--resume": "continue the run in this folder from its newest checkpoint",
    "--trackers": "comma-separated: tensorboard, wandb, trackio",
    "--dry-run": "score this file of saved completions with the recipe's reward; no training",
    "--quiet": "no progress display",
    "--json": "machine-readable output",
    "--settings": "list every setting of the recipe and stop",
    "--count": "how many completions (default 4)",
    "FILE": "JSONL or Parquet of saved completions",
    "SLUG": "the system, e.g. gigpo",
    "RUN": "a run's folder",
}
