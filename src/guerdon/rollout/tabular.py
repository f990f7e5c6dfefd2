"""A softmax over actions per state: the smallest policy, for worlds and for single choices."""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field
from typing import ClassVar

import torch
from torch import Tensor, nn

from guerdon.keyed import row_key, uniforms
from guerdon.records import Ending, PolicyOutput, Rollouts, Task
from guerdon.rollout.choosing import choose
from guerdon.rollout.environments import Environment, make_environment
from guerdon.rollout.episodes import INVALID_ACTION, answer_of, ending_of, is_played
from guerdon.stages import Sampling


@dataclass
class _Play:
    """One row while it is played; ``world`` is None for a single choice."""

    world: Environment | None
    start: Hashable
    ids: list[int] = field(default_factory=list)
    logps: list[float] = field(default_factory=list)
    states: list[Hashable] = field(default_factory=list)
    rewards: list[float] = field(default_factory=list)
    ending: Ending | None = None

    def fail(self) -> None:
        """The world raised: there is no further turn."""
        self.rewards.append(math.nan)
        self.ending = Ending.ENVIRONMENT_ERROR

    @property
    def state(self) -> Hashable:
        return self.start if self.world is None else self.world.state_key


class TabularPolicy(nn.Module):
    """Logits float[S, A], one row per declared state; T counts turns.

    A task with an ``environment`` column is played in its world for at most
    ``sampling.max_turns`` turns (``actions`` are then the world's). Any other task is one
    choice: its state is the task's id, the completion's text is the action's name and
    ``prompts`` are empty. ``logits`` start at 0 (uniform) unless given. A state that was not
    declared raises ValueError.
    """

    couples: ClassVar[str] = "position"

    def __init__(
        self,
        states: Sequence[Hashable],
        actions: Sequence[str],
        logits: Tensor | None = None,
        dtype: torch.dtype = torch.float32,
    ) -> None:
        super().__init__()
        self.index = {state: row for row, state in enumerate(states)}
        self.actions = tuple(actions)
        shape = (len(self.index), len(self.actions))
        if logits is not None and tuple(logits.shape) != shape:
            raise ValueError(f"logits have shape {tuple(logits.shape)}, not {shape}")
        table = torch.zeros(shape, dtype=dtype) if logits is None else logits.detach().to(dtype)
        self.logits = nn.Parameter(table.clone())

    @property
    def module(self) -> nn.Module:
        """The table itself."""
        return self

    def sample(
        self, tasks: Sequence[Task], group_size: int, sampling: Sampling, seed: int
    ) -> Rollouts:
        """``group_size`` episodes (or single choices) of each task."""
        plays = [
            _Play(make_environment(task) if is_played(task) else None, task.id)
            for task in tasks
            for _ in range(group_size)
        ]
        for played in plays:
            if played.world is not None and answer_of(played.world.reset, "its reset") is None:
                played.fail()
        keys = [row_key(task.id, member) for task in tasks for member in range(group_size)]
        single = not any(map(is_played, tasks))
        turns = 1 if single else sampling.max_turns
        uniform_NK = uniforms(seed, keys, turns)
        table_SA = self.logits.detach()
        for turn in range(turns):
            live = [row for row, played in enumerate(plays) if played.ending is None]
            if not live:
                break
            rows = torch.tensor([self._row(plays[i].state) for i in live])
            action_M, logp_M = choose(table_SA[rows], uniform_NK[live, turn], sampling)
            for i, action, logp in zip(live, action_M.tolist(), logp_M.tolist(), strict=True):
                self._act(plays[i], action, logp)
        group = [g for g in range(len(tasks)) for _ in range(group_size)]
        return self._rows(tasks, group, plays, single, sampling)

    def forward(self, rollouts: Rollouts, needs: frozenset[str] = frozenset()) -> PolicyOutput:
        """Log-probs (and entropies) of the rollouts' actions, 0 where the mask is False."""
        states = rollouts.states
        if states is None:
            raise ValueError("a TabularPolicy reads rollouts.states, which these rollouts lack")
        row_M, at_M = rollouts.mask.nonzero(as_tuple=True)
        turn_M = at_M if rollouts.turn is None else rollouts.turn[row_M, at_M]
        turns = zip(row_M.tolist(), turn_M.tolist(), strict=True)
        state_M = torch.tensor([self._row(states[i][k]) for i, k in turns], dtype=torch.long)
        logp_MA = torch.log_softmax(self.logits[state_M] / rollouts.temperature, dim=-1)
        zeros = torch.zeros(rollouts.mask.shape, dtype=logp_MA.dtype)
        taken_M = logp_MA.gather(1, rollouts.ids[row_M, at_M][:, None])[:, 0]
        entropy_NT = None
        if "entropy" in needs:
            entropy_M = -(logp_MA.exp() * logp_MA).sum(-1)
            entropy_NT = zeros.index_put((row_M, at_M), entropy_M)
        return PolicyOutput(zeros.index_put((row_M, at_M), taken_M), entropy_NT)

    def _act(self, played: _Play, action: int, logp: float) -> None:
        played.states.append(played.state)
        played.ids.append(action)
        played.logps.append(logp)
        if played.world is None:
            played.ending = Ending.FINISHED
            return
        name, world = self.actions[action], played.world
        step = answer_of(lambda: world.step(name), name)
        if step is None:
            played.fail()
            return
        played.rewards.append(step.reward - (0.0 if step.valid else INVALID_ACTION))
        played.ending = ending_of(step)

    def _rows(
        self,
        tasks: Sequence[Task],
        group: list[int],
        plays: list[_Play],
        single: bool,
        sampling: Sampling,
    ) -> Rollouts:
        lengths = torch.tensor([len(p.ids) for p in plays], dtype=torch.long)
        n, width = len(plays), max((len(p.ids) for p in plays), default=0)

        def table(rows: list[list[float]]) -> Tensor:
            wide = max(map(len, rows), default=0)
            padded = [row + [0.0] * (wide - len(row)) for row in rows]
            return torch.tensor(padded).reshape(n, wide)

        mask = torch.arange(width) < lengths[:, None]
        return Rollouts(
            tasks=tuple(tasks),
            group=torch.tensor(group, dtype=torch.long),
            prompts=tuple(torch.zeros(0, dtype=torch.long) for _ in tasks),
            ids=table([[float(i) for i in p.ids] for p in plays]).long(),
            mask=mask,
            lengths=lengths,
            logps=table([p.logps for p in plays]),
            texts=tuple(" ".join(self.actions[i] for i in p.ids) for p in plays),
            endings=tuple(p.ending or Ending.TURN_LIMIT for p in plays),
            turn=torch.arange(width).expand(n, width).clone(),
            states=tuple(tuple(p.states) for p in plays),
            turn_rewards=None if single else table([p.rewards for p in plays]),
            temperature=sampling.temperature or 1.0,
        )

    def _row(self, state: Hashable) -> int:
        if state not in self.index:
            raise ValueError(
                f"state {state!r} is not in the table; declare every state the tasks can reach"
            )
        return self.index[state]
