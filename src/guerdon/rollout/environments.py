"""Worlds that answer in text: the multi-turn side of a task.

A task names its world in its columns, ``{"environment": "grid", "settings": {...}}``, and
`make_environment` builds it. ``environment`` may also be a callable that takes the settings
and returns an `Environment`, which is how a user brings one of their own.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Hashable, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple, Protocol

from guerdon.records import Task


class Step(NamedTuple):
    """What an action did.

    ``done`` ends the episode; with ``truncated`` it is the world's own time limit that does, and
    more would have followed. ``valid`` is False where the text named no action; the world then
    stands still.
    """

    observation: str
    reward: float
    done: bool
    valid: bool = True
    truncated: bool = False


class Environment(Protocol):
    """A world that reads and writes text. One object plays one episode at a time."""

    @property
    def actions(self) -> tuple[str, ...]:
        """The actions, as the text that names each."""
        ...

    @property
    def state_key(self) -> Hashable:
        """The state before the next action: no history and no step counter in it."""
        ...

    def reset(self) -> str:
        """Begin anew; the same start every time. Returns the first observation.

        A world whose states can be counted adds ``states()``, every `state_key` that there can
        be: tables and small networks (`Table`, `Network`) play such worlds.
        """
        ...

    def step(self, action: str) -> Step:
        """Take the action that ``action`` names, spaces and letter case aside."""
        ...


Cell = tuple[int, int]

_MOVES: Mapping[str, Cell] = MappingProxyType(
    {"up": (0, -1), "down": (0, 1), "left": (-1, 0), "right": (1, 0)}
)


class Grid:
    """A square of ``size`` x ``size`` cells; ``reward`` at the goal, which ends the episode.

    (0, 0) is the upper left corner. A step into a wall or off the board changes nothing. With
    a ``key``, the goal is locked until the key's cell has been visited, and the observation
    names the key until then. Raises ValueError for a cell off the board.
    """

    actions = tuple(_MOVES)

    def __init__(
        self,
        size: int = 6,
        start: Cell = (0, 0),
        goal: Cell | None = None,
        key: Cell | None = None,
        walls: tuple[Cell, ...] = (),
        reward: float = 10.0,
    ) -> None:
        self.size, self.reward = size, reward
        self.start = _cell(start)
        self.goal = (size - 1, size - 1) if goal is None else _cell(goal)
        self.key = None if key is None else _cell(key)
        self.walls = frozenset(_cell(wall) for wall in walls)
        for name, cell in (("start", self.start), ("goal", self.goal), ("key", self.key)):
            if cell is not None and not self._free(cell):
                raise ValueError(f"Grid: {name} {cell} is a wall or off a board of size {size}")
        self.at, self.locked = self.start, False
        self.reset()

    @property
    def state_key(self) -> Hashable:
        """Position, goal and what is locked: all that the future depends on."""
        return ("grid", self.at, self.goal, self.key if self.locked else None)

    def states(self) -> list[Hashable]:
        """Every state: each free cell, with and without the key fetched."""
        cells = [(x, y) for y in range(self.size) for x in range(self.size)]
        keys = [None] if self.key is None else [None, self.key]
        return [("grid", c, self.goal, key) for c in cells if self._free(c) for key in keys]

    def reset(self) -> str:
        self.at = self.start
        self.locked = self.key is not None and self.key != self.start
        return self._observation()

    def step(self, action: str) -> Step:
        move = _MOVES.get(action.strip().lower())
        if move is None:
            return Step(self._observation(), 0.0, False, valid=False)
        target = (self.at[0] + move[0], self.at[1] + move[1])
        if self._free(target):
            self.at = target
        self.locked = self.locked and self.at != self.key
        done = self.at == self.goal and not self.locked
        return Step(self._observation(), self.reward if done else 0.0, done)

    def _free(self, cell: Cell) -> bool:
        return all(0 <= axis < self.size for axis in cell) and cell not in self.walls

    def _observation(self) -> str:
        aim, (x, y) = (self.key, self.key) if self.locked and self.key else (None, self.goal)
        return (
            f"You are at ({self.at[0]},{self.at[1]}). {'Key' if aim else 'Goal'} ({x},{y}).\nMove:"
        )


def _cell(value: Any) -> Cell:
    """A cell from a pair of numbers (data files hold lists)."""
    x, y = value
    return int(x), int(y)


TOY_TEXT: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "FrozenLake": ("left", "down", "right", "up"),
        "CliffWalking": ("up", "right", "down", "left"),
        "Taxi": ("south", "north", "east", "west", "pickup", "dropoff"),
    }
)
"""Action names of Gymnasium's worlds with numbered states and actions, in their order.

The names stand without version: actions have been the same in all of them."""


class ToyText:
    """A Gymnasium world with numbered states, as text.

    ``id`` is one of `TOY_TEXT` with its version, "FrozenLake-v1"; ``seed`` fixes start and
    chance, ``options`` go to ``gymnasium.make``. Every `reset` replays the same seed. An
    episode ends when the world terminates it or its own time limit does (``truncated``). Raises
    ValueError for an id without version or that the installed Gymnasium lacks, naming those it
    has.
    """

    def __init__(
        self, id: str = "FrozenLake-v1", seed: int = 0, options: Mapping[str, Any] | None = None
    ) -> None:
        import gymnasium

        self.name = id.rpartition("-v")[0]
        known = [i for i in gymnasium.registry if i.rpartition("-v")[0] in TOY_TEXT]
        if id not in known:
            raise ValueError(f"ToyText has no world {id!r}; it has {', '.join(sorted(known))}")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that a newer version exists: this one was asked for
            self.world = gymnasium.make(id, **dict(options or {}))
        self.id, self.seed, self.actions = id, seed, TOY_TEXT[self.name]
        self.state = 0
        self.reset()

    @property
    def state_key(self) -> Hashable:
        """The world's name and the number of its state."""
        return (self.id, self.state)

    def states(self) -> list[Hashable]:
        """Every state, by its number."""
        return [(self.id, state) for state in range(int(self.world.observation_space.n))]

    def reset(self) -> str:
        state, _ = self.world.reset(seed=self.seed)
        self.state = int(state)
        return self._observation()

    def step(self, action: str) -> Step:
        name = action.strip().lower()
        if name not in self.actions:
            return Step(self._observation(), 0.0, False, valid=False)
        state, reward, terminated, truncated, _ = self.world.step(self.actions.index(name))
        self.state = int(state)
        limit = bool(truncated and not terminated)
        done = bool(terminated) or limit
        return Step(self._observation(), float(reward), done, truncated=limit)

    def _observation(self) -> str:
        if self.name == "Taxi":
            row, column, passenger, goal = self.world.unwrapped.decode(self.state)
            return f"Taxi at ({column},{row}). Passenger {passenger}. Goal {goal}.\nMove:"
        width = self.world.unwrapped.shape[1] if self.name == "CliffWalking" else None
        columns = width or self.world.unwrapped.ncol
        last = int(self.world.observation_space.n) - 1
        y, x = divmod(self.state, columns)
        goal_y, goal_x = divmod(last, columns)
        return f"You are at ({x},{y}). Goal ({goal_x},{goal_y}).\nMove:"


ENVIRONMENTS: Mapping[str, Callable[..., Environment]] = MappingProxyType(
    {"grid": Grid, "toy-text": ToyText}
)


def make_environment(task: Task) -> Environment:
    """The world that the task's columns describe. Raises ValueError naming task and mend."""
    kind, settings = task.columns.get("environment"), task.columns.get("settings") or {}
    make = kind if callable(kind) else ENVIRONMENTS.get(str(kind))
    if make is None:
        raise ValueError(
            f"task {task.id!r} names the environment {kind!r}; use one of "
            f"{', '.join(ENVIRONMENTS)} or a callable that returns an environment"
        )
    try:
        made: Environment = make(**settings)
    except ImportError:
        raise
    except Exception as error:  # settings may be a data file's, and go to other packages
        raise ValueError(
            f"task {task.id!r}: settings {settings!r:.200} do not fit {kind!r:.60} "
            f"({type(error).__name__}: {error!s:.300})"
        ) from error
    return made
