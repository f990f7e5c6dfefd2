"""reasoning-gym's scorers as a reward, on the real package."""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence

import pytest
import torch

from guerdon.parts import build, describe
from guerdon.records import Progress, Rollouts, Task
from guerdon.rewards.reasoning_gym import ReasoningGymScore, score_entry

pytest.importorskip("reasoning_gym")


def entries(dataset: str, count: int) -> list[Task]:
    import reasoning_gym

    data = reasoning_gym.create_dataset(dataset, size=count, seed=3)
    return [
        Task(
            str(n),
            entry["question"],
            entry["answer"],
            {"reasoning_gym": {"dataset": dataset, "settings": {}, "entry": entry}},
        )
        for n, entry in enumerate(data)
    ]


def rollouts(tasks: Sequence[Task], texts: Sequence[str]) -> Rollouts:
    n = len(texts)
    return Rollouts(
        tasks=tuple(tasks),
        group=torch.arange(n) * len(tasks) // n,
        prompts=tuple(torch.zeros(0, dtype=torch.long) for _ in tasks),
        ids=torch.zeros(n, 1, dtype=torch.long),
        mask=torch.ones(n, 1, dtype=torch.bool),
        lengths=torch.ones(n, dtype=torch.long),
        logps=torch.zeros(n, 1),
        texts=tuple(texts),
        finished=torch.ones(n, dtype=torch.bool),
    )


def test_right_tagged_untagged_and_wrong_answers() -> None:
    (task,) = entries("chain_sum", 1)
    said = [f"<think>so</think><answer> {task.answer} </answer>", str(task.answer), "nothing", ""]
    scores = ReasoningGymScore(workers=1)(rollouts([task], said), Progress())
    assert scores.valid.all()
    assert scores.value[:2].tolist() == [1.0, 1.0]
    assert (scores.value[2:] < 0.1).all()
    assert scores.parts["accuracy"].tolist() == [1.0, 1.0, 0.0, 0.0]


@pytest.mark.parametrize("dataset", ["chain_sum", "countdown", "leg_counting", "spell_backward"])
def test_every_gold_answer_is_accepted(dataset: str) -> None:
    for task in entries(dataset, 5):
        judged = score_entry(f"<answer>{task.answer}</answer>", task.columns["reasoning_gym"])
        assert judged == {"score": 1.0, "accuracy": 1.0}


def test_a_scorer_that_fails_or_overruns_costs_its_row_only() -> None:
    tasks = entries("chain_sum", 1)
    broken = {"reasoning_gym": {"dataset": "no_such_set", "settings": {}, "entry": {}}}
    tasks.append(Task("broken", "?", None, broken))
    scores = ReasoningGymScore(workers=1)(rollouts(tasks, [str(tasks[0].answer), "1"]), Progress())
    assert scores.valid.tolist() == [True, False]
    assert "no_such_set" in str(scores.reasons[1])


def test_tasks_without_the_column_are_refused() -> None:
    with pytest.raises(ValueError, match="'reasoning_gym'"):
        ReasoningGymScore()(rollouts([Task("t", "?")], ["1"]), Progress())


def test_it_serialises() -> None:
    part = ReasoningGymScore(timeout=2.5)
    assert build(describe(part)) == part


def test_the_missing_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    with pytest.raises(ImportError, match=r"guerdon\[reasoning-gym\]"):
        ReasoningGymScore()(rollouts([Task("t", "?")], ["1"]), Progress())
