"""Views of one question are drawn, dealt and graded together."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import torch
from making import Exchange

from guerdon.curriculum import SequentialTasks, ShuffledTasks
from guerdon.records import Progress, Rollouts, Scores, Task, first_views, questions
from guerdon.rollout import Groups, LanguagePolicy, Table
from guerdon.stages import Sampling
from guerdon.training import Loop, PolicyRecipe, Shard
from guerdon.training.collect import collect

TASKS = [
    Task(name, "", columns={"choices": "AB"}, link=link)
    for name, link in (("a1", "a"), ("b", None), ("a2", "a"), ("c1", "c"), ("d", None), ("c2", "c"))
]


def test_questions_stand_in_the_order_of_their_first_views() -> None:
    assert questions(TASKS) == [[0, 2], [1], [3, 5], [4]]
    assert [task.id for task in first_views(TASKS)] == ["a1", "b", "c1", "d"]
    assert questions([]) == []


@pytest.mark.parametrize("curriculum", [ShuffledTasks(seed=3), SequentialTasks()])
def test_views_are_drawn_together(curriculum: Any) -> None:
    drawn: list[Task] = []
    for _ in range(6):
        some = curriculum.next(TASKS, 2, Progress())
        ids = {task.id for task in some}
        assert 2 <= len(some) <= 3
        assert ("a1" in ids) == ("a2" in ids)
        assert ("c1" in ids) == ("c2" in ids)
        drawn += some
    passes = [{t.id for t in drawn[i : i + 6]} for i in (0, 6)]
    assert passes == [{t.id for t in TASKS}] * 2


def both_views_at_hand(rollouts: Rollouts, progress: Progress) -> Scores:
    """1 where every view of the row's question is in the batch that is judged."""
    links = [task.link for task in rollouts.tasks]
    whole = [link is None or links.count(link) == 2 for link in links]
    return Scores(torch.tensor(whole).float()[rollouts.group])


def test_two_processes_sample_whole_questions_and_gather_what_one_would() -> None:
    def collected(shard: Shard) -> Any:
        recipe = PolicyRecipe(
            model=Table(),
            reward=both_views_at_hand,
            curriculum=ShuffledTasks(seed=1),
            sampler=Groups(2),
            loop=Loop(groups=6),
        )
        return collect(recipe, Table().load(TASKS), TASKS, Progress(), shard, lambda: 0.0)

    alone, exchange = collected(Shard()), Exchange()
    with ThreadPoolExecutor(2) as threads:
        both = list(threads.map(lambda rank: collected(exchange.shard(rank)), (0, 1)))
    for batch in both:
        assert batch.raw.value.tolist() == [1.0] * 12
        rows = range(12)
        asked = [[one.rollouts.task_of(row).id for row in rows] for one in (batch, alone)]
        assert asked[0] == asked[1]
        assert torch.equal(batch.rollouts.ids, alone.rollouts.ids)


def test_a_prompt_beyond_the_context_is_refused_before_sampling() -> None:
    policy = LanguagePolicy.load("seedling", device="cpu")
    tasks = [Task("short", "2+2="), Task("endless", "2+2=" * 75_000)]
    told = r"task 'endless' has 3\d\d,\d\d\d tokens, and the model reads at most 1,024"
    with pytest.raises(ValueError, match=told):
        policy.sample(tasks, 1, Sampling(), 0)
