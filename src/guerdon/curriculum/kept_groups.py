"""Groups of rows that a buffer keeps over steps, as a checkpoint can hold them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any

import torch
from torch import Tensor

from guerdon.records import (
    OWN_POLICY,
    Along,
    Ending,
    Experience,
    Rollouts,
    Scores,
    Task,
    concat_rollouts,
    concat_scores,
)

Group = dict[str, Any]
"""A group as it is kept: plain values and tensors, and its task's id."""

_ALONG = [f.name for f in fields(Rollouts) if "along" in f.metadata]
_OF_TASKS = {f.name for f in fields(Rollouts) if f.metadata.get("along") is Along.TASK}


@dataclass(frozen=True)
class KeepsGroups:
    """The memory of a buffer: groups that checkpoints hold."""

    _kept: list[Group] = field(default_factory=list, init=False, repr=False, compare=False)

    def state_dict(self) -> dict[str, Any]:
        """The groups: tensors, texts, task ids and the states of worlds, if these are plain."""
        return {"kept": list(self._kept)}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self._kept[:] = list(state["kept"])

    def known_tasks(self, tasks: Sequence[Task]) -> dict[str, Task]:
        """The run's tasks by id; none while nothing is kept."""
        return {task.id: task for task in tasks} if self._kept else {}


def fits(group: Group, fresh: Experience, known: Mapping[str, Task]) -> bool:
    """Whether a kept group is of a known task, and was sampled as what comes in is."""
    return group["task"] in known and group["temperature"] == fresh.rollouts.temperature


def joined(fresh: Experience, groups: Sequence[Group], known: Mapping[str, Task]) -> Experience:
    """``fresh`` and after it what was kept, of tasks ``known`` by id."""
    if not groups:
        return fresh
    # What is said of rows at positions or in pairs has been credited already.
    scores = replace(fresh.scores, placed=None, comparisons=None)
    rollouts = concat_rollouts([fresh.rollouts, *(_rows(g, known[g["task"]]) for g in groups)])
    advantage_NT = torch.zeros(rollouts.mask.shape)
    row = 0
    for one in (fresh.advantage, *(group["advantage"] for group in groups)):
        advantage_NT[row : row + len(one), : one.shape[1]] = one
        row += len(one)
    judged = concat_scores([scores, *map(_scores, groups)])
    return Experience(rollouts, judged, advantage_NT, fresh.progress)


def groups_of(fresh: Experience, step: int, maker: str) -> list[Group]:
    """What is worth keeping of a step: of a group the valid rows that acted.

    Nothing of a group whose advantages are all 0. Rows of the run's own policy are ``maker``'s
    from now on. Raises ValueError for pairs, and for rows that no checkpoint can hold.
    """
    if fresh.pairs is not None:
        raise ValueError("it keeps rows, and this run learns from pairs; leave the buffer out")
    rollouts = fresh.rollouts
    use_N = fresh.scores.valid & rollouts.mask.any(1)
    kept = []
    for place in range(len(rollouts.tasks)):
        rows = (use_N & (rollouts.group == place)).nonzero().flatten()
        if len(rows) and bool((fresh.advantage[rows] != 0).any()):
            kept.append(_group(fresh.select(rows), step, maker))
    return kept


def _group(some: Experience, step: int, maker: str) -> Group:
    rollouts, scores = some.rollouts, some.scores
    held = {
        name: _plain(getattr(rollouts, name), name)
        for name in _ALONG
        if name not in {*_OF_TASKS, "group", "origin"}
    }
    makers = [maker if one == OWN_POLICY else one for one in rollouts.makers]
    return {
        "step": step,
        "task": rollouts.tasks[0].id,
        "prompt": rollouts.prompts[0].clone(),
        "inputs": dict(rollouts.inputs[0]) if rollouts.inputs else None,
        "temperature": rollouts.temperature,
        "origin": makers,
        "rows": held,
        "value": scores.value.clone(),
        "parts": dict(scores.parts),
        "advantage": some.advantage.clone(),
    }


def _plain(value: Any, name: str) -> Any:
    """A field's value as a checkpoint can hold it. Raises ValueError where it is no such thing."""
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, Tensor):
        return value.detach().clone()
    if isinstance(value, str):  # an `Ending` is a text too
        return str(value)
    if isinstance(value, tuple | list):
        return tuple(_plain(one, name) for one in value)
    if isinstance(value, Mapping):
        return {str(key): _plain(one, name) for key, one in value.items()}
    raise ValueError(
        f"rows hold a {type(value).__name__} in {name}, which no checkpoint can; make it of "
        "numbers, texts and tuples, or leave the buffer out"
    )


def _rows(group: Group, task: Task) -> Rollouts:
    held = dict(group["rows"])
    held["endings"] = tuple(map(Ending, held["endings"]))
    inputs = None if group["inputs"] is None else (group["inputs"],)
    return Rollouts(
        tasks=(task,),
        group=torch.zeros(len(group["value"]), dtype=torch.long),
        prompts=(group["prompt"],),
        inputs=inputs,
        temperature=group["temperature"],
        origin=tuple(group["origin"]),
        **held,
    )


def _scores(group: Group) -> Scores:
    return Scores(group["value"], parts=group["parts"])
