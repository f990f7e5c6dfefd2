"""Canonicalisations: each takes a reward table to a representative of those that it counts as one.

Two rewards order all policies alike if and only if they differ by potential shaping
``γΦ(s') - Φ(s)``, by redistribution over the states that follow an action (any change whose mean
under the transitions is 0), and by a positive scale (STARC, 2309.15257). Only `ValueLevelled` and
`MinimalReward` remove all of it; the others remove shaping alone.

Each is called with a process and a reward ``[S, A]`` or ``[S, A, S]``, and returns
float64[S, A, S]. All are linear.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from guerdon.mdp import MDP, evaluate, uniform
from guerdon.mdp.process import Floats


def full(mdp: MDP, reward: ArrayLike) -> Floats:
    """A reward as float64[S, A, S]; checked by `MDP.reward`."""
    mdp.reward(reward)
    table = np.asarray(reward, dtype=np.float64)
    if table.ndim == 2:
        table = np.broadcast_to(table[:, :, None], (*table.shape, mdp.states))
    return table


@dataclass(frozen=True)
class Plain:
    """The reward as it is."""

    def __call__(self, mdp: MDP, reward: ArrayLike) -> Floats:
        return full(mdp, reward)


@dataclass(frozen=True)
class ValueLevelled:
    """VAL: ``E[R(s, a, S') + γV(S') - V(s)]``, the advantage of the uniform policy.

    The same for every state that follows. Zero where all policies are equal.
    """

    def __call__(self, mdp: MDP, reward: ArrayLike) -> Floats:
        value_S = evaluate(mdp, uniform(mdp), reward)
        level_SA = mdp.reward(reward) + mdp.discount * mdp.following(value_S) - value_S[:, None]
        return full(mdp, level_SA)


@dataclass(frozen=True)
class ValuePotential:
    """``R(s, a, s') + γV(s') - V(s)`` with V of the uniform policy: removes shaping alone."""

    def __call__(self, mdp: MDP, reward: ArrayLike) -> Floats:
        return shaped(mdp, reward, evaluate(mdp, uniform(mdp), reward))


@dataclass(frozen=True)
class Epic:
    """EPIC (Gleave et al. 2020): means over states and actions drawn without the transitions.

    ``R + γE[R(s', A, S')] - E[R(s, A, S')] - γE[R(S, A, S')]`` with S, S' and A uniform.
    """

    def __call__(self, mdp: MDP, reward: ArrayLike) -> Floats:
        table_SAS = full(mdp, reward)
        mean_S = table_SAS.mean(axis=(1, 2))
        return shaped(mdp, table_SAS - mdp.discount * mean_S.mean(), mean_S)


@dataclass(frozen=True)
class Dard:
    """DARD (Wulfe et al. 2022): as EPIC, with the states that follow drawn by the transitions.

    ``R + E[γR(s', A, S'') - R(s, A, S') - γR(S', A, S'')]`` with one uniform A, S' after (s, A)
    and S'' after (s', A).
    """

    def __call__(self, mdp: MDP, reward: ArrayLike) -> Floats:
        table_SAS = full(mdp, reward)
        mean_S = mdp.reward(table_SAS).mean(axis=1)  # E[R(s, A, S')]
        paths_ASS, table_ASS = mdp.dense.swapaxes(0, 1), table_SAS.swapaxes(0, 1)
        # For each action [s, s']: S' drawn after s, S'' after s'.
        last_SS = (paths_ASS @ table_ASS @ paths_ASS.swapaxes(1, 2)).mean(axis=0)
        return shaped(mdp, table_SAS - mdp.discount * last_SS[:, None, :], mean_S)


@dataclass(frozen=True)
class MinimalPotential:
    """The shaped reward of the least norm: ``R + γΦ(s') - Φ(s)`` by least squares over Φ.

    ``weighted`` weighs entries by the probability of their transition.
    """

    weighted: bool = False

    def __call__(self, mdp: MDP, reward: ArrayLike) -> Floats:
        states, actions = mdp.states, mdp.actions
        table_SAS = full(mdp, reward)
        weight = mdp.dense if self.weighted else np.ones_like(table_SAS)
        # A row per (s, a, s'): what one unit of each potential adds.
        adds = mdp.discount * np.tile(np.eye(states), (states * actions, 1))
        adds -= np.repeat(np.eye(states), actions * states, axis=0)
        root = np.sqrt(weight).reshape(-1)
        potential = _least(adds * root[:, None], -table_SAS.reshape(-1) * root)
        return shaped(mdp, table_SAS, potential)


@dataclass(frozen=True)
class MinimalReward:
    """The reward of the least norm that orders all policies alike.

    For a mean ``r(s, a)`` the table with the least L2 norm is ``r τ / |τ|²``, of norm ``|r| / |τ|``
    (``weighted``: ``r`` everywhere, of norm ``|r|``, which is one of several: entries of impossible
    transitions weigh nothing). Potentials are then least squares over ``r + γE[Φ(s')] - Φ(s)``.
    """

    weighted: bool = False

    def __call__(self, mdp: MDP, reward: ArrayLike) -> Floats:
        states, actions = mdp.states, mdp.actions
        paths_SAS = mdp.dense
        square_SA = np.ones((states, actions)) if self.weighted else (paths_SAS**2).sum(2)
        adds = mdp.discount * paths_SAS.reshape(-1, states)
        adds -= np.repeat(np.eye(states), actions, axis=0)
        reward_SA = mdp.reward(reward)
        root = 1 / np.sqrt(square_SA).reshape(-1)
        potential = _least(adds * root[:, None], -reward_SA.reshape(-1) * root)
        level_SA = reward_SA + (adds @ potential).reshape(states, actions)
        if self.weighted:
            return full(mdp, level_SA)
        return (level_SA / square_SA)[:, :, None] * paths_SAS


def shaped(mdp: MDP, reward: ArrayLike, potential: ArrayLike) -> Floats:
    """``R + γΦ(s') - Φ(s)`` float64[S, A, S], with ``potential`` float64[S]."""
    potential_S = np.asarray(potential, dtype=np.float64)
    table_SAS: Floats = full(mdp, reward) + mdp.discount * potential_S[None, None, :]
    return table_SAS - potential_S[:, None, None]


def _least(matrix: Floats, right: Floats) -> Floats:
    return np.asarray(np.linalg.lstsq(matrix, right, rcond=None)[0], dtype=np.float64)
