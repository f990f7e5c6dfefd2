"""Selection by difficulty and the filter of uninformative groups."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from guerdon.curriculum import (
    Attainable,
    Informative,
    at_random,
    easy,
    hard,
    medium,
    select_by_score,
)
from guerdon.records import Experience, Progress, Rollouts, Scores, Task
from guerdon.rollout import TabularPolicy

TASKS = [Task(str(n), f"{n}?") for n in range(5)]
SCORES = (0.9, 0.1, 0.5, 0.3, 0.7)
NAN = float("nan")


def ids(tasks: list[Task]) -> list[str]:
    return [t.id for t in tasks]


def test_one_task_by_hand() -> None:
    assert ids(select_by_score(TASKS, SCORES, 1, hard)) == ["1"]
    assert ids(select_by_score(TASKS, SCORES, 1, easy)) == ["0"]
    assert ids(select_by_score(TASKS, SCORES, 1, medium)) == ["2"]


def test_three_tasks_by_hand() -> None:
    assert ids(select_by_score(TASKS, SCORES, 3)) == ["1", "3", "2"]
    assert ids(select_by_score(TASKS, SCORES, 3, easy)) == ["2", "4", "0"]
    assert ids(select_by_score(TASKS, SCORES, 3, medium)) == ["3", "2", "4"]


def test_random_choice_is_seeded_and_without_repetition() -> None:
    first = ids(select_by_score(TASKS, SCORES, 3, at_random, seed=1))
    assert first == ids(select_by_score(TASKS, SCORES, 3, at_random, seed=1))
    assert len(set(first)) == 3
    others = {tuple(ids(select_by_score(TASKS, SCORES, 3, at_random, seed=s))) for s in range(20)}
    assert len(others) > 5


def test_ungradable_tasks_are_never_chosen_and_ties_keep_their_order() -> None:
    assert ids(select_by_score(TASKS, (NAN, 0.5, 0.5, NAN, 0.5), 2)) == ["1", "2"]
    with pytest.raises(ValueError, match="4 tasks wanted but only 3 have a score"):
        select_by_score(TASKS, (NAN, 0.5, 0.5, NAN, 0.5), 4)
    with pytest.raises(ValueError, match="5 tasks but 2 scores"):
        select_by_score(TASKS, (0.1, 0.2), 1)
    with pytest.raises(ValueError, match="count is -1"):
        select_by_score(TASKS, SCORES, -1)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=30), st.data())
def test_hard_and_easy_meet_in_the_middle(values: list[float], data: st.DataObject) -> None:
    tasks = [Task(str(n), "") for n in range(len(values))]
    count = data.draw(st.integers(0, len(values)))
    lowest = select_by_score(tasks, values, count, hard)
    rest = select_by_score(tasks, values, len(values) - count, easy)
    assert sorted(ids(lowest) + ids(rest)) == sorted(ids(tasks))
    if lowest and rest:
        assert max(values[int(t.id)] for t in lowest) <= min(values[int(t.id)] for t in rest)


def rollouts(sizes: list[int]) -> Rollouts:
    n = sum(sizes)
    return Rollouts(
        tasks=tuple(TASKS[: len(sizes)]),
        group=torch.tensor(
            [g for g, size in enumerate(sizes) for _ in range(size)], dtype=torch.long
        ),
        prompts=tuple(torch.zeros(0, dtype=torch.long) for _ in sizes),
        ids=torch.zeros(n, 1, dtype=torch.long),
        mask=torch.ones(n, 1, dtype=torch.bool),
        lengths=torch.ones(n, dtype=torch.long),
        logps=torch.zeros(n, 1),
        texts=("",) * n,
    )


def test_groups_that_teach_nothing_are_dropped() -> None:
    """Mixed, all right, all wrong, and a group of one."""
    value = torch.tensor([0.0, 1.0, 1.0, 1.0, 0.0, 0.0, 1.0])
    kept = Informative()(Experience(rollouts([2, 2, 2, 1]), Scores(value)))
    assert kept.tolist() == [True, False, False, False]


def test_invalid_rows_are_not_looked_at() -> None:
    """Right + invalid wrong, all invalid, right + wrong + invalid."""
    value = torch.tensor([1.0, 0.0, NAN, NAN, 1.0, 0.0, 7.0])
    valid = torch.tensor([True, False, False, False, True, True, False])
    kept = Informative()(Experience(rollouts([2, 2, 3]), Scores(value, valid=valid)))
    assert kept.tolist() == [False, False, True]


def test_a_named_part_can_decide() -> None:
    scores = Scores(
        torch.tensor([1.0, 2.0, 1.0, 1.0]),
        parts={"accuracy": torch.tensor([1.0, 1.0, 0.0, 1.0])},
    )
    assert Informative("accuracy")(Experience(rollouts([2, 2]), scores)).tolist() == [False, True]
    assert Informative()(Experience(rollouts([2, 2]), scores)).tolist() == [True, False]
    with pytest.raises(ValueError, match=r"'acuracy'.*accuracy"):
        Informative("acuracy")(Experience(rollouts([2, 2]), scores))


def test_rounding_is_no_difference() -> None:
    scores = Scores(torch.tensor([0.3, 0.1 + 0.2]).double())
    assert Informative()(Experience(rollouts([2]), scores)).tolist() == [False]


def test_no_rows_at_all() -> None:
    assert Informative()(Experience(rollouts([]), Scores(torch.zeros(0)))).tolist() == []


def test_what_can_be_had_is_let_through_and_what_can_not_is_refused() -> None:
    policy = TabularPolicy([t.id for t in TASKS], ["x", "y"])
    with torch.no_grad():
        policy.logits[:, 0] = 5.0

    def says(wanted: str, valid: bool = True) -> Callable[[Rollouts, Progress], Scores]:
        def reward(rows: Rollouts, progress: Progress) -> Scores:
            right = torch.tensor([text == wanted for text in rows.texts])
            return Scores(right.float(), valid=torch.full_like(right, valid))

        return reward

    for part in (Attainable(says("x")), Attainable(says("x"), least=0.9, count=2, draws=50)):
        assert part(policy, TASKS) is TASKS
    assert Attainable(says("z"))(policy, []) == []
    with pytest.raises(ValueError, match=r"0 of 20 answers .* asks for 2\.0%"):
        Attainable(says("z"))(policy, TASKS)
    with pytest.raises(ValueError, match="0 of 0 answers"):
        Attainable(says("x", valid=False))(policy, TASKS)
    with pytest.raises(ValueError, match="earn anything"):  # 0 asks for one answer at least
        Attainable(says("z"), least=0.0)(policy, TASKS)
