"""Tasks that can't be graded are found before anything is computed or written."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from guerdon.recipes.grpo import build
from guerdon.records import Progress, Rollouts, Scores, Task
from guerdon.rewards import CodeReward, SqlExecution, SqlReward
from guerdon.rewards.composing.compose import WeightedSum
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


@dataclass(frozen=True)
class Listed:
    def load(self, split: str) -> list[Task]:
        return [BAD] if split == "train" else []


def test_a_run_does_not_begin(tmp_path: Path) -> None:
    recipe = replace(build(), tasks=Listed(), reward=CodeReward())
    with pytest.raises(ValueError, match=r"recipe\.reward can't grade these tasks"):
        train(recipe, tmp_path / "run", quiet=True)
    assert not (tmp_path / "run").exists()


def test_databases_that_nobody_allowed_are_told_before_a_run(tmp_path: Path) -> None:
    (tmp_path / "a.db").touch()
    tasks = [Task(str(k), "q", "SELECT 1", {"database": "a.db"}) for k in range(7)]
    for reward in (SqlExecution(), SqlReward()):
        with pytest.raises(ValueError, match=r"task '4' names .* --reward\.databases DIR.*2 tasks"):
            check_tasks(reward, tasks)
        check_tasks(replace(reward, databases=(str(tmp_path),)), tasks)
        with pytest.raises(ValueError, match=r"'nowhere' is no folder"):
            check_tasks(replace(reward, databases=("nowhere",)), tasks)
        with pytest.raises(ValueError, match=r"task 't': its reference query is None"):
            check_tasks(reward, [Task("t", "q", None, {"schema": "CREATE TABLE t (x)"})])
