"""A batch gathered over steps: nothing until there is enough, then everything once."""

from __future__ import annotations

import copy
from dataclasses import replace

import pytest
import torch
from making import ShareOfSevens, make_rollouts, make_scores

from guerdon.contracts import check_buffer
from guerdon.curriculum import GatheredRows
from guerdon.recipes.grpo import build
from guerdon.records import Experience, Pairs, Progress, Task
from guerdon.rollout import Groups
from guerdon.stages import Sampling
from guerdon.training import Loop, train

TASKS = tuple(Task(f"t{i}", f"prompt {i}") for i in range(3))


def experience(step: int, values: tuple[float, ...] = (1.0, 0.0, 0.5, 0.0)) -> Experience:
    """Two groups of two rows; log-probs say the step."""
    rollouts = make_rollouts([0, 0, 1, 1], [2, 3, 1, 2])
    logps = torch.where(rollouts.mask, -1.0 - step, 0.0)
    advantage = torch.where(rollouts.mask, torch.tensor(values)[:, None], 0.0)
    return Experience(
        replace(rollouts, logps=logps), make_scores(values), advantage, Progress(step)
    )


def mixed(buffer: GatheredRows, step: int, **changes: tuple[float, ...]) -> Experience:
    return buffer.mix(experience(step, **changes), TASKS, Progress(step, 9))


def test_nothing_is_learned_until_there_is_enough_and_nothing_is_learned_twice() -> None:
    buffer = GatheredRows(least=10)
    made = [mixed(buffer, step) for step in range(6)]
    assert [len(one) for one in made] == [0, 0, 12, 0, 0, 12]
    third = made[2]
    per_row = third.rollouts.logps.amin(1).tolist()
    assert per_row == [-3.0] * 4 + [-1.0] * 4 + [-2.0] * 4  # this step's, then in their order
    assert set(third.rollouts.makers) == {"policy"}  # nothing was learned since
    assert third.scores.value.tolist() == [1.0, 0.0, 0.5, 0.0] * 3
    assert torch.equal(third.advantage[:4], third.advantage[4:8])


def test_groups_that_teach_nothing_do_not_count() -> None:
    buffer = GatheredRows(least=5)
    assert len(mixed(buffer, 0, values=(0.0, 0.0, 1.0, 0.0))) == 0  # two rows
    assert len(mixed(buffer, 1, values=(0.0, 0.0, 0.0, 0.0))) == 0
    found = mixed(buffer, 2)
    assert len(found) == 6
    assert len(mixed(GatheredRows(least=4), 0)) == 4  # enough at once: as it was


def test_what_was_gathered_goes_on_after_a_break_and_pairs_are_refused() -> None:
    buffer = GatheredRows(least=8)
    mixed(buffer, 0)
    other = copy.deepcopy(GatheredRows(least=8))
    other.load_state_dict(buffer.state_dict())
    assert torch.equal(mixed(other, 1).rollouts.logps, mixed(buffer, 1).rollouts.logps)
    pairs = Pairs(torch.tensor([0]), torch.tensor([1]))
    with pytest.raises(ValueError, match="learns from pairs"):
        GatheredRows().mix(replace(experience(0), pairs=pairs), TASKS, Progress())


def test_it_keeps_what_buffers_promise() -> None:
    check_buffer(GatheredRows.example())
    with pytest.raises(AssertionError, match="gives none to learn from"):
        check_buffer(GatheredRows(least=1000))


def test_runs_with_updates_in_every_second_step_alone() -> None:
    loop = Loop(steps=4, groups=2, evaluation_tasks=2, checkpoint_every=0)
    recipe = build(
        loop=loop,
        reward=ShareOfSevens(),
        sampler=Groups(4, Sampling(max_tokens=16)),
        buffer=GatheredRows(least=9),
    )
    history = train(recipe, quiet=True).history
    updates = [h["updates"] for h in history]
    assert updates[0] == 0
    assert sum(updates) >= 1
    learned = [h["learned_rows"] for h in history if h["updates"]]
    assert all(rows >= 9 for rows in learned)
