"""Command-line arguments: a command's own options, and a recipe with settings laid over it."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stdout, suppress
from dataclasses import fields, is_dataclass, make_dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any, get_type_hints

import tyro

from guerdon.cli.part_names import (
    POLICY_CHOICES,
    PREFERENCE_CHOICES,
    RANKING_CHOICES,
    Choices,
    choose,
    listing,
)
from guerdon.objectives import KL
from guerdon.parsing.visible import visible
from guerdon.parts import PartError, describe
from guerdon.ranges import (
    Count,
    Finite,
    NonNegative,
    RangeError,
    Seed,
    WholeNumber,
    check_value,
    checked_later,
    expected,
)
from guerdon.recipes import load_recipe
from guerdon.rollout import EndpointPolicy
from guerdon.tasks import PreferenceFile, RankingFile
from guerdon.training import (
    FixedReference,
    NoReference,
    PolicyRecipe,
    PreferenceRecipe,
    RewardModelRecipe,
)
from guerdon.trust import foreign, told

OVERRIDES = f"""Settings of the recipe follow as nested options, for example
  --loop.steps 100 --sampling.temperature 0.8 --objective.clip-high 0.28
and these short forms:
  --model NAME     a Hub id, a local folder or a GGUF file instead of the seedling (--model.name)
  --model.engine E what samples: transformers (the model itself) or vllm; its settings follow,
                   for example --model.engine.max-length 4096
  --endpoint URL   ask the server at this address, which knows the model as --model NAME
                   (OpenAI's protocol; sample and evaluate; --model.engine.no-chat for plain text)
  --tasks FILE     JSONL, Parquet or a saved datasets folder with prompt and answer columns, and
                   image for models that see
  --reward FILE:F  a function of your own, e.g. rewards.py:brevity, or module:name
  --trust FILE     a file or module of yours that a recipe.yaml may run, or what else it may reach
                   (a URL, a folder, env:NAME, weak-isolation; several with commas, or once for
                   each); what --reward and --endpoint name here is trusted by that
  --kl X           a KL loss of coefficient X against the starting policy (or --reference)
  --steps N        --loop.steps
  --seed N         --loop.seed
Parts by name (NAME, or NAME:VALUE with its first setting; --shaping takes several, with commas),
whose own settings are options in turn, for example --advantage return-to-go
--advantage.discount 0.9:
{listing(POLICY_CHOICES)}
Ask for all settings of a recipe with --settings."""

PREFERENCES = f"""With --pairs (rows of prompt, chosen and rejected) there is no sampling; the
settings are --model, --epochs, --batch, --seed, --optimiser.lr and so on, and
{listing(PREFERENCE_CHOICES)}
With --pairs and --reward-model a reward model is trained on them, or on rows of prompt and
ranked (a list of texts, best first). The run's folder/model is then a reward for train, score and
serve: --reward reward-model:FOLDER. The settings are the same, and
{listing(RANKING_CHOICES)}
"""


class UsageError(ValueError):
    """The arguments are wrong; the message names which and the mend."""


@contextmanager
def own_output() -> Iterator[None]:
    """Inside, what a user's reward or task source prints goes to stderr: stdout is the command's.

    Not for what has a live display, which prints from a thread of its own.
    """
    with redirect_stdout(sys.stderr):
        yield


@contextmanager
def reading_arguments() -> Iterator[None]:
    """Inside, what is wrong is the user's arguments: any ValueError becomes a UsageError."""
    try:
        yield
    except ValueError as error:
        raise UsageError(str(error)) from error


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
            recipe = load_recipe(slug).build()
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
        recipe = PreferenceRecipe(pairs=PreferenceFile(path))
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
    return replace(recipe, **{name: getattr(overridden, name) for name in parts})


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


def whole_number(option: str, value: str, kind: Any = WholeNumber) -> int:
    """``value`` as an int in the range of ``kind``. Raises UsageError naming option and range."""
    return int(_in_range(option, value, int, kind))


def number(option: str, value: str, kind: Any = Finite) -> float:
    """``value`` as a float in the range of ``kind``. Raises UsageError naming option and range."""
    return float(_in_range(option, value, float, kind))


def _in_range(option: str, value: str, read: Callable[[str], float], kind: Any) -> float:
    try:
        found = read(value)
    except ValueError:
        raise UsageError(f"{option} is {value!r:.60}; give {expected(kind)}") from None
    with reading_arguments():
        check_value(option, found, kind)
    return found


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
        if name == "--trust":
            parser.add_argument(name, action="append", default=[], help=_OPTION_HELP[name])
        elif name.startswith("--"):
            parser.add_argument(name, help=_OPTION_HELP[name])
        else:
            parser.add_argument(name.lower(), metavar=name, help=_OPTION_HELP[name])
    for name in flags:
        parser.add_argument(name, action="store_true", help=_OPTION_HELP[name])
    known, rest = parser.parse_known_args(arguments)
    found = vars(known)
    for name, value in found.items():
        if value == "" and name not in ("token", "invalid"):
            option = name.upper() if name.upper() in valued else f"--{name.replace('_', '-')}"
            raise UsageError(f"{option} is empty; give a value, or leave it out")
    if "trust" in found:
        found["trust"] = [one for given in found["trust"] for one in _several(given)]
    return found, rest


def _several(given: str) -> list[str]:
    """What one --trust names: several with commas, unless there is such a file."""
    return [given] if Path(given).exists() or "://" in given else given.split(",")


def none_left(rest: list[str]) -> None:
    """Raises for arguments that no option took."""
    if rest:
        raise UsageError(f"unknown argument {rest[0]!r}")


_OPTION_HELP = {
    "--recipe": "a system's name (see guerdon recipes) or a recipe.yaml; default grpo",
    "--out": "the folder to write to (train: default runs/RECIPE)",
    "--pairs": "train on the preference pairs in this file instead (DPO); no recipe",
    "--reward-model": "train a reward model on the --pairs, which may be longer rankings too",
    "--resume": "continue the run in this folder from its newest checkpoint",
    "--trackers": "comma-separated: tensorboard, wandb, trackio",
    "--dry-run": "score this file of saved completions with the recipe's reward; no training",
    "--quiet": "no progress display",
    "--tokenizer": "count tokens by this model's tokenizer (a Hub id, a folder or seedling), for "
    "rewards that read lengths",
    "--rows": "write every row's score to this file, an object a line",
    "--worst": "how many of the lowest, highest and invalid rows are listed (default 5)",
    "--json": "machine-readable output",
    "--trust": "files or modules of yours that the recipe.yaml may run (with commas, or repeated)",
    "--settings": "list every setting of the recipe and stop",
    "--host": "the address to listen at (default 127.0.0.1, this machine only)",
    "--port": "the port to listen at (default 5000; 0 takes a free one)",
    "--token": "what clients must send as a bearer token (GUERDON_SERVER_TOKEN, --token-file)",
    "--max-batch": "the most completions a request may hold (default 4096)",
    "--max-body": "the most MiB a request may hold (default 32)",
    "--timeout": "how many seconds a request may take (default 120)",
    "--token-file": "a file that holds the token; it is not seen among the processes",
    "--allow-hosts": "comma-separated further names of this server, as a proxy sends them in Host",
    "--workers": "how many processes answer, each with its own reward (default 1)",
    "--max-waiting": "the most requests that are judged or wait for it, a process (default 1024)",
    "--max-connections": "the most open connections a process (default 1000)",
    "--max-client-connections": "the most of one address, if not this machine's (default 256)",
    "--header-timeout": "how many seconds a request's header may take (default 10)",
    "--body-timeout": "how many seconds its body may take (default 60)",
    "--idle-timeout": "how many seconds a connection may lie idle (default 30)",
    "--answer-timeout": "how many seconds a client may take to read its answer (default 60)",
    "--invalid": "what OpenRLHF is sent for a completion that can't be graded (default 0)",
    "--count": "how many (sample: completions, default 4; audit: tasks, default 6)",
    "--tasks": "JSONL, Parquet, a datasets folder or one of our task sources to make attacks from",
    "--databases": "a folder whose databases the tasks may name (column database)",
    "--judges": "what the reward looks at: answer (default), form or style",
    "--seconds": "longest time for one completion (default 10)",
    "--memory": "most MiB that the process which judges may take (default 4096; Linux only)",
    "--allow": "comma-separated attacks whose findings are accepted",
    "--page": "write the findings to this HTML file",
    "REWARD": "one of ours by name, FILE:FUNCTION or module:name",
    "FILE": "JSONL or Parquet of saved completions",
    "SLUG": "the system, e.g. gigpo",
    "RUN": "a run's folder",
}
