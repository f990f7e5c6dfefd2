"""Sampling in portions: the same experience, scored while the rest is being sampled."""

import time
from dataclasses import dataclass, replace
from threading import Event

import pytest
import torch

from guerdon.curriculum import SequentialTasks
from guerdon.recipes.grpo import build
from guerdon.records import Progress, Scores, Task
from guerdon.rewards import AnswerMatch
from guerdon.rollout import Groups, LanguagePolicy
from guerdon.selection import AllPairs
from guerdon.training import Loop
from guerdon.training.collect import collect, credit
from guerdon.training.dealing import _portions
from guerdon.training.update import ALONE

LOOP = Loop(groups=6)


def gathered(portion, reward, policy=None):
    recipe = build(loop=LOOP, sampler=Groups(4, portion=portion), reward=reward)
    tasks = recipe.tasks.load("train")
    policy = policy or LanguagePolicy.load()
    batch = collect(recipe, policy, tasks, Progress(0, 1), ALONE, time.perf_counter)
    return credit(recipe, policy, batch, Progress(0, 1), None)


@dataclass(frozen=True)
class Longest:
    """A reward whose rows nearly always differ."""

    def __call__(self, rollouts, progress):
        return Scores(rollouts.lengths.float())


def test_what_is_learned_from_is_selected_and_the_others_are_still_known():
    recipe = build(loop=LOOP, sampler=Groups(4), reward=Longest(), selection=AllPairs())
    tasks, policy = recipe.tasks.load("train"), LanguagePolicy.load()
    batch = collect(recipe, policy, tasks, Progress(0, 1), ALONE, time.perf_counter)
    found = credit(recipe, policy, batch, Progress(0, 1), None)
    tied = torch.ones(24, dtype=torch.bool)
    tied[found.chosen] = False
    assert 0 < len(found.chosen) <= 24
    assert len(found.rollouts) == len(found.scores) == 24
    assert len(found.experience) == len(found.chosen)
    assert (found.advantage[tied] == 0).all()
    pairs, value = found.experience.pairs, found.experience.scores.value
    assert (value[pairs.chosen] > value[pairs.rejected]).all()
    assert torch.equal(value, found.scores.value[found.chosen])


@pytest.mark.parametrize("size", [1, 2, 4])
def test_portions_change_nothing(size):
    whole, cut = gathered(0, AnswerMatch()), gathered(size, AnswerMatch())
    assert cut.rollouts.tasks == whole.rollouts.tasks
    assert cut.rollouts.texts == whole.rollouts.texts
    assert torch.equal(cut.rollouts.group, whole.rollouts.group)
    assert torch.equal(cut.raw.value, whole.raw.value)
    assert torch.equal(cut.advantage, whole.advantage)
    torch.testing.assert_close(cut.rollouts.logps, whole.rollouts.logps, atol=1e-4, rtol=0)


class Watched(LanguagePolicy):
    """Says when it begins to sample; the third time it waits for a score."""

    def sample(self, tasks, group_size, sampling, seed):
        self.begun += 1
        if self.begun == 2:
            self.second_begun.set()
        if self.begun == 3:
            assert self.first_scored.wait(60), "nothing is scored before all is sampled"
        return super().sample(tasks, group_size, sampling, seed)


def test_finished_groups_are_scored_while_others_are_sampled():
    policy = Watched.load()
    policy.begun, policy.second_begun, policy.first_scored = 0, Event(), Event()
    scored = []

    def patient(rollouts, progress):
        assert policy.second_begun.wait(60), "sampling waits for scores"
        scored.append(len(rollouts.tasks))
        policy.first_scored.set()
        return AnswerMatch()(rollouts, progress)

    gathered(2, patient, policy)
    assert scored == [2, 2, 2]


def test_portions_keep_views_of_one_question_together():
    def task(name, link=None):
        return Task(name, "", link=link)

    tasks = [task("a", "x"), task("b"), task("c", "x"), task("d"), task("e", "y"), task("f", "y")]
    drawn = [(one, 0) for one in tasks]
    cut = [[t.id for t, _ in portion] for portion in _portions(drawn, 1)]
    assert cut == [["a", "b", "c"], ["d"], ["e", "f"]]
    assert list(_portions(drawn, 0)) == [drawn]
    assert [len(p) for p in _portions([(task(str(i)), 0) for i in range(5)], 2)] == [2, 2, 1]
    assert list(_portions([], 0)) == list(_portions([], 2)) == []


def test_a_failing_reward_costs_the_rows_at_fault_in_each_portion():
    def broken(rollouts, progress):
        if any("1" in text for text in rollouts.texts):
            raise RuntimeError("grader is broken")
        return AnswerMatch()(rollouts, progress)

    made = gathered(2, broken)
    assert made.raw.valid.tolist() == ["1" not in text for text in made.rollouts.texts]
    assert 0 < made.tally.failed < len(made.rollouts)
    assert made.tally.failures[0].kind == "RuntimeError"
    assert not made.advantage[~made.raw.valid].any()


@pytest.mark.parametrize("size", [0, 2])
def test_a_task_drawn_twice_is_sampled_anew_and_stays_two_groups(size):
    """Three draws of two tasks: the third group repeats the first's task, not its samples."""
    recipe = build(loop=replace(LOOP, groups=3), sampler=Groups(4, portion=size))
    recipe = replace(recipe, tasks=replace(recipe.tasks, train=2), curriculum=SequentialTasks())
    tasks = recipe.tasks.load("train")
    policy = LanguagePolicy.load()
    made = collect(recipe, policy, tasks, Progress(0, 1), ALONE, time.perf_counter)
    assert [t.id for t in made.rollouts.tasks] == [tasks[i].id for i in (0, 1, 0)]
    assert made.rollouts.group.tolist() == [g for g in range(3) for _ in range(4)]
    first, again = (made.rollouts.select(made.rollouts.group == g) for g in (0, 2))
    assert not torch.allclose(first.logps.sum(1), again.logps.sum(1), atol=1e-3)
