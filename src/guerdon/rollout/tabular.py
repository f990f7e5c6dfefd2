"""A softmax over actions per state: the smallest policies, for worlds and for single choices."""

from __future__ import annotations

import math
import warnings
from abc import ABC, abstractmethod
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any, ClassVar, TypeVar

import torch
from torch import Tensor, nn

from guerdon.keyed import row_key, uniforms
from guerdon.models.saved_policy import SavedPolicy, read_key, save_policy, written_key
from guerdon.models.sources import ModelError
from guerdon.records import VALID, Ending, PolicyOutput, Rollouts, Task
from guerdon.rollout.drawing import choose
from guerdon.rollout.environments import Environment, make_environment
from guerdon.rollout.episodes import INVALID_ACTION, answer_of, ending_of, is_played
from guerdon.stages import Sampling

K = TypeVar("K", bound=Hashable)


@dataclass
class _Play:
    """One row while it is played; ``world`` is None for a single choice."""

    world: Environment | None
    start: Hashable
    ids: list[int] = field(default_factory=list)
    logps: list[float] = field(default_factory=list)
    states: list[Hashable] = field(default_factory=list)
    rewards: list[float] = field(default_factory=list)
    valid: list[float] = field(default_factory=list)
    ending: Ending | None = None

    def fail(self) -> None:
        """The world raised: there is no further turn."""
        self.rewards.append(math.nan)
        self.valid.append(math.nan)
        self.ending = Ending.ENVIRONMENT_ERROR

    @property
    def state(self) -> Hashable:
        return self.start if self.world is None else self.world.state_key


class StatePolicy(nn.Module, ABC):
    """A softmax over ``actions`` in each of S declared states; T counts turns.

    A task with an ``environment`` column is played in its world for at most
    ``sampling.max_turns`` turns (``actions`` are then the world's). Any other task is one
    choice: its state is the task's id, the completion's text is the action's name and
    ``prompts`` are empty. A state that was not declared raises ValueError.
    """

    couples: ClassVar[str] = "position"

    def __init__(self, states: Sequence[Hashable], actions: Sequence[str]) -> None:
        super().__init__()
        self.index = {state: row for row, state in enumerate(states)}
        self.actions = tuple(actions)

    @abstractmethod
    def scores(self, state_M: Tensor) -> Tensor:
        """float[M, A]: logits of every action in states long[M], by their place."""

    @property
    def module(self) -> nn.Module:
        """All that is trained."""
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
        for turn in range(turns):
            live = [row for row, played in enumerate(plays) if played.ending is None]
            if not live:
                break
            rows = torch.tensor([self._row(plays[i].state) for i in live])
            with torch.no_grad():
                logits_MA = self.scores(rows)
            action_M, logp_M = choose(logits_MA, uniform_NK[live, turn], sampling)
            for i, action, logp in zip(live, action_M.tolist(), logp_M.tolist(), strict=True):
                self._act(plays[i], action, logp)
        group = [g for g in range(len(tasks)) for _ in range(group_size)]
        return self._rows(tasks, group, plays, single, sampling)

    def forward(self, rollouts: Rollouts, needs: frozenset[str] = frozenset()) -> PolicyOutput:
        """Log-probs (and entropies) of the rollouts' actions, 0 where the mask is False."""
        states = rollouts.states
        if states is None:
            raise ValueError(
                f"a {type(self).__name__} reads rollouts.states, which these rollouts lack"
            )
        row_M, at_M = rollouts.mask.nonzero(as_tuple=True)
        turn_M = at_M if rollouts.turn is None else rollouts.turn[row_M, at_M]
        turns = zip(row_M.tolist(), turn_M.tolist(), strict=True)
        state_M = torch.tensor([self._row(states[i][k]) for i, k in turns], dtype=torch.long)
        logp_MA = torch.log_softmax(self.scores(state_M) / rollouts.temperature, dim=-1)
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
        played.valid.append(float(step.valid))
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

        def table(rows: list[list[float]], fill: float = 0.0) -> Tensor:
            wide = max(map(len, rows), default=0)
            padded = [row + [fill] * (wide - len(row)) for row in rows]
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
            signals={} if single else {VALID: table([p.valid for p in plays], math.nan)},
            temperature=sampling.temperature or 1.0,
        )

    def _row(self, state: Hashable) -> int:
        if state not in self.index:
            raise ValueError(
                f"state {state!r} is not in the table; declare every state the tasks can reach"
            )
        return self.index[state]


class TabularPolicy(StatePolicy):
    """Logits float[S, A], one row per state; 0 (uniform) at the start unless given."""

    def __init__(
        self,
        states: Sequence[Hashable],
        actions: Sequence[str],
        logits: Tensor | None = None,
        dtype: torch.dtype = torch.float32,
    ) -> None:
        super().__init__(states, actions)
        shape = (len(self.index), len(self.actions))
        if logits is not None and tuple(logits.shape) != shape:
            raise ValueError(f"logits have shape {tuple(logits.shape)}, not {shape}")
        table = torch.zeros(shape, dtype=dtype) if logits is None else logits.detach().to(dtype)
        self.logits = nn.Parameter(table.clone())

    @classmethod
    def begun(
        cls, saved: SavedPolicy, states: Sequence[Hashable], actions: Sequence[str]
    ) -> TabularPolicy:
        """The saved table, with a uniform row for each of ``states`` that it has not met.

        Raises ValueError where its actions are others.
        """
        _refuse_other_actions(saved, actions)
        known = list(map(read_key, saved.facts.get("states", ())))
        every = list(dict.fromkeys([*known, *states]))
        logits = torch.zeros(len(every), len(actions))
        logits[: len(known)] = _fitting(saved, "logits", (len(known), len(actions)))
        return cls(every, actions, logits)

    def save(self, folder: Path) -> None:
        """The table as `save_policy` writes it; states without a plain form are left out."""
        kept = _plain_keys(self.index, "states")
        rows = torch.tensor([self.index[state] for state in kept], dtype=torch.long)
        save_policy(
            folder,
            {"logits": self.logits[rows]},
            {"part": "guerdon.rollout.sources:Table", "actions": list(self.actions)},
            states=list(kept.values()),
        )

    def scores(self, state_M: Tensor) -> Tensor:
        return self.logits[state_M]


class NetworkPolicy(StatePolicy):
    """Logits by a network of ``layers`` hidden layers (tanh) of ``width``; it generalises.

    What it reads of a state is its key, taken apart: one-hot for each place in the key, so that
    boards with one goal share what they have in common. Uniform at the start: the last layer is 0,
    the others are drawn from torch's global generator.
    """

    def __init__(
        self,
        states: Sequence[Hashable],
        actions: Sequence[str],
        width: int = 64,
        layers: int = 1,
        known: Sequence[tuple[int, Hashable]] = (),
    ) -> None:
        """``known``: what it reads first, see `columns_of`."""
        super().__init__(states, actions)
        self.width, self.layers = width, layers
        self.columns = columns_of(states, known)
        self.register_buffer("features_SF", one_hot_keys(states, self.columns), persistent=False)
        sizes = [self.get_buffer("features_SF").shape[1], *[width] * layers]
        hidden = [nn.Sequential(nn.Linear(a, b), nn.Tanh()) for a, b in pairwise(sizes)]
        last = nn.Linear(sizes[-1], len(self.actions))
        nn.init.zeros_(last.weight)
        nn.init.zeros_(last.bias)
        self.network = nn.Sequential(*hidden, last)

    @classmethod
    def begun(
        cls,
        saved: SavedPolicy,
        states: Sequence[Hashable],
        actions: Sequence[str],
        width: int,
        layers: int,
    ) -> NetworkPolicy:
        """The saved network; what it has not met in a key changes nothing yet.

        Raises ValueError where its actions are others, or its size.
        """
        _refuse_other_actions(saved, actions)
        known = [(int(place), read_key(value)) for place, value in saved.facts.get("columns", ())]
        made = cls(states, actions, width, layers, known)
        first, wide = made.first, width if layers else len(actions)
        read = torch.zeros(wide, len(made.columns))
        read[:, : len(known)] = _fitting(saved, first, (wide, len(known)))
        saved.into(made, {**saved.weights, first: read})
        return made

    @property
    def first(self) -> str:
        """The name of the weights that read a state's columns."""
        return "network.0.0.weight" if self.layers else "network.0.weight"

    def save(self, folder: Path) -> None:
        """The network as `save_policy` writes it; columns without a plain form are left out."""
        kept = _plain_keys(self.columns, "parts of states")
        places = torch.tensor([self.columns[column] for column in kept], dtype=torch.long)
        weights = self.state_dict()
        made_by = {
            "part": "guerdon.rollout.sources:Network",
            "actions": list(self.actions),
            "width": self.width,
            "layers": self.layers,
        }
        read = weights[self.first][:, places]
        save_policy(folder, {**weights, self.first: read}, made_by, columns=list(kept.values()))

    def scores(self, state_M: Tensor) -> Tensor:
        logits_MA: Tensor = self.network(self.get_buffer("features_SF")[state_M])
        return logits_MA


Columns = Mapping[tuple[int, Hashable], int]
"""A place in a state's key and what stands there, to a column's number."""


def columns_of(
    states: Sequence[Hashable], known: Sequence[tuple[int, Hashable]] = ()
) -> dict[tuple[int, Hashable], int]:
    """A column for each value of each place of the keys, nested tuples laid flat.

    Numbered as they come, ``known`` ones first, so they follow from the order of the states.
    """
    columns = {place: number for number, place in enumerate(known)}
    for state in states:
        for place in enumerate(_flat(state)):
            columns.setdefault(place, len(columns))
    return columns


def one_hot_keys(states: Sequence[Hashable], columns: Columns | None = None) -> Tensor:
    """float[S, F]: for each place of the states' keys a one-hot, by their `columns_of`.

    Keys that are shorter than others have nothing there.
    """
    columns = columns_of(states) if columns is None else columns
    table_SF = torch.zeros(len(states), len(columns))
    for row, state in enumerate(states):
        table_SF[row, [columns[place] for place in enumerate(_flat(state))]] = 1.0
    return table_SF


def _flat(key: Hashable) -> Iterator[Hashable]:
    if isinstance(key, tuple):
        for part in key:
            yield from _flat(part)
    else:
        yield key


def _plain_keys(keys: Iterable[K], what: str) -> dict[K, Any]:
    """Those that a file can hold, with what it holds of each."""
    kept, lost = {}, []
    for key in keys:
        try:
            kept[key] = written_key(key)
        except TypeError as error:
            lost.append(str(error))
    if lost:
        warnings.warn(
            f"{len(lost)} {what} are not saved, since {lost[0]}; make a world's state_key of "
            "numbers, texts and tuples",
            stacklevel=3,
        )
    return kept


def _refuse_other_actions(saved: SavedPolicy, actions: Sequence[str]) -> None:
    theirs = tuple((saved.made_by or {}).get("actions", ()))
    if theirs != tuple(actions):
        raise ModelError(
            f"{saved.folder} holds a {saved.kind} that takes {', '.join(map(str, theirs))}, and "
            f"the tasks offer {', '.join(actions)}; give tasks of the same actions"
        )


def _fitting(saved: SavedPolicy, name: str, shape: tuple[int, int]) -> Tensor:
    """The saved weights of that name, which must be of this shape."""
    found = saved.weights.get(name)
    if found is None or tuple(found.shape) != shape:
        theirs = None if found is None else tuple(found.shape)
        raise ModelError(
            f"{saved.folder} holds another {saved.kind}: its {name} is of shape {theirs}, not "
            f"{shape}; give the settings that it was made with"
        )
    return found
