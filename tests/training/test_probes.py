"""Probes are drawn, judged, observed, logged and shown, and nothing is learned from them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pyarrow.parquet
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from making import Exchange, make_rollouts

from guerdon.advantages import GroupNormalised, ReinforcePlusPlus
from guerdon.curriculum import Informative, SequentialTasks, ShuffledTasks
from guerdon.curriculum.answered import ByReward
from guerdon.records import (
    Experience,
    Progress,
    Rollouts,
    Scores,
    Task,
    concat_rollouts,
    first_views,
    with_views,
)
from guerdon.rollout import Groups, Table
from guerdon.selection import AllPairs
from guerdon.shaping import RunningStandardise
from guerdon.training import AdamW, Loop, PolicyRecipe, TrainingStopped, train
from guerdon.training.collect import Batch, collect
from guerdon.training.exams import held_out_sets
from guerdon.training.update import ALONE, Shard, minibatches


def view(name: str, link: str | None = None, **more: Any) -> Task:
    return Task(name, "", columns={"choices": "ABC"}, link=link, **more)


PLAIN = [view(name, name[0]) for name in ("a1", "b1", "c1", "d1")]
PROBES = [view("a2", "a", probe=True, samples=5), view("c2", "c", probe=True)]
PROBED = [PLAIN[0], PROBES[0], PLAIN[1], PLAIN[2], PROBES[1], PLAIN[3]]


@dataclass(frozen=True)
class Given:
    tasks: Sequence[Task]
    held_out: Sequence[Task] = ()

    def load(self, split: str) -> Sequence[Task]:
        return self.tasks if split == "train" else self.held_out


@dataclass(frozen=True)
class Watching:
    """Pays by the action and the question, and writes down the tasks of what it observes."""

    observed: list[str] = field(default_factory=list)

    def __call__(self, rollouts: Rollouts, progress: Progress) -> Scores:
        weight_N = torch.tensor([float(ord(rollouts.tasks[g].id[0])) for g in rollouts.group])
        value_N = rollouts.ids[:, 0].float() * weight_N / 100
        return Scores(value_N, {"first": (rollouts.ids[:, 0] == 0).float()})

    def observe(self, rollouts: Rollouts, scores: Scores) -> None:
        self.observed.extend(task.id for task in rollouts.tasks)

    def state_dict(self) -> dict[str, Any]:
        return {}

    def load_state_dict(self, state: Mapping[str, Any]) -> None: ...


def recipe(tasks: Sequence[Task], **changes: Any) -> PolicyRecipe:
    made: dict[str, Any] = {
        "model": Table(),
        "tasks": Given(tasks),
        "reward": Watching(),
        "curriculum": ShuffledTasks(seed=2),
        "sampler": Groups(4),
        "optimiser": AdamW(lr=0.1),
        "loop": Loop(steps=4, groups=3, minibatch=8, checkpoint_every=0, evaluation_tasks=0),
    }
    return PolicyRecipe(**{**made, **changes})


def collected(tasks: Sequence[Task], shard: Shard = ALONE, **changes: Any) -> Batch:
    made = recipe(tasks, **changes)
    policy = Table().load([*PROBED, *tasks])
    return collect(made, policy, tasks, Progress(), shard, lambda: 0.0)


def test_probes_are_drawn_with_their_question_and_stand_apart() -> None:
    whole = collected(PROBED, loop=Loop(groups=4))
    assert sorted(task.id for task in whole.rollouts.tasks) == ["a1", "b1", "c1", "d1"]
    assert whole.probes is not None
    rollouts, scores = whole.probes
    counts = {task.id: int((rollouts.group == g).sum()) for g, task in enumerate(rollouts.tasks)}
    assert counts == {"a2": 5, "c2": 4}
    assert len(scores) == 9
    assert (whole.sampled, whole.tally.rows) == (4, 25)
    assert collected(PLAIN).probes is None


@pytest.mark.parametrize(
    "changes",
    [
        {"advantage": GroupNormalised()},
        {"advantage": ReinforcePlusPlus()},
        {"shaping": (RunningStandardise(),)},
        {"selection": AllPairs()},
        {"filter": Informative()},
        {"filter": Informative(), "sampler": Groups(4, portion=1)},
        {"curriculum": SequentialTasks()},
        {"loop": Loop(steps=4, groups=3, ahead=1, checkpoint_every=0, evaluation_tasks=0)},
    ],
    ids=lambda changes: "+".join(changes),
)
def test_what_is_learned_is_the_same_to_the_last_bit(changes: dict[str, Any]) -> None:
    policies = [Table().load(PROBED) for _ in range(2)]
    plain, probed = (
        train(recipe(tasks, **changes), policy=policy, quiet=True)
        for tasks, policy in zip((PLAIN, PROBED), policies, strict=True)
    )
    start = Table().load(PROBED).module.parameters()
    pairs = zip(plain.model.module.parameters(), probed.model.module.parameters(), strict=True)
    assert all(torch.equal(one, other) for one, other in pairs)
    assert any(
        not torch.equal(one, other)
        for one, other in zip(plain.model.module.parameters(), start, strict=True)
    )
    own = ("tokens", "tokens_per_second", "judged_rows")
    for one, other in zip(plain.history, probed.history, strict=True):
        assert {k for k in other if k not in one} <= {
            *("probe/rows", "probe/reward", "probe/part/first", "probe/length")
        }
        for name, value in one.items():
            if name not in own and not name.startswith("seconds"):
                assert other[name] == value or (value != value and other[name] != other[name])
    assert any(figures.get("probe/rows") for figures in probed.history)


def test_their_figures_are_their_own_and_their_tokens_count() -> None:
    changes = {"loop": Loop(steps=1, groups=4, checkpoint_every=0, evaluation_tasks=0)}
    plain, probed = (
        train(recipe(t, **changes), policy=Table().load(PROBED), quiet=True).history[0]
        for t in (PLAIN, PROBED)
    )
    batch = collected(PROBED, **changes)
    assert batch.probes is not None
    assert probed["probe/rows"] == 9
    assert probed["probe/reward"] == pytest.approx(float(batch.probes[1].value.mean()))
    first = batch.probes[1].parts["first"].mean()
    assert probed["probe/part/first"] == pytest.approx(float(first))
    assert probed["tokens"] == plain["tokens"] + 9
    assert (probed["judged_rows"], plain["judged_rows"]) == (25, 16)
    assert probed["reward"] == plain["reward"]


def test_every_part_observes_them() -> None:
    reward = Watching()
    made = recipe(PROBED, reward=reward)
    from guerdon.training.collect import observe

    batch = collect(made, Table().load(PROBED), PROBED, Progress(), ALONE, lambda: 0.0)
    observe(made, batch)
    assert {"a2", "c2"} & {*reward.observed}
    assert [task.id for task in batch.seen[0][0].tasks] == reward.observed


def test_the_filter_never_sees_them() -> None:
    seen: list[str] = []

    def keeps_all(experience: Experience) -> torch.Tensor:
        seen.extend(task.id for task in experience.rollouts.tasks)
        return torch.ones(len(experience.rollouts.tasks), dtype=torch.bool)

    collected(PROBED, filter=keeps_all, loop=Loop(groups=4))
    assert sorted(seen) == ["a1", "b1", "c1", "d1"]


@pytest.mark.parametrize("groups", [4, 7])
def test_two_processes_draw_what_one_would_in_its_order(groups: int) -> None:
    """With 7 groups of 4 questions, tasks are drawn twice, in no order that repeats."""
    loop, exchange = Loop(groups=groups), Exchange()
    alone = collected(PROBED, loop=loop)
    with ThreadPoolExecutor(2) as threads:
        both = list(
            threads.map(lambda rank: collected(PROBED, exchange.shard(rank), loop=loop), (0, 1))
        )
    for batch in both:
        assert batch.probes is not None
        assert alone.probes is not None
        for one, other in ((batch.rollouts, alone.rollouts), (batch.probes[0], alone.probes[0])):
            assert one.tasks == other.tasks
            assert torch.equal(one.group, other.group)
            assert torch.equal(one.ids, other.ids)
        assert torch.equal(batch.raw.value, alone.raw.value)
        assert torch.equal(batch.probes[1].value, alone.probes[1].value)


def test_groups_stand_as_they_were_drawn() -> None:
    tasks = [view("a"), view("b", samples=2), view("c"), view("d", samples=2)]
    made = collected(
        tasks, loop=Loop(groups=7), curriculum=SequentialTasks(), sampler=Groups(3)
    ).rollouts
    assert [task.id for task in made.tasks] == [*"abcdabc"]
    sizes = torch.bincount(made.group).tolist()
    assert sizes == [3, 2, 3, 2, 3, 2, 3]
    assert made.group.tolist() == sorted(made.group.tolist())


def test_the_samples_of_a_view_are_the_first_of_more() -> None:
    few, more = (
        Groups(6)(Table().load(PLAIN), [PLAIN[0], replace(PLAIN[1], samples=n)], Progress(), 3)
        for n in (2, 5)
    )
    assert torch.equal(few.select(few.group == 0).ids, more.select(more.group == 0).ids)
    assert torch.equal(few.select(few.group == 1).ids, more.select(more.group == 1).ids[:2])


def test_views_of_several_sizes_are_learned_from_in_minibatches() -> None:
    tasks = [view("a", samples=2), view("b", samples=7), view("c")]
    result = train(recipe(tasks, shaping=(RunningStandardise(),)), quiet=True)
    assert [figures["judged_rows"] for figures in result.history] == [13] * 4
    assert all(figures["updates"] >= 2 for figures in result.history)


def test_held_out_tasks_are_the_first_views_that_are_no_probes() -> None:
    tasks = [view("x1", "x", probe=True), view("x2", "x"), view("y", probe=True), view("z")]
    assert [task.id for task in first_views(tasks)] == ["x2", "z"]
    loop = Loop(evaluation_tasks=9)
    own, *_ = held_out_sets(replace(recipe(PLAIN, loop=loop), tasks=Given(PLAIN, tasks)))
    assert [task.id for task in own.tasks] == ["x2", "z"]


def test_tasks_are_prepared_question_by_question() -> None:
    by = ByReward(Watching(), count=2)
    found = by(Table().load(PROBED), PROBED)
    links = [task.link for task in found]
    for link in {*links}:
        assert links.count(link) == [task.link for task in PROBED].count(link)
    assert len({*links}) == 2
    assert with_views([PLAIN[2], PLAIN[1]], PROBED) == [PLAIN[2], PROBES[1], PLAIN[1]]


def test_a_batch_of_probes_alone_teaches_nothing() -> None:
    with pytest.raises(ValueError, match="all 2 training tasks are probes: there is nothing to"):
        train(recipe(PROBES), quiet=True)

    @dataclass
    class OnlyProbes(SequentialTasks):
        def next(self, tasks: Sequence[Task], count: int, progress: Progress) -> list[Task]:
            return super().next(PROBES, count, progress)

    made = recipe(PROBED, curriculum=OnlyProbes())
    loop = replace(made.loop, max_empty=2)
    with pytest.raises(TrainingStopped, match=r"nothing to learn from .*all tasks were probes"):
        train(replace(made, loop=loop), quiet=True)


def test_a_run_marks_them_in_its_files_and_on_its_page(tmp_path: Path) -> None:
    loop = Loop(steps=1, groups=4, checkpoint_every=0, evaluation_tasks=0)
    train(recipe(PROBED, loop=loop, selection=AllPairs()), tmp_path / "run", quiet=True)
    (file,) = (tmp_path / "run" / "rollouts").glob("*.parquet")
    rows = pyarrow.parquet.read_table(file).to_pylist()
    probes = [row for row in rows if row["probe"]]
    assert [row["task"] for row in probes].count("a2") == 5
    assert len(probes) == 9
    assert len(rows) == 25
    assert len({(row["group"], row["member"]) for row in rows}) == 25
    assert len({row["group"] for row in rows}) == 6
    for row in probes:
        assert (row["advantage"], row["shaped_value"], row["chosen"]) == (0.0, None, False)
        assert row["part:first"] in (0.0, 1.0)
    page = (tmp_path / "run" / "report.html").read_text()
    assert page.count("a probe</span>: nothing is learned from it") == 1


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"samples": 0}, "task 'a': samples is 0; give a whole number of 1 or more"),
        ({"samples": -1}, "samples is -1"),
        ({"samples": 2.0}, "samples is 2.0"),
        ({"samples": True}, "samples is True"),
        ({"samples": "4"}, "samples is '4'"),
        ({"probe": 1}, "task 'a': probe is 1; give true or false"),
        ({"probe": "no"}, "probe is 'no'"),
    ],
)
def test_a_task_says_what_it_can_be(given: dict[str, Any], told: str) -> None:
    with pytest.raises(ValueError, match=told):
        Task("a", "", **given)


@given(
    st.lists(st.lists(st.integers(0, 4), min_size=1, max_size=6), min_size=1, max_size=3),
    st.randoms(use_true_random=False),
)
def test_groups_of_any_sizes_are_arranged(batches: list[list[int]], random: Any) -> None:
    """Rows keep their group's task and their order in it, wherever the group goes."""
    made = []
    for number, group in enumerate(batches):
        dense = torch.unique(torch.tensor(group), return_inverse=True)[1].tolist()
        texts = tuple(f"{number}.{g}.{i}" for i, g in enumerate(dense))
        rows = make_rollouts(dense, [1 + i % 3 for i in range(len(dense))])
        tasks = tuple(Task(f"{number}.{g}", "") for g in range(len(rows.tasks)))
        made.append(replace(rows, tasks=tasks, texts=texts))
    whole = concat_rollouts(made)
    places = list(range(len(whole.tasks)))
    random.shuffle(places)
    found = whole.arranged(torch.tensor(places))
    order = sorted(range(len(places)), key=lambda g: places[g])
    assert [task.id for task in found.tasks] == [whole.tasks[g].id for g in order]
    assert found.group.tolist() == sorted(found.group.tolist())
    for row, text in enumerate(found.texts):
        assert text.startswith(f"{found.task_of(row).id}.")
        assert found.lengths[row] == whole.lengths[whole.texts.index(text)]
    for g in range(len(found.tasks)):
        inside = [
            int(t.split(".")[2]) for t, h in zip(found.texts, found.group, strict=True) if h == g
        ]
        assert inside == sorted(inside)
    pieces = minibatches(torch.arange(len(found)), found.group, 4, 0)
    assert sorted(torch.cat(pieces).tolist()) == list(range(len(found)))
