"""What every sampler promises."""

from __future__ import annotations

from collections.abc import Sequence
from copy import deepcopy
from typing import Any

import torch
from torch import nn

from guerdon.contracts.promises import calling, check_written_and_read_back, promise, same
from guerdon.keyed import row_key, uniforms
from guerdon.records import PolicyOutput, Progress, Rollouts, Task, check_answered
from guerdon.stages import Policy, Sampler, Sampling
from guerdon.traits import InPortions

TASKS = (
    *(Task(f"t{i}", f"prompt {i}") for i in range(3)),
    Task("t3", "another view", link="t2", probe=True, samples=1),
)
NOW = Progress()
SEED = 5


class Keyed:
    """A policy whose rows depend on seed, task and member alone, as every policy's do."""

    couples = "position"
    module = nn.Linear(1, 1)
    length = 4

    def sample(
        self, tasks: Sequence[Task], group_size: int, sampling: Sampling, seed: int
    ) -> Rollouts:
        """Up to `length` acts of each row, and how many there are."""
        keys = [row_key(task.id, member) for task in tasks for member in range(group_size)]
        drawn_NT = uniforms(seed, keys, self.length + 1)
        length_N = 1 + (drawn_NT[:, -1] * self.length).long()
        mask_NT = torch.arange(self.length) < length_N[:, None]
        return Rollouts(
            tasks=tuple(tasks),
            group=torch.arange(len(tasks)).repeat_interleave(group_size),
            prompts=tuple(torch.zeros(0, dtype=torch.long) for _ in tasks),
            mask=mask_NT,
            lengths=length_N,
            logps=torch.zeros(mask_NT.shape),
            ids=(drawn_NT[:, :-1] * 1000).long() * mask_NT,
            texts=tuple(str(key) for key in keys),
        )

    def forward(self, rollouts: Rollouts, needs: frozenset[str] = frozenset()) -> PolicyOutput:
        """Nothing was unlikely."""
        return PolicyOutput(torch.zeros(rollouts.mask.shape))


def check_sampler(
    sampler: Sampler, policy: Policy | None = None, tasks: Sequence[Task] = TASKS
) -> None:
    """Raises AssertionError where a sampler breaks what every sampler promises.

    It draws one row or more of each task, ordered by task, in the tasks' order; a row acts nowhere
    beyond its length, and has log-probabilities where it acted alone; the same seed gives the same
    rows; one that takes tasks in portions draws the same of a task alone and beside others; and it
    goes to a recipe's file and back. Tried on ``policy`` (None = a made one) and ``tasks``.
    """
    policy = Keyed() if policy is None else policy
    rows = drawn(sampler, policy, tasks)
    check_shapes(sampler, rows)
    check_same(sampler, rows, drawn(sampler, policy, tasks), "asked again with the same seed")
    if isinstance(sampler, InPortions):
        for task in tasks:
            of_task = torch.tensor([rows.tasks[g].id == task.id for g in rows.group.tolist()])
            alone = drawn(sampler, policy, [task])
            check_same(sampler, rows.select(of_task), alone, f"asked for {task.id} alone")
    check_written_and_read_back(sampler)


def drawn(sampler: Sampler, policy: Policy, tasks: Sequence[Task]) -> Rollouts:
    """Its rows, by a copy: one with memory may go on from what it drew before."""
    with calling(sampler, f"{len(tasks)} tasks"):
        made: Any = deepcopy(sampler)(policy, tasks, NOW, SEED)
    try:
        return check_answered(tasks, made)
    except ValueError as error:
        raise AssertionError(f"{type(sampler).__name__}: {error}") from error


def check_shapes(sampler: Any, rows: Rollouts) -> None:
    """Mask, lengths and log-probabilities agree."""
    width = rows.mask.shape[1]
    promise(bool((rows.lengths <= width).all()), sampler, f"a row is longer than {width} positions")
    beyond_NT = torch.arange(width) >= rows.lengths[:, None]
    promise(not (rows.mask & beyond_NT).any(), sampler, "a row acts beyond its length")
    shapes = tuple(rows.logps.shape), tuple(rows.mask.shape)
    promise(shapes[0] == shapes[1], sampler, f"its log-probs are {shapes[0]}, its mask {shapes[1]}")
    elsewhere = rows.logps[~rows.mask]
    promise(not elsewhere.any(), sampler, "it gives log-probs where nothing was done")
    promise(not (rows.logps > 0).any(), sampler, "it gives log-probs above 0")


def check_same(sampler: Any, one: Rollouts, other: Rollouts, told: str) -> None:
    """Both hold the same rows, however wide their tables are."""
    one, other = (rows.select(torch.arange(len(rows))) for rows in (one, other))
    alike = (
        len(one) == len(other)
        and same(one.mask, other.mask)
        and same(one.ids, other.ids)
        and (one.actions is None) == (other.actions is None)
        and (one.actions is None or other.actions is None or same(one.actions, other.actions))
    )
    promise(alike, sampler, f"{told}, it draws other rows")
