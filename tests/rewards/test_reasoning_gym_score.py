"""reasoning-gym's scorers as a reward, on the real package."""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from pathlib import Path

import pytest
import torch

from guerdon.parts import build, describe
from guerdon.records import Progress, Rollouts, Task
from guerdon.rewards.programs.reasoning_gym import ReasoningGymScore, score_entry

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
    with pytest.raises(ImportError, match="pip install 'reasoning-gym"):
        ReasoningGymScore()(rollouts([Task("t", "?")], ["1"]), Progress())


EVALUATE = [
    *("binary_matrix", "countdown", "intermediate_integration", "n_queens", "number_sorting"),
    *("polynomial_multiplication", "puzzle24", "simple_integration", "spiral_matrix"),
    "string_insertion",
]
"""Data sets whose scorers call eval, or sympy's parser that does, on the answer or the entry."""


@pytest.mark.parametrize("dataset", EVALUATE)
def test_no_text_is_run_as_code(dataset: str, tmp_path: Path) -> None:
    made = tmp_path / "made"
    code = f"__import__('pathlib').Path({str(made)!r}).touch()"
    (task,) = entries(dataset, 1)
    column = task.columns["reasoning_gym"]
    assert score_entry(code, column)["accuracy"] == 0
    assert score_entry(f"<answer>[{code}]</answer>", column)["accuracy"] == 0
    assert score_entry(f"sqrt({code!r})", column)["accuracy"] == 0
    column["entry"]["answer"] = code  # a data file holds it too
    score_entry('["1"]', column)
    assert not made.exists()


@pytest.mark.parametrize("dataset", ["n_queens", "spiral_matrix", "string_insertion"])
@pytest.mark.parametrize("name", ["oracle_answer", "[entry['answer']]", "valid_solutions[0]"])
def test_an_answer_can_not_name_the_scorers_own_variables(dataset: str, name: str) -> None:
    (task,) = entries(dataset, 1)
    assert score_entry(name, task.columns["reasoning_gym"]) == {"score": 0, "accuracy": 0}


def test_a_text_that_a_scorer_trips_over_earns_nothing() -> None:
    (task,) = entries("prime_factorization", 1)
    scores = ReasoningGymScore(workers=1)(rollouts([task], ["2 x two"]), Progress())
    assert scores.valid.tolist() == [True]
    assert scores.value.tolist() == [0.0]


def test_lists_and_formulas_are_still_read() -> None:
    (task,) = entries("string_insertion", 1)
    assert score_entry(str(list(task.answer)), task.columns["reasoning_gym"])["score"] == 0.1
    (task,) = entries("simple_integration", 1)
    assert score_entry(f"{task.answer} + 0*sqrt(2)", task.columns["reasoning_gym"])["score"] == 1
