"""Orders: every task once a pass, resumable at any point."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guerdon.curriculum import SequentialTasks, ShuffledTasks
from guerdon.parts import build, describe
from guerdon.records import Progress, Task
from guerdon.stages import Curriculum

TASKS = [Task(str(n), f"{n}?") for n in range(10)]


def drawn(order: Curriculum, counts: list[int], tasks: list[Task] = TASKS) -> list[str]:
    return [t.id for count in counts for t in order.next(tasks, count, Progress())]


@given(
    size=st.integers(1, 12),
    counts=st.lists(st.integers(0, 30), min_size=1, max_size=8),
    seed=st.integers(0, 2**31),
)
def test_counts_of_any_two_tasks_differ_by_one_at_most(
    size: int, counts: list[int], seed: int
) -> None:
    for order in (ShuffledTasks(seed), SequentialTasks()):
        ids = drawn(order, counts, TASKS[: min(size, 10)])
        assert len(ids) == sum(counts)
        times = Counter(ids)
        often = [times[t.id] for t in TASKS[: min(size, 10)]]
        assert max(often) - min(often) <= 1


@given(
    before=st.lists(st.integers(0, 13), max_size=5),
    after=st.lists(st.integers(1, 13), min_size=1, max_size=5),
    seed=st.integers(0, 2**31),
)
def test_a_saved_order_continues_as_if_unbroken(
    before: list[int], after: list[int], seed: int
) -> None:
    for kind in (lambda: ShuffledTasks(seed), SequentialTasks):
        unbroken, stopped, resumed = kind(), kind(), kind()
        drawn(unbroken, before)
        drawn(stopped, before)
        resumed.load_state_dict(stopped.state_dict())
        assert drawn(resumed, after) == drawn(unbroken, after)


def test_how_draws_are_cut_into_batches_changes_nothing() -> None:
    assert drawn(ShuffledTasks(3), [25]) == drawn(ShuffledTasks(3), [4, 11, 0, 10])


def test_passes_and_seeds_have_orders_of_their_own() -> None:
    order = ShuffledTasks(0)
    first, second = drawn(order, [10]), drawn(order, [10])
    assert sorted(first) == sorted(second)
    assert first != second
    assert first != drawn(ShuffledTasks(1), [10])
    assert first != [t.id for t in TASKS]


def test_sequential_keeps_the_given_order() -> None:
    assert drawn(SequentialTasks(), [4, 8]) == list("012345678901")


@pytest.mark.parametrize("order", [ShuffledTasks(4), SequentialTasks()])
def test_no_tasks_is_an_error_and_parts_serialise(order: Curriculum) -> None:
    with pytest.raises(ValueError, match="no tasks to draw from"):
        order.next([], 1, Progress())
    assert build(describe(order)) == order
