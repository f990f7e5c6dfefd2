"""A Markov decision process as a table.

Shape letters of this package: ``S`` states, ``A`` actions. A reward is a table: ``[S, A]``, or
``[S, A, S]`` where it depends on the state that follows.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import sparse

Floats = NDArray[np.float64]

_ROUNDING = 1e-9


@dataclass(frozen=True, eq=False)
class MDP:
    """States, actions, transitions, a discount and where episodes begin; no reward.

    Attributes:
        transitions: sparse float64[S * A, S]: row ``s * A + a`` holds the probabilities of the
            states that follow action ``a`` in state ``s``. A dense ``[S, A, S]`` is taken too.
        discount: in [0, 1). An episode's end is a state that leads to itself and pays nothing.
        start: float64[S], probabilities of the first state; uniform where not given.

    Raises ValueError where rows do not sum to 1, a probability is negative or not finite, or
    shapes disagree; the message names the state and the action.
    """

    transitions: Any
    discount: float
    start: Any = None

    def __post_init__(self) -> None:
        given = self.transitions
        if not sparse.issparse(given):
            dense = np.asarray(given, dtype=np.float64)
            if dense.ndim != 3 or dense.shape[0] != dense.shape[2]:
                raise ValueError(f"transitions are [S, A, S], not {list(dense.shape)}")
            given = dense.reshape(-1, dense.shape[2])
        rows = sparse.csr_array(given, dtype=np.float64)
        states = rows.shape[1]
        if states < 1 or rows.shape[0] == 0 or rows.shape[0] % states:
            raise ValueError(f"transitions are [S * A, S], not {list(rows.shape)}")
        object.__setattr__(self, "transitions", rows)
        self._check_rows()
        if not 0 <= self.discount < 1:
            raise ValueError(f"discount is {self.discount}; it must be at least 0 and below 1")
        start = np.full(states, 1 / states) if self.start is None else self.start
        start = np.asarray(start, dtype=np.float64)
        if start.shape != (states,) or not np.all(start >= 0):
            raise ValueError(f"start needs {states} probabilities, one for each state")
        if not abs(start.sum() - 1) < _ROUNDING:
            raise ValueError(f"start sums to {start.sum():g}, not to 1")
        object.__setattr__(self, "start", start)

    def _check_rows(self) -> None:
        sums = np.asarray(self.transitions.sum(axis=1)).ravel()
        least = np.asarray(self.transitions.min(axis=1).todense()).ravel()
        wrong = np.flatnonzero(~((np.abs(sums - 1) < _ROUNDING) & (least >= 0)))
        if len(wrong):
            state, action = divmod(int(wrong[0]), self.actions)
            raise ValueError(
                f"action {action} in state {state} has no probabilities: they must not be "
                f"negative and sum to 1 (here {sums[wrong[0]]:g})"
            )

    @property
    def states(self) -> int:
        """S."""
        return int(self.transitions.shape[1])

    @property
    def actions(self) -> int:
        """A."""
        return int(self.transitions.shape[0] // self.transitions.shape[1])

    @cached_property
    def dense(self) -> Floats:
        """The transitions as float64[S, A, S]."""
        return np.asarray(self.transitions.todense()).reshape(self.states, self.actions, -1)

    def following(self, value_S: ArrayLike) -> Floats:
        """float64[S, A]: the mean of a value of states, over the state that follows."""
        mean = self.transitions @ np.asarray(value_S, dtype=np.float64)
        return np.asarray(mean).reshape(self.states, self.actions)

    def reward(self, table: ArrayLike) -> Floats:
        """float64[S, A]: a reward's mean over the state that follows.

        ``table`` is ``[S, A]`` or ``[S, A, S]``. Entries of transitions that never happen are
        not read, but must be finite. Raises ValueError for other shapes.
        """
        reward = np.asarray(table, dtype=np.float64)
        if not np.isfinite(reward).all():
            raise ValueError("a reward table must be finite")
        if reward.shape == (self.states, self.actions):
            return reward
        if reward.shape != (self.states, self.actions, self.states):
            raise ValueError(
                f"a reward table of this process is [{self.states}, {self.actions}] or "
                f"[{self.states}, {self.actions}, {self.states}], not {list(reward.shape)}"
            )
        paid = self.transitions.multiply(reward.reshape(-1, self.states))
        return np.asarray(paid.sum(axis=1)).reshape(self.states, self.actions)

    def policy(self, table: ArrayLike) -> Floats:
        """A policy float64[S, A], checked: rows of probabilities. Raises ValueError."""
        policy = np.asarray(table, dtype=np.float64)
        if policy.shape != (self.states, self.actions):
            raise ValueError(
                f"a policy of this process is [{self.states}, {self.actions}], not "
                f"{list(policy.shape)}"
            )
        if not (np.all(policy >= 0) and np.allclose(policy.sum(1), 1, atol=_ROUNDING)):
            raise ValueError("a policy's rows must be probabilities that sum to 1")
        return policy
