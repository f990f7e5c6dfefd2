"""Processes to study: drawn at random, or read from Gymnasium's worlds with numbered states."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy import sparse, special

from guerdon.mdp.process import MDP, Floats


def random_mdp(
    states: int,
    actions: int,
    discount: float,
    rng: np.random.Generator,
    sparse_above: float | None = None,
) -> MDP:
    """Transitions that are a softmax of standard normal logits; a uniform start.

    With ``sparse_above`` only logits above it lead anywhere (a row without any leads everywhere,
    as without the threshold). Source: STARC (2309.15257), random MDPs.
    """
    logits = rng.standard_normal((states, actions, states))
    if sparse_above is not None:
        kept = logits > sparse_above
        kept |= ~kept.any(2, keepdims=True)
        logits = np.where(kept, logits, -np.inf)
    return MDP(special.softmax(logits, axis=2), discount)


def from_gymnasium(world: Any, discount: float) -> tuple[MDP, Floats]:
    """A world with a table ``P`` (FrozenLake, Taxi, CliffWalking) and its reward float64[S, A, S].

    Its end is one state more, the last: every transition that ends an episode leads there, pays
    what it paid, and from there nothing is paid. Where several outcomes of an action lead to
    the same state, the reward is their mean by probability. Episodes begin as the world begins
    them (``initial_state_distrib``). Raises ValueError for a world without such a table.
    """
    table = getattr(world.unwrapped, "P", None)
    if not isinstance(table, dict):
        raise ValueError(f"{world} has no table of transitions (P): only toy-text worlds have")
    states, actions = len(table) + 1, len(table[0])
    end = states - 1
    paths: Floats = np.zeros((states, actions, states))
    paid: Floats = np.zeros((states, actions, states))
    for state, choices in table.items():
        for action, outcomes in choices.items():
            for chance, following, reward, ended in outcomes:
                to = end if ended else following
                paths[state, action, to] += chance
                paid[state, action, to] += chance * reward
    paths[end, :, end] = 1.0
    reward = np.divide(paid, paths, out=np.zeros_like(paid), where=paths > 0)
    start = np.append(np.asarray(world.unwrapped.initial_state_distrib, dtype=np.float64), 0.0)
    return MDP(sparse.csr_array(paths.reshape(-1, states)), discount, start), reward
