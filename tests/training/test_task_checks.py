"""Tasks that can't be graded are found before anything is computed or written."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from guerdon.recipes.grpo import build
from guerdon.records import Progress, Rollouts, Scores, Task
from guerdon.rewards import CodeReward
from guerdon.rewards.compose import WeightedSum
from guerdon.training import train
from guerdon.training.task_checks import check_tasks

GOOD = Task("good", "q", None, {"tests": ["assert f(2) == 17"]})
BAD = Task("bad", "q", None, {"tests": ["assert f(2) == 17", "assert f(2) == g(2)"]})


def plain(rollouts: Rollouts, progress: Progress) -> Scores:
    raise NotImplementedError


@dataclass(frozen=True)
class Holder:
    inside: object


def test_tasks_are_shown_to_every_part_that_looks() -> None:
    whole = WeightedSum({"a": plain, "b": Holder(CodeReward())}, {"a": 1.0, "b": 1.0})
    check_tasks(whole, [GOOD])
    check_tasks(plain, [BAD])
    with pytest.raises(ValueError, match=r"reward\.rewards\.b\.inside can't .*'bad'.*test 2: "):
        check_tasks(whole, [GOOD, BAD])
    with pytest.raises(ValueError, match="compares the program with itself"):
        check_tasks(CodeReward(), [BAD])


class Listed:
    def load(self, split: str) -> list[Task]:
        return [BAD] if split == "train" else []


def test_a_run_does_not_begin(tmp_path: Path) -> None:
    recipe = replace(build(), tasks=Listed(), reward=CodeReward())
    with pytest.raises(ValueError, match=r"recipe\.reward can't grade these tasks"):
        train(recipe, tmp_path / "run", quiet=True)
    assert not (tmp_path / "run").exists()
