"""What every curriculum and every filter of groups promises."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest
import torch
from torch import Tensor

from guerdon import curriculum
from guerdon.contracts import check_curriculum, check_filter
from guerdon.curriculum import Informative
from guerdon.records import Experience, Progress, Rollouts, Scores, Task

CURRICULA = {name: kind.example() for name, kind in curriculum.NAMES.items()}
FILTERS = {
    name: kind.example() for name, kind in curriculum.FILTERS.items() if kind is not type(None)
}


@pytest.mark.parametrize("part", CURRICULA.values(), ids=CURRICULA.keys())
def test_the_contract(part: Any) -> None:
    check_curriculum(part)


@pytest.mark.parametrize("part", [*FILTERS.values(), Informative()], ids=[*FILTERS, "by default"])
def test_the_contract_of_filters(part: Any) -> None:
    check_filter(part)


@dataclass
class Broken:
    """Tasks in turn, broken as it is told."""

    broken: str = ""
    place: int = field(default=0, init=False)

    def next(self, tasks: Sequence[Task], count: int, progress: Progress) -> list[Task]:
        if self.broken == "short":
            return list(tasks[:count])
        if self.broken == "made up":
            return [Task("mine", "")] * count
        if self.broken == "raises":
            raise KeyError("difficulty")
        if not tasks and self.broken == "nothing":
            return []
        if self.broken == "random":
            return [tasks[int(torch.randint(len(tasks), ()))] for _ in range(count)]
        if not tasks and self.broken != "index":
            raise ValueError("there are no tasks")
        drawn = [tasks[(self.place + i) % max(len(tasks), 1)] for i in range(count)]
        self.place += count
        return drawn

    def observe(self, rollouts: Rollouts, scores: Scores) -> None: ...

    def state_dict(self) -> dict[str, Any]:
        return {"place": self.place}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self.place = 0 if self.broken == "forgets" else state["place"]


@pytest.mark.parametrize(
    ("broken", "told"),
    [
        ("short", "asked for 16 tasks it draws 7"),
        ("made up", "which is none of the tasks"),
        ("raises", r"raises KeyError \('difficulty'\) on 7 tasks, asked for 2"),
        ("random", "made anew it draws others"),
        ("forgets", "resumed after 1 batches it draws others than a run that was not stopped"),
        ("nothing", "without tasks it draws some"),
        ("index", "without tasks it raises IndexError, no ValueError"),
    ],
)
def test_a_broken_curriculum_is_told(broken: str, told: str) -> None:
    check_curriculum(Broken())
    with pytest.raises(AssertionError, match=told):
        check_curriculum(Broken(broken))


def by_last(experience: Experience) -> Tensor:
    kept_B = torch.zeros(len(experience.rollouts.tasks), dtype=torch.bool)
    if len(experience):
        kept_B[experience.rollouts.group[-1]] = True
    return kept_B


def by_rows(experience: Experience) -> Tensor:
    return experience.scores.valid


def by_all(experience: Experience) -> Tensor:
    return torch.ones(len(experience.rollouts.tasks), dtype=torch.bool)


def by_count(experience: Experience) -> Tensor:
    return torch.bincount(experience.rollouts.group, minlength=3) > 3


def by_list(experience: Experience) -> Any:
    return by_all(experience).tolist()


def by_largest(experience: Experience) -> Tensor:
    scores, group = experience.scores, experience.rollouts.group
    kept_B = torch.zeros(len(experience.rollouts.tasks), dtype=torch.bool)
    kept_B[group[scores.valid][scores.value[scores.valid].argmax()]] = True
    return kept_B


@pytest.mark.parametrize(
    ("group_filter", "told"),
    [
        (by_rows, r"of 3 groups it says torch.bool of shape \(8,\), not bool of \(3,\)"),
        (by_list, "by_list: it returns a list, no tensor"),
        (by_last, "the order of rows changes which groups are kept"),
        (by_count, "invalid rows change which groups are kept"),
        (by_all, "it keeps a group without a valid row"),
        (by_largest, "it raises IndexError .* on 8 rows, 0 of them valid"),
    ],
)
def test_a_broken_filter_is_told(group_filter: Any, told: str) -> None:
    with pytest.raises(AssertionError, match=told):
        check_filter(group_filter)
