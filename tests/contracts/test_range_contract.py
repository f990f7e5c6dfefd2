"""What every part promises of its numbers: each has a range, said beside it and checked when built.

A new part is found here by itself. What is made while a run goes on is no setting, and is named.
"""

from __future__ import annotations

import dataclasses
import importlib
import inspect
import math
import pkgutil
import types
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Union, get_args, get_origin, get_type_hints

import pytest
from typing_extensions import Doc

from guerdon.composition import parts_in
from guerdon.ranges import Range, RangeError, check_ranges
from guerdon.recipes import all_recipes, load_recipe

PACKAGES = (
    *("stages", "overlong", "schedules", "training", "tasks", "rollout", "rewards"),
    *("nursery", "reward_models", "shaping", "advantages", "objectives", "curriculum"),
    *("monitors",),
)
MADE = frozenset(
    [
        # a run's results and what flows through it
        *("Batch", "Collected", "Carried", "Done", "HeldOut", "Lesson", "Result"),
        *("Demonstration", "Features", "Guard", "Shard", "Surrogate", "Problem"),
        *("Piece", "Stopped", "Skill"),
        # what sampling and packing hold
        *("_Episode", "_Play", "LinearHead", "Ragged", "Packed", "Pass", "_Layer"),
        # what rewards read and say
        *("Judged", "Ungradable", "Failed", "_Worker", "CodeCase", "WebAction", "Answer"),
        *("RunningStatistics", "StoredTable"),
    ]
)
"""Dataclasses that are no parts: nobody sets their numbers."""
ELSEWHERE = frozenset({"Limits", "QueryLimits"})
"""Limits of the sandbox and of queries, which check themselves."""


def modules() -> Iterator[types.ModuleType]:
    for name in PACKAGES:
        module = importlib.import_module(f"guerdon.{name}")
        yield module
        for found in pkgutil.walk_packages(getattr(module, "__path__", []), f"guerdon.{name}."):
            yield importlib.import_module(found.name)


def parts() -> list[type]:
    """All dataclasses of the packages that are parts, by name."""
    found = {
        thing
        for module in modules()
        for thing in vars(module).values()
        if isinstance(thing, type)
        and dataclasses.is_dataclass(thing)
        and not inspect.isabstract(thing)
        and thing.__module__.startswith("guerdon.")
        and thing.__module__.split(".")[1] in PACKAGES
        and thing.__name__ not in MADE | ELSEWHERE
    }
    return sorted(found, key=lambda part: (part.__module__, part.__name__))


PARTS = parts()


def settings(part: type) -> dict[str, Any]:
    hints = get_type_hints(part, include_extras=True)
    return {f.name: hints[f.name] for f in dataclasses.fields(part) if f.init}


def split(hint: Any) -> tuple[Any, tuple[Any, ...]]:
    """A type and the ranges at it."""
    if get_origin(hint) is not Annotated:
        return hint, ()
    return get_args(hint)[0], tuple(m for m in hint.__metadata__ if isinstance(m, Doc))


def without_range(hint: Any) -> bool:
    """Whether a number inside this type has no range."""
    bare, ranges = split(hint)
    if bare in (int, float):
        return not ranges
    if get_origin(bare) in (Union, types.UnionType) and ranges:
        return False
    inner = () if "Callable" in str(get_origin(bare)) else get_args(bare)
    return any(without_range(one) for one in inner)


def with_range(hint: Any) -> bool:
    """Whether a range stands anywhere in this type."""
    bare, ranges = split(hint)
    return bool(ranges) or any(with_range(one) for one in get_args(bare))


@pytest.mark.parametrize("part", PARTS, ids=lambda part: part.__name__)
def test_every_number_of_a_part_has_a_range(part: type) -> None:
    bare = [name for name, hint in settings(part).items() if without_range(hint)]
    assert not bare, (
        f"{part.__module__}.{part.__name__}: the settings {bare} have no range. Write one beside "
        "each, such as Share, Positive, Count or Annotated[float, at_least(0)] of guerdon.ranges "
        "(Finite or WholeNumber where any number will do), and call check_ranges(self) first in "
        "__post_init__. Is it no part but something that is made during a run? Then name it in "
        "MADE of this test."
    )


Values = tuple[list[Any], list[Any]]
WRONG = [math.nan, True, "1", None, [1]]


def number_values(kind: type, one: Range) -> Values:
    """Values at the ends of a range and just outside it."""
    step = (lambda x, to: x + to) if kind is int else (lambda x, to: math.nextafter(x, to * 1e308))
    inside, outside = [], [*WRONG]
    if not one.infinite:
        outside += [math.inf, -math.inf]
    for end, opened, out in ((one.low, one.open_low, -1), (one.high, one.open_high, 1)):
        if math.isfinite(end):
            inside.append(step(end, -out) if opened else end)
            outside.append(end if opened else step(end, out))
    if kind is int:
        outside += [2.0, 2.5, 2**63, "two"]
    if math.isinf(one.high):
        inside.append(max(one.low, 0) + 7 if math.isfinite(one.low) else -7)
    return inside, outside


def values_of(hint: Any) -> Values:
    """What a setting of this type takes, and what it does not."""
    bare, ranges = split(hint)
    origin, inner = get_origin(bare), get_args(bare)
    if bare in (int, float):
        return number_values(bare, ranges[0])
    if bare is str and ranges:
        return list(getattr(ranges[0], "names", ["text"])), ["", 1, None]
    if origin in (Union, types.UnionType):
        made = [values_of(Annotated[one, *ranges] if ranges else one) for one in inner]
        kept = [v for _, outside in made for v in outside if v is not None]
        return [v for inside, _ in made for v in inside], kept
    if bare is type(None):
        return [None], []
    if origin is tuple:
        kinds = inner[:1] if inner[-1] is ... else inner
        made = [values_of(one) for one in kinds]
        if not all(inside for inside, _ in made):
            return [], []
        plain = [inside[0] for inside, _ in made]
        around = [(i, made[i]) for i in range(len(plain))]
        put = lambda i, v: (*plain[:i], v, *plain[i + 1 :])  # noqa: E731
        inside = [put(i, v) for i, (values, _) in around for v in values]
        return inside, [put(i, v) for i, (_, values) in around for v in values] + [3, "3"]
    if origin in (dict, Mapping):
        inside, outside = values_of(inner[1])
        return [{"a": v} for v in inside], [{"a": v} for v in outside]
    return [], []


def unbuilt(part: type, **given: Any) -> Any:
    """A part that nobody checked: its defaults, and for what has none anything that may stand."""
    made = object.__new__(part)
    for f in dataclasses.fields(part):
        value: Any = print
        if f.default is not dataclasses.MISSING:
            value = f.default
        elif f.default_factory is not dataclasses.MISSING:
            value = f.default_factory()
        elif f.init:
            hint = settings(part)[f.name]
            plain = {str: ["text"], Mapping: [{}], tuple: [()]}.get(get_origin(hint) or hint)
            value = (values_of(hint)[0] if with_range(hint) else plain or [print])[0]
        object.__setattr__(made, f.name, given.get(f.name, value))
    return made


RANGED = [
    pytest.param(part, name, id=f"{part.__name__}.{name}")
    for part in PARTS
    for name, hint in settings(part).items()
    if with_range(hint)
]


@pytest.mark.parametrize(("part", "name"), RANGED)
def test_what_is_outside_a_range_is_refused_by_name_when_the_part_is_built(
    part: type, name: str
) -> None:
    _, outside = values_of(settings(part)[name])
    assert outside
    for value in outside:
        with pytest.raises(RangeError) as caught:
            part.__post_init__(unbuilt(part, **{name: value}))  # type: ignore[attr-defined]
        assert name in caught.value.place
        assert "; give " in str(caught.value)


@pytest.mark.parametrize(("part", "name"), RANGED)
def test_what_is_inside_a_range_is_taken(part: type, name: str) -> None:
    inside, _ = values_of(settings(part)[name])
    assert inside
    for value in inside:
        check_ranges(unbuilt(part, **{name: value}))


def test_the_walk_finds_the_parts_there_are() -> None:
    names = {part.__name__ for part in PARTS}
    assert {"Sampling", "Loop", "GAE", "PPO", "Cached", "FunctionReward", "VLLM"} <= names
    assert {"PreferenceRecipe", "RewardModelRecipe", "OverlongPenalty", "Cosine"} <= names
    assert len(RANGED) > 150
    for slug in all_recipes():
        for place, part in parts_in(load_recipe(slug).build()):
            kind = type(part)
            if kind.__module__.split(".")[1] in PACKAGES:
                assert kind in PARTS or kind.__name__ in ELSEWHERE, place


def test_a_part_without_ranges_would_fail() -> None:
    assert without_range(float)
    assert without_range(tuple[int, ...])
    assert without_range(Mapping[str, float])
    assert without_range(float | None)
    assert not without_range(Annotated[float | None, Range()])
    assert not without_range(str)
