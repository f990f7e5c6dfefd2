"""Tasks prepared by the run's own policy."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
import yaml

from guerdon.curriculum import ByReward, ByVariance, medium
from guerdon.records import Task
from guerdon.rewards import ReferenceBLEU
from guerdon.rollout import Groups, LanguagePolicy
from guerdon.shaping import WithReferences
from guerdon.stages import Policy, Preparation, Sampling
from guerdon.tasks import FactQuestions, PreparedTasks
from guerdon.training import Loop, PolicyRecipe, train

SHORT = Loop(steps=1, groups=2, evaluation_tasks=3, checkpoint_every=0)


@dataclass(frozen=True)
class Remembering:
    """Keeps ``count`` tasks, and who asked."""

    asked: list[tuple[Policy, int]]
    count: int = 3

    def __call__(self, policy: Policy, tasks: Sequence[Task]) -> list[Task]:
        self.asked.append((policy, len(tasks)))
        return [replace(task, columns={**task.columns, "seen": 1}) for task in tasks[: self.count]]


def test_the_runs_own_policy_prepares_training_tasks_once(monkeypatch: pytest.MonkeyPatch) -> None:
    loads: list[str] = []
    own = LanguagePolicy.load
    monkeypatch.setattr(
        LanguagePolicy, "load", lambda name, **more: loads.append(name) or own(name, **more)
    )
    source = FactQuestions(train=8, test=4)
    by = Remembering([])
    tasks = PreparedTasks(source, by)
    assert isinstance(by, Preparation)
    assert tasks.load("train") == source.load("train")
    recipe = PolicyRecipe(tasks=tasks, reward=ReferenceBLEU(), loop=SHORT, sampler=Groups(2))
    # A run has a copy of its recipe; the part that is asked is that copy's.
    monkeypatch.setattr(Remembering, "__deepcopy__", lambda self, memo: self, raising=False)
    result = train(recipe, quiet=True)
    assert loads == ["seedling"]
    assert by.asked == [(result.model, 8)]
    with pytest.raises(ValueError, match="Remembering leaves no task to train on"):
        train(replace(recipe, tasks=PreparedTasks(source, Remembering([], 0))), quiet=True)


OLD = {
    "SelectedTasks": (
        "guerdon.training.selected:SelectedTasks",
        {"reward": ReferenceBLEU(), "count": 5, "which": medium, "sampling": Sampling(top_p=0.5)},
        ByReward(ReferenceBLEU(), 5, medium, Sampling(top_p=0.5)),
    ),
    "VaryingTasks": (
        "guerdon.training.varying:VaryingTasks",
        {"reward": ReferenceBLEU(), "draws": 4, "good": 0.5},
        ByVariance(ReferenceBLEU(), draws=4, good=0.5),
    ),
    "ReferencedTasks": (
        "guerdon.shaping.references:ReferencedTasks",
        {"reward": ReferenceBLEU(), "count": 7, "seed": 3},
        WithReferences(ReferenceBLEU(), 7, seed=3),
    ),
}


@pytest.mark.parametrize("name", OLD)
def test_older_files_named_the_model_or_its_loader(name: str, tmp_path: Path) -> None:
    part, settings, by = OLD[name]
    wanted = PolicyRecipe(tasks=PreparedTasks(FactQuestions(), by))
    wanted.save(tmp_path / "new.yaml")
    data = yaml.safe_load((tmp_path / "new.yaml").read_text())
    own = data["tasks"].pop("by")
    data["tasks"] |= {**{key: own[key] for key in settings}, "part": part}
    if name == "ReferencedTasks":
        data["tasks"]["policy"] = {"function": "guerdon.training.policies:starting_policy"}
    else:
        data["tasks"]["model"] = copy.deepcopy(data["model"])
    data["model"]["part"] = "guerdon.training.recipe:Model"
    (tmp_path / "old.yaml").write_text(yaml.safe_dump(data))
    assert PolicyRecipe.load(tmp_path / "old.yaml") == wanted
