"""Parts by name: what the command line can put into a recipe."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import MISSING, fields, is_dataclass, replace
from importlib.util import find_spec
from typing import Any

import yaml

from guerdon import rewards, rollout, tasks
from guerdon.cli.offered import POLICY_CHOICES, Choices
from guerdon.connectors.signatures import by_signature
from guerdon.models.saved_policy import holds_policy, source_in
from guerdon.names import check_name, nearest
from guerdon.parts import locate
from guerdon.reward_models import SavedRewardModel
from guerdon.training.demonstrations import shown_in


def choose(recipe: Any, option: str, text: str, choices: Choices) -> Any:
    """``recipe`` with the part that ``text`` names put at ``option`` (see `part_of`)."""
    return _put(recipe, option.split("."), part_of(option, text, choices), option)


def called_after(base: Any, made: Any, choices: Choices) -> Any:
    """``made``, which is ``base`` with other parts, called after what it is now.

    ``grpo`` with the objective ``gspo`` is ``grpo+gspo``; a recipe that is called after a part
    takes the new one's name in its place. Only parts that say what is learned, and how, count;
    numbers don't, nor does a recipe that was given another name.
    """
    name = made.name
    if name != base.name:
        return made
    for option in METHOD:
        if option in choices:
            was, now = (name_at(option, getattr(one, option), choices) for one in (base, made))
            name = _called(name, was, now or f"no-{option}") if was != now else name
    objectives = (getattr(one, "objective", None) for one in (base, made))
    held = [getattr(objective, "kl", None) is not None for objective in objectives]
    if held[0] != held[1]:
        name += "+kl" if held[1] else "+no-kl"
    return replace(made, name=name) if _fits(name) else made


METHOD = (
    *("reward", "shaping", "advantage", "objective"),
    *("sampler", "curriculum", "filter", "selection", "reference"),
)
"""The places where another part is another method."""


def _called(name: str, was: str, now: str) -> str:
    if was and f"+{was}+" in f"+{name}+":
        return f"+{name}+".replace(f"+{was}+", f"+{now}+", 1)[1:-1]
    return f"{name}+{now}"


def _fits(name: str) -> bool:
    """Whether a run may be called so: a user's function may have any name."""
    with suppress(ValueError):
        check_name(name, "name")
        return True
    return False


def name_at(option: str, part: Any, choices: Choices) -> str:
    """The name of the part at ``option`` in that option's list; a user's part has its own.

    "" where nothing stands there.
    """
    if isinstance(part, tuple):
        return "+".join(name_at(option, one, choices) for one in part)
    if part is None:
        return ""
    for name, one in choices[option].items():
        if one in (part, type(part)):
            return name
    return str(getattr(getattr(part, "function", part), "__name__", type(part).__name__))


FILES: Mapping[str, Callable[[str], Any]] = {
    "pairs": tasks.RankingFile,
    "demonstrations": shown_in,
}
"""What a recipe learns from, by the field that holds it: a text there is a file's name."""


SEVERAL = ("shaping", "monitors")
"""The places that take several parts."""


def is_own_reward(text: str, choices: Choices = POLICY_CHOICES) -> bool:
    """Whether a reward's name is that of a user's function, and none of ours."""
    return ":" in text and text.partition(":")[0] not in choices["reward"]


def part_of(option: str, text: str, choices: Choices = POLICY_CHOICES) -> Any:
    """The part that ``text`` names at ``option``.

    ``NAME``, or ``NAME:VALUE`` with the part's first setting. "shaping" and "monitors" take
    several with commas between them or "none", "tasks" a file too, "model" a language model's name
    or the folder of any saved policy, "reward" also ``FILE:FUNCTION`` or ``module:function``.
    Raises ValueError naming the option and what it takes.
    """
    table = choices.get(option, {})
    part: Any
    if option in FILES:
        part = FILES[option](text)
    elif option in SEVERAL:
        names = [] if text == "none" else text.split(",")
        part = tuple(_named(option, name, table) for name in names)
    elif option == "tasks" and text.partition(":")[0] not in table:
        part = _file(text, table)
    elif option == "model" and text.partition(":")[0] not in table:
        part = source_in(text) if holds_policy(text) else rollout.Model(text)
    elif option == "reward" and text.partition(":")[0] not in table:
        part = _own_reward(text, table)
    else:
        part = _named(option, text, table)
    # A reward model is no reward by itself: it knows of texts, not of rollouts.
    return rewards.ScorerReward(part) if isinstance(part, SavedRewardModel) else part


def kind_of(option: str, name: str, table: Mapping[str, Any]) -> Any:
    """The class, or the function that is the part, of a name. Raises ValueError."""
    if name not in table:
        meant = nearest(name, table)
        raise ValueError(f"--{option} takes {', '.join(table)}, not {name!r}{meant}")
    return table[name]


def _named(option: str, text: str, table: Mapping[str, Any]) -> Any:
    name, colon, value = text.partition(":")
    part = kind_of(option, name, table)
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
    if not path.startswith(tasks.HUB) and not os.path.exists(
        path
    ):  # Path.exists raises for a name that no file can have
        raise ValueError(
            f"--tasks: there is no file or folder {path!r:.200}; give one, or one of ours: "
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
        meant = nearest(path.partition(":")[0], table) or f", which are {', '.join(sorted(table))}"
        raise ValueError(
            f"--reward: {path!r} is none of ours{meant} (guerdon rewards tells them); one of yours "
            "reads FILE:FUNCTION or module:name"
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
    return by_signature(found)


def _put(part: Any, path: list[str], value: Any, option: str) -> Any:
    """``part`` with ``value`` at ``path`` in it."""
    if isinstance(part, tuple):
        made, number = list(part), int(path[0])
        made[number] = _put(made[number], path[1:], value, option)
        return tuple(made)
    if not hasattr(part, path[0]):
        what = "nothing" if part is None else type(part).__name__
        raise ValueError(f"--{option}: {what} stands there, which has no {path[0]!r}")
    if len(path) > 1:
        value = _put(getattr(part, path[0]), path[1:], value, option)
    return replace(part, **{path[0]: value})
