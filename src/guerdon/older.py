"""What older recipe files say, in today's words: parts whose settings have changed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

Settings = Mapping[str, Any]


def modernised(data: Any) -> Any:
    """A description as `guerdon.parts.describe` would write it today; others as they are."""
    if isinstance(data, list | tuple):
        return [modernised(one) for one in data]
    if not isinstance(data, Mapping):
        return data
    body = {name: modernised(value) for name, value in data.items()}
    change = CHANGED.get(body.get("part", ""))
    return body if change is None else change(body)


def _part(name: str, **settings: Any) -> dict[str, Any]:
    return {"part": f"guerdon.{name}", **settings}


def _renamed(name: str, **settings: str) -> Callable[[Settings], Settings]:
    """Another part, whose settings are called otherwise: the new names by the old ones."""

    def change(old: Settings) -> Settings:
        given = {settings.get(key, key): value for key, value in old.items() if key != "part"}
        return _part(name, **given)

    return change


def _ordered(old: Settings) -> Settings:
    """The reference was parsed in a dialect, to see whether it orders."""
    given = {name: value for name, value in old.items() if name not in ("part", "dialect")}
    return _part("rewards.programs.sql_answers:OrderIfAsked", **given)


def _switch(old: Settings) -> Settings:
    values = [old.get("before"), old.get("after")]
    return _part("schedules:Steps", values=values, at=[old.get("at")])


def _optimiser(old: Settings) -> Settings:
    """A schedule was a factor on the rate: a warm-up, and a fall to a share of the rate."""
    given = {name: value for name, value in old.items() if name not in ("part", "schedule")}
    schedule = old.get("schedule")
    if isinstance(schedule, Mapping):
        given["warmup"] = schedule.get("warmup", 0)
        rate, kind = given.get("lr", 3e-4), str(schedule.get("part")).rpartition(":")[2]
        if kind in ("Linear", "Cosine") and isinstance(rate, float):
            floor = schedule.get("floor")
            last = rate * (floor if isinstance(floor, float) else 0.0)
            given["lr"] = _part(f"schedules:{kind}", first=rate, last=last)
    return _part("training.optimisers:AdamW", **given)


def _policy_recipe(old: Settings) -> Settings:
    """A recipe had its sampling, and its loop the size of groups and how many at a time."""
    moved, said = {"group_size": "size", "sampling_groups": "portion"}, old.get("loop")
    loop = dict(said) if isinstance(said, Mapping) else {}
    was = {moved[name]: loop.pop(name) for name in moved if name in loop}
    was |= {"sampling": old["sampling"]} if "sampling" in old else {}
    if not was or "sampler" in old:
        return old
    rest = {name: value for name, value in old.items() if name not in ("sampling", "loop")}
    own = _part("rollout.samplers:Groups", **was)
    return {**rest, "sampler": own, **({"loop": loop or said} if "loop" in old else {})}


def _prepared(by: str) -> Callable[[Settings], Settings]:
    """Tasks that loaded a model for themselves; it is the run's own policy now."""

    def change(old: Settings) -> Settings:
        mine = ("part", "source", "model", "policy")
        settings = {name: value for name, value in old.items() if name not in mine}
        return _part(
            "tasks.prepared:PreparedTasks", source=old.get("source"), by=_part(by, **settings)
        )

    return change


_CHANGED: Mapping[str, Callable[[Settings], Settings]] = {
    "rewards.schedules:LinearSchedule": _renamed("schedules:Linear"),
    "rewards.schedules:CosineSchedule": _renamed("schedules:Cosine"),
    "rewards.levels:Ramp": _renamed("schedules:Linear", start="first", end="last"),
    "rewards.levels:Switch": _switch,
    "rewards.sql:OrderIfAsked": _ordered,
    "rewards.programs.sql:OrderIfAsked": _ordered,
    "training.recipe:Optimiser": _optimiser,
    "training.recipe:PolicyRecipe": _policy_recipe,
    "training.recipe:Recipe": _policy_recipe,
    "training:PolicyRecipe": _policy_recipe,
    "training:Recipe": _policy_recipe,
    "training.selected:SelectedTasks": _prepared("curriculum.answered:ByReward"),
    "training.varying:VaryingTasks": _prepared("curriculum.answered:ByVariance"),
    "shaping.references:ReferencedTasks": _prepared("shaping.references:WithReferences"),
    "shaping.anneal:LinearWeight": _renamed(
        "schedules:Linear", start="first", end="last", finish="end"
    ),
}

CHANGED: Mapping[str, Callable[[Settings], Settings]] = MappingProxyType(
    {
        f"guerdon.{place}": change
        for name, change in _CHANGED.items()
        for place in {name, name.replace("rewards.", "rewards.composing.")}
    }
)
"""By the name that the part had."""
