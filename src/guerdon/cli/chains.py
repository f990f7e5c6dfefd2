"""Settings of recipes that hold recipes: which of them are a chain's own, and which a stage's."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import fields, replace
from typing import Any, TypeVar

from guerdon.names import nearest
from guerdon.parts import PartError
from guerdon.ranges import RangeError
from guerdon.training import Rounds, Stages

V = TypeVar("V")
Given = tuple[str, V]
"""A place in a recipe, and what is to stand there."""

OVER_ALL = "round"
"""What the recipe of all rounds is called, where a stage has a name."""


def dealt(
    chain: Stages | Rounds, given: Iterable[Given[V]]
) -> tuple[list[Given[V]], dict[str, list[Given[V]]]]:
    """What of ``given`` is the chain's own, and by stage what is of the recipe in it.

    ``stages.rl.loop.steps`` is the recipe's of stage ``rl``, and ``stages.rl.carry`` the chain's;
    of rounds all is the one recipe's but what `Rounds` has itself. Raises ValueError for a stage
    that there is not.
    """
    own: list[Given[V]] = []
    inside: dict[str, list[Given[V]]] = {}
    for place, value in given:
        name, rest = _where(chain, place)
        if name:
            inside.setdefault(name, []).append((rest, value))
        else:
            own.append((rest, value))
    return own, inside


def laid_inside(
    chain: Any, inside: dict[str, list[Given[V]]], lay: Callable[[Any, list[Given[V]]], Any]
) -> Any:
    """``chain`` with what ``inside`` says of its recipes laid over each by ``lay``."""
    if isinstance(chain, Rounds):
        return replace(chain, recipe=lay(chain.recipe, inside.get(OVER_ALL, [])))
    stages = []
    for stage in chain.stages:
        with told_of(f"stages.{stage.name}"):
            stages.append(replace(stage, recipe=lay(stage.recipe, inside.get(stage.name, []))))
    return replace(chain, stages=tuple(stages))


@contextmanager
def told_of(place: str) -> Iterator[None]:
    """Inside, errors are told of what stands at ``place``."""
    try:
        yield
    except RangeError as error:
        raise RangeError(f"{place}.{error.place.removeprefix('--')}", error.told) from error
    except ValueError as error:
        kind = PartError if isinstance(error, PartError) else ValueError
        raise kind(f"{place}: {error}") from error


def _where(chain: Stages | Rounds, place: str) -> tuple[str, str]:
    """The stage that a place is in ("" = the chain itself), and the place there."""
    first, _, rest = place.partition(".")
    if isinstance(chain, Rounds):
        mine = {field.name for field in fields(chain)} - {"recipe"}
        if first in ("recipe", OVER_ALL) and rest:
            return OVER_ALL, rest
        return ("" if first in mine else OVER_ALL), place
    if first != "stages" or not rest:
        return "", place
    names = [stage.name for stage in chain.stages]
    found = [name for name in names if f"{rest}.".startswith(f"{name}.")]
    if not found:
        told = rest.partition(".")[0]
        meant = nearest(told, names) or f"; there are {', '.join(names)}"
        raise ValueError(f"there is no stage {told!r}{meant}")
    name = max(found, key=len)  # a name may have dots in it
    after = rest.removeprefix(name).removeprefix(".")
    if after.partition(".")[0] in ("carry", "name", ""):
        return "", f"stages.{names.index(name)}.{after}".rstrip(".")
    return name, after.removeprefix("recipe.")
