"""Values, optimal policies, occupancies and regrets, by linear solves and without sampling."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy import sparse
from scipy.sparse.linalg import spsolve

from guerdon.mdp.process import MDP, Floats


def uniform(mdp: MDP) -> Floats:
    """float64[S, A]: every action equally likely."""
    return np.full((mdp.states, mdp.actions), 1 / mdp.actions)


def evaluate(mdp: MDP, policy: ArrayLike, reward: ArrayLike) -> Floats:
    """float64[S]: the values V of a policy ``[S, A]`` under a reward ``[S, A]`` or ``[S, A, S]``.

    One sparse solve of ``(I - γ P_π) V = r_π``.
    """
    policy_SA = mdp.policy(policy)
    reward_S = (policy_SA * mdp.reward(reward)).sum(1)
    return _solve(_under(mdp, policy_SA), mdp.discount, reward_S)


def q_values(mdp: MDP, value_S: ArrayLike, reward: ArrayLike) -> Floats:
    """float64[S, A]: ``r(s, a) + γ E[V(s')]``."""
    return mdp.reward(reward) + mdp.discount * mdp.following(value_S)


def value(mdp: MDP, policy: ArrayLike, reward: ArrayLike) -> float:
    """J: a policy's expected discounted return from the start."""
    return float(mdp.start @ evaluate(mdp, policy, reward))


def occupancy(mdp: MDP, policy: ArrayLike) -> Floats:
    """float64[S, A]: expected discounted visits; they sum to ``1 / (1 - γ)``.

    ``(occupancy * r).sum()`` is `value`.
    """
    policy_SA = mdp.policy(policy)
    visits_S = _solve(_under(mdp, policy_SA).T, mdp.discount, mdp.start)
    return visits_S[:, None] * policy_SA


@dataclass(frozen=True, eq=False)
class Optimum:
    """``values`` float64[S], ``q`` float64[S, A], and ``policy`` float64[S, A].

    The policy is uniform over all actions that are best within ``tolerance``: ties are kept.
    """

    values: Floats
    q: Floats
    policy: Floats


def optimal(mdp: MDP, reward: ArrayLike, tolerance: float = 1e-9) -> Optimum:
    """The optimum by policy iteration; exact but for rounding.

    Actions tie where their Q-values differ by at most ``tolerance`` times the largest absolute
    Q-value (rewards of any scale tie alike; a reward that is 0 everywhere ties all actions).
    """
    reward_SA = mdp.reward(reward)
    greedy_S = reward_SA.argmax(1)
    rows = np.arange(mdp.states)
    while True:
        policy = np.zeros((mdp.states, mdp.actions))
        policy[rows, greedy_S] = 1.0
        values_S = evaluate(mdp, policy, reward_SA)
        q_SA = q_values(mdp, values_S, reward_SA)
        best_S, slack = q_SA.max(1), tolerance * np.abs(q_SA).max()
        better_S = best_S > q_SA[rows, greedy_S] + slack
        if not better_S.any():
            tied_SA = (q_SA >= best_S[:, None] - slack).astype(np.float64)
            return Optimum(values_S, q_SA, tied_SA / tied_SA.sum(1, keepdims=True))
        greedy_S = np.where(better_S, q_SA.argmax(1), greedy_S)


def is_trivial(mdp: MDP, reward: ArrayLike) -> bool:
    """Whether all policies are equal, but for rounding: no regret is defined then."""
    return _range(mdp, mdp.reward(reward))[1] == 0


def regret(mdp: MDP, reward: ArrayLike, policy: ArrayLike) -> float:
    """``(max J - J(π)) / (max J - min J)`` in [0, 1]; 0 where all policies are equal."""
    reward_SA = mdp.reward(reward)
    best, span = _range(mdp, reward_SA)
    if span == 0:
        return 0.0
    return min(1.0, max(0.0, (best - value(mdp, policy, reward_SA)) / span))


def _range(mdp: MDP, reward_SA: Floats) -> tuple[float, float]:
    """max J, and ``max J - min J``: 0 where that is rounding."""
    best = float(mdp.start @ optimal(mdp, reward_SA).values)
    worst = -float(mdp.start @ optimal(mdp, -reward_SA).values)
    span = best - worst
    return best, 0.0 if span <= 1e-12 * max(abs(best), abs(worst)) else span


def _under(mdp: MDP, policy_SA: Floats) -> sparse.csr_array:
    """The transitions float64[S, S] under a policy."""
    states, actions = policy_SA.shape
    places = (np.repeat(np.arange(states), actions), np.arange(states * actions))
    weights = sparse.csr_array((policy_SA.ravel(), places), shape=(states, states * actions))
    return weights @ mdp.transitions


def _solve(matrix: sparse.csr_array, discount: float, right_S: Floats) -> Floats:
    """x of ``(I - discount * matrix) x = right``."""
    system = sparse.eye_array(matrix.shape[0], format="csc") - discount * matrix.tocsc()
    return np.atleast_1d(spsolve(system, right_S))
