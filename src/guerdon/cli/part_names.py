"""Parts by name: what the command line can put into a recipe."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from dataclasses import MISSING, fields, is_dataclass, replace
from difflib import get_close_matches
from importlib.util import find_spec
from pathlib import Path
from types import MappingProxyType
from typing import Any

import yaml

from guerdon import advantages, curriculum, objectives, rewards, rollout, shaping, tasks, training
from guerdon.parts import locate
from guerdon.reward_models import SavedRewardModel

Choices = Mapping[str, Mapping[str, Any]]
"""Option (a path in the recipe) to name to part: a class, or a function that is the part."""

POLICY_CHOICES: Choices = MappingProxyType(
    {
        "tasks": tasks.NAMES,
        "reward": {**rewards.NAMES.alone(), "reward-model": SavedRewardModel},
        "shaping": shaping.NAMES.alone(),
        "advantage": advantages.NAMES.alone(),
        "advantage.scale": advantages.SCALES,
        "objective": objectives.NAMES,
        "objective.aggregation": objectives.AGGREGATIONS,
        "objective.kl.estimator": objectives.ESTIMATORS,
        "curriculum": curriculum.NAMES,
        "filter": curriculum.FILTERS,
        "reference": training.REFERENCES,
        "optimiser": training.OPTIMISERS,
        "model.engine": rollout.NAMES,
    }
)
PREFERENCE_CHOICES: Choices = MappingProxyType(
    {"objective": objectives.PREFERENCES, "optimiser": training.OPTIMISERS}
)
RANKING_CHOICES: Choices = MappingProxyType(
    {"objective": objectives.RANKINGS, "optimiser": training.OPTIMISERS}
)


def choose(recipe: Any, option: str, text: str, choices: Choices) -> Any:
    """``recipe`` with the part that ``text`` names put at ``option`` (see `part_of`)."""
    return _put(recipe, option.split("."), part_of(option, text, choices), option)


def part_of(option: str, text: str, choices: Choices = POLICY_CHOICES) -> Any:
    """The part that ``text`` names at ``option``.

    ``NAME``, or ``NAME:VALUE`` with the part's first setting. "shaping" takes several with
    commas between them or "none", "tasks" a file too, "reward" also ``FILE:FUNCTION`` or
    ``module:function``. Raises ValueError naming the option and what it takes.
    """
    table = choices[option]
    part: Any
    if option == "shaping":
        names = [] if text == "none" else text.split(",")
        part = tuple(_named(option, name, table) for name in names)
    elif option == "tasks" and text.partition(":")[0] not in table:
        part = _file(text, table)
    elif option == "reward" and text.partition(":")[0] not in table:
        part = _own_reward(text, table)
    else:
        part = _named(option, text, table)
    # A reward model is no reward by itself: it knows of texts, not of rollouts.
    return rewards.ScorerReward(part) if isinstance(part, SavedRewardModel) else part


def _named(option: str, text: str, table: Mapping[str, Any]) -> Any:
    name, colon, value = text.partition(":")
    if name not in table:
        raise ValueError(f"--{option} takes {', '.join(table)}, not {name!r}")
    part = table[name]
    if not isinstance(part, type):
        return part
    given = [yaml.safe_load(value)] if colon else []
    missing = [
        f.name
        for f in (fields(part) if is_dataclass(part) else ())
        if f.init and f.default is MISSING and f.default_factory is MISSING
    ]
    if len(missing) > len(given):
        raise ValueError(f"--{option} {name} needs a value for {missing[0]}: {name}:VALUE")
    return part(*given)


def _file(path: str, table: Mapping[str, Any]) -> Any:
    if not Path(path).exists():
        raise ValueError(
            f"--tasks: there is no file or folder {path!r}; give one, or one of ours: "
            f"{', '.join(table)}"
        )
    return tasks.FileTasks(path)


def _own_reward(path: str, table: Mapping[str, Any]) -> Any:
    module, colon, _ = path.rpartition(":")
    if path in rewards.NAMES:
        raise ValueError(
            f"--reward: {path} is made of {rewards.NAMES[path].made_of}: make it in a file of "
            "yours and give FILE:NAME, or write it in a recipe's file"
        )
    if not colon or (module.isidentifier() and find_spec(module) is None):
        near = get_close_matches(path.partition(":")[0], table, 3, 0.6)
        meant = f"; did you mean {' or '.join(near)}?" if near else "."
        raise ValueError(
            f"--reward: {path!r} is none of ours{meant} Ours are {', '.join(sorted(table))}; one "
            "of yours reads FILE:FUNCTION or module:name"
        )
    found = locate(path, "--reward")
    if isinstance(found, type):
        try:
            found = found()
        except TypeError as error:
            raise ValueError(
                f"--reward: {path} is a class that needs settings ({error}); give them defaults, "
                "or name a ready object of it"
            ) from error
        except Exception as error:
            raise ValueError(
                f"--reward: {path} is a class that can't be made ({type(error).__name__}: "
                f"{' '.join(str(error).split()):.200})"
            ) from error
        if not callable(found):
            raise ValueError(
                f"--reward: {path} is a class whose objects can't be called; give it __call__"
            )
    if not callable(found):
        raise ValueError(f"--reward: {path} is {found!r:.40}; name a function or a reward")
    if "rollouts" in inspect.signature(found).parameters:
        return found
    return rewards.reward(found)


def _put(part: Any, path: list[str], value: Any, option: str) -> Any:
    """``part`` with ``value`` at ``path`` in it."""
    if not hasattr(part, path[0]):
        what = "nothing" if part is None else type(part).__name__
        raise ValueError(f"--{option}: {what} stands there, which has no {path[0]!r}")
    if len(path) > 1:
        value = _put(getattr(part, path[0]), path[1:], value, option)
    return replace(part, **{path[0]: value})
