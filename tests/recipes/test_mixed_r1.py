"""Mixed-R1: kinds of tasks and their rewards, the miniature in small, and the real loop."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from making import make_rollouts

from guerdon.claims import mixed_r1 as miniature
from guerdon.recipes import load_recipe, mixed_r1
from guerdon.records import Progress, Task
from guerdon.rollout import Groups
from guerdon.tasks import Arithmetic, MixedTasks, TextBoxes
from guerdon.training import Loop, PolicyRecipe, train

REWARD = mixed_r1.build().reward


def judged(kind: str, task: Task, *texts: str) -> list[float]:
    task = replace(task, columns={**task.columns, "task_type": kind})
    rows = replace(make_rollouts([0] * len(texts)), tasks=(task,), texts=texts)
    return REWARD(rows, Progress()).value.tolist()


def test_every_kind_has_its_reward_and_form_pays_one_more() -> None:
    def full(answer: str) -> str:
        return f"<think>so</think><answer>{answer}</answer>"

    assert judged("mcq", Task("c", "", "B"), full("(b) because"), full("A")) == [2, 1]
    doubt = Task("y", "", "no")
    assert judged("yes_no", doubt, full("No."), full("no, it is not"), full("Yes"), "no") == [
        *(2, 2, 1, 0)
    ]
    chart = judged("chart", Task("n", "", "20"), full("21"), full("21.1"), "<answer>21</answer>")
    assert chart == [2, 1, 1]
    box = Task("b", "", None, {"box": (1, 1, 3, 3)})
    assert judged("grounding", box, full("[0,0,2,2]"), full("[2,2,1,1]")) == pytest.approx(
        [8 / 7, 1]
    )
    fact = Task("f", "", "Oslo", {"references": ["Anna lives in Oslo."]})
    said, twice = "Anna lives in Oslo.", "Anna lives in Oslo. Anna lives in Oslo."
    assert judged("open", fact, full(said), said, full(""), "") == pytest.approx(
        [2, 0, 0, 0], abs=1e-5
    )
    assert 1.9 < judged("open", fact, full(twice))[0] <= 2  # all but blind to repetition
    # Outside of the answer section nothing is paid, whatever the kind.
    assert judged("mcq", Task("c", "", "B"), "B", r"\boxed{B}") == [0, 0]
    assert judged("grounding", box, "[1,1,3,3]") == [0]
    assert judged("chart", Task("n", "", "20"), "20") == [0]


def test_mixed_tasks_are_dealt_in_turn() -> None:
    kinds = {"sum": Arithmetic(train=3, test=2), "box": TextBoxes(train=2, test=2)}
    mixed = MixedTasks(kinds)
    assert [t.columns["task_type"] for t in mixed.load("train")] == [
        "sum",
        "box",
        "sum",
        "box",
        "sum",
    ]
    alone = Arithmetic(train=3, test=2).load("test")
    assert [t.id for t in mixed.load("test")][::2] == [t.id for t in alone]
    with pytest.raises(ValueError, match="at least one"):
        MixedTasks({})
    with pytest.raises(ValueError, match="a, b share a task id"):
        MixedTasks({"a": Arithmetic(train=2), "b": Arithmetic(train=2)}).load("train")


def test_the_miniature_in_small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(miniature, "UPDATES", 20)
    told: list[float] = []
    arms = miniature.claim().arms
    first = arms["both, 6 places"](0, told.append)
    assert told == [1.0]
    assert arms["both, 6 places"](0, told.append) == first
    for arm in arms.values():
        assert all(0 <= figure <= 1 for figure in arm(1, told.append).values())


def test_recipe_round_trips(tmp_path: Path) -> None:
    recipe = load_recipe("mixed-r1").build()
    recipe.save(tmp_path / "recipe.yaml")
    assert PolicyRecipe.load(tmp_path / "recipe.yaml") == recipe


def test_runs_on_the_seedling() -> None:
    loop = Loop(steps=2, groups=4, evaluation_tasks=4, checkpoint_every=0)
    result = train(mixed_r1.build(loop=loop, sampler=Groups(4)), quiet=True)
    assert len(result.history) == 2
    assert all(h["invalid_share"] == 0 for h in result.history)
