"""Worked answers: right when careful, wrong in their typical way when not."""

from __future__ import annotations

import random
from collections.abc import Sequence

import pytest

from guerdon.nursery.worked import (
    Worker,
    moves,
    worked_arithmetic,
    worked_call,
    worked_choice,
    worked_choices,
    worked_fact,
    worked_move,
    worked_query,
    worked_region,
)
from guerdon.parsing import answer_text, last_boxed
from guerdon.records import Task
from guerdon.tasks import (
    Arithmetic,
    FactQuestions,
    MultiChoice,
    MultipleChoice,
    SqlQueries,
    TextBoxes,
    TextIntervals,
    ToolCalls,
    stated_facts,
)


def sum_task(operation: str, *operands: int) -> Task:
    return Task("t", "", None, {"operation": operation, "operands": operands})


@pytest.mark.parametrize(
    ("task", "careful", "careless"),
    [
        (
            sum_task("addition", 37, 48),
            "<think>carry: 7+8=15 3+4+1=8</think><answer>85</answer>",
            "<think>quick: 7+8=15 3+4=7</think><answer>75</answer>",
        ),
        (
            sum_task("addition", 81, 33),
            "<think>carry: 1+3=4 8+3=11</think><answer>114</answer>",
            "<think>quick: 1+3=4 8+3=11</think><answer>114</answer>",
        ),
        (
            sum_task("subtraction", 52, 27),
            "<think>carry: 12-7=5 5-2-1=2</think><answer>25</answer>",
            "<think>quick: 2-7=5 5-2=3</think><answer>35</answer>",
        ),
        (
            sum_task("multiplication", 66, 5),
            "<think>carry: 6*5=30 6*5+3=33</think><answer>330</answer>",
            "<think>quick: 6*5=30 6*5=30</think><answer>300</answer>",
        ),
        (
            sum_task("two_steps", 5, 19, 14),
            "<think>carry: 5+19=24 24-14=10</think><answer>10</answer>",
            "<think>quick: 5+19=24</think><answer>24</answer>",
        ),
    ],
)
def test_sums_by_hand(task: Task, careful: str, careless: str) -> None:
    assert worked_arithmetic(task, random.Random(0), 0.0) == careful
    assert worked_arithmetic(task, random.Random(0), 1.0) == careless


def test_careful_work_is_right() -> None:
    source = random.Random(0)
    tagged: list[tuple[Worker, Sequence[Task]]] = [
        (worked_arithmetic, Arithmetic(train=300).load("train")),
        (worked_arithmetic, Arithmetic(digits=4, train=300).load("train")),
        (worked_query, SqlQueries(train=50).load("train")),
        (worked_region, TextBoxes(train=50).load("train")),
        (worked_region, TextIntervals(train=50).load("train")),
    ]
    for work, tasks in tagged:
        assert all(answer_text(work(t, source, 0.0)) == t.answer for t in tasks)
    for work, tasks in (
        (worked_choice, MultipleChoice(train=50).load("train")),
        (worked_choices, MultiChoice(train=50).load("train")),
    ):
        assert all(last_boxed(work(t, source, 0.0)) == t.answer for t in tasks)
    for task in ToolCalls(train=50).load("train"):
        assert worked_call(task, source, 0.0) == f"<tool>{task.answer}</tool>"
    for task in FactQuestions(train=50).load("train"):
        stated = stated_facts(worked_fact(task, source, 0.0), task.columns["relation"])
        assert stated == ({task.columns["person"]}, {task.answer})


def test_careless_sums_are_right_where_nothing_is_carried_or_miscounted() -> None:
    # 55 % of pairs of last digits sum below 10; then both columns must be counted right. In the
    # others a second column counted too high makes up for the forgotten carry.
    tasks = Arithmetic(("addition",), train=1000).load("train")
    source = random.Random(0)
    right = sum(answer_text(worked_arithmetic(t, source, 1.0)) == t.answer for t in tasks)
    assert abs(right / len(tasks) - (0.55 * 0.8 * 0.8 + 0.45 * 0.8 * 0.2)) < 0.06


def test_a_miscounted_column_is_one_too_many() -> None:
    draws = iter([0.5, 0.1, 0.9])  # careless, first column miscounted, second not

    class Scripted(random.Random):
        def random(self) -> float:
            return next(draws)

    worked = worked_arithmetic(sum_task("addition", 22, 33), Scripted(), 1.0)
    assert worked == "<think>quick: 2+3=6 2+3=5</think><answer>56</answer>"


def test_careless_regions_and_queries_are_wrong() -> None:
    source = random.Random(0)
    for task in TextBoxes(train=50).load("train"):
        assert answer_text(worked_region(task, source, 1.0)) != task.answer
    conditioned = [t for t in SqlQueries(train=80).load("train") if " WHERE " in t.answer]
    assert len(conditioned) > 30
    for task in conditioned:
        assert answer_text(worked_query(task, source, 1.0)) != task.answer


def test_a_careful_step_leads_nearer() -> None:
    steps = {" right": (1, 0), " left": (-1, 0), " down": (0, 1), " up": (0, -1)}
    source = random.Random(0)
    for task in moves(0, 200):
        (x, y), (gx, gy) = task.columns["at"], task.columns["goal"]
        dx, dy = steps[worked_move(task, source, 0.0)]
        assert abs(gx - x - dx) + abs(gy - y - dy) == abs(gx - x) + abs(gy - y) - 1
