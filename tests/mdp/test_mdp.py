"""Exact answers against numbers worked by hand, identities and Gymnasium's own tables."""

from __future__ import annotations

import gymnasium
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from guerdon.evaluation.reward_distance.canonical import shaped
from guerdon.mdp import (
    MDP,
    evaluate,
    from_gymnasium,
    is_trivial,
    occupancy,
    optimal,
    q_values,
    random_mdp,
    regret,
    uniform,
    value,
)


def bandit(discount: float = 0.5) -> MDP:
    """One state, two actions."""
    return MDP(np.ones((1, 2, 1)), discount)


def chain() -> MDP:
    """State 0: action 0 stays, action 1 goes to 1 with probability .8; 1 is the end."""
    paths = np.zeros((2, 2, 2))
    paths[0, 0, 0] = 1
    paths[0, 1] = (0.2, 0.8)
    paths[1, :, 1] = 1
    return MDP(paths, 0.9, [1.0, 0.0])


def test_values_of_one_state_by_hand():
    mdp = bandit()
    assert evaluate(mdp, uniform(mdp), [[1.0, 0.0]]).tolist() == [1.0]
    best = optimal(mdp, [[1.0, 0.0]])
    assert best.values.tolist() == [2.0]
    assert best.q.tolist() == [[2.0, 1.0]]
    assert best.policy.tolist() == [[1.0, 0.0]]


def test_a_reward_of_what_follows_is_averaged_by_hand():
    mdp = chain()
    table = np.zeros((2, 2, 2))
    table[0, 1, 1] = 10.0
    table[1, 0, 0] = 1e6  # impossible: never read
    assert mdp.reward(table).tolist() == [[0.0, 8.0], [0.0, 0.0]]
    # V(0) = 8 + .9 * .2 V(0)
    assert optimal(mdp, table).values[0] == pytest.approx(8 / 0.82)
    assert value(mdp, [[0.0, 1.0], [0.5, 0.5]], table) == pytest.approx(8 / 0.82)


def test_ties_are_kept_at_any_scale():
    mdp = bandit()
    for scale in (1e-12, 1.0, 1e12):
        assert optimal(mdp, [[scale, scale]]).policy.tolist() == [[0.5, 0.5]]
    assert optimal(mdp, [[0.0, 0.0]]).policy.tolist() == [[0.5, 0.5]]
    assert optimal(mdp, [[1.0, 1.0 + 1e-6]]).policy.tolist() == [[0.0, 1.0]]


def test_regret_is_a_share_of_the_range():
    mdp = bandit()
    reward = [[1.0, 0.0]]
    assert regret(mdp, reward, [[1.0, 0.0]]) == 0.0
    assert regret(mdp, reward, [[0.0, 1.0]]) == 1.0
    assert regret(mdp, reward, [[0.75, 0.25]]) == pytest.approx(0.25)
    assert regret(mdp, [[3.0, 3.0]], [[0.0, 1.0]]) == 0.0


def test_a_reward_is_trivial_where_all_policies_are_equal():
    mdp = bandit()
    assert is_trivial(mdp, [[3.0, 3.0]])
    assert is_trivial(mdp, [[0.0, 0.0]])
    assert not is_trivial(mdp, [[3.0, 3.0 + 1e-6]])
    table = np.zeros((2, 2, 2))
    table[1, 0, 0] = 1e6  # impossible, so nobody earns it
    assert is_trivial(chain(), table)
    table[0, 1, 1] = 1e-6
    assert not is_trivial(chain(), table)
    rng = np.random.default_rng(0)
    process = random_mdp(8, 3, 0.95, rng)
    constant = np.full((8, 3, 8), 1e3)
    assert is_trivial(process, shaped(process, constant, 1e2 * rng.standard_normal(8)))


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 7), st.integers(1, 4), st.floats(0, 0.99))
def test_identities_hold_in_random_processes(seed, states, actions, discount):
    rng = np.random.default_rng(seed)
    mdp = random_mdp(states, actions, discount, rng, sparse_above=0.5)
    reward = rng.standard_normal((states, actions, states))
    policy = rng.dirichlet(np.ones(actions), size=states)
    visits = occupancy(mdp, policy)
    assert visits.sum() == pytest.approx(1 / (1 - discount))
    assert (visits * mdp.reward(reward)).sum() == pytest.approx(value(mdp, policy, reward))
    values = evaluate(mdp, policy, reward)
    assert (policy * q_values(mdp, values, reward)).sum(1) == pytest.approx(values)
    best = optimal(mdp, reward)
    assert best.q.max(1) == pytest.approx(best.values)
    assert np.all(best.values >= values - 1e-9)
    assert regret(mdp, reward, best.policy) == pytest.approx(0, abs=1e-9)
    assert 0 <= regret(mdp, reward, policy) <= 1


def test_frozen_lake_agrees_with_value_iteration_on_its_own_table():
    world = gymnasium.make("FrozenLake-v1", map_name="4x4", is_slippery=True)
    mdp, reward = from_gymnasium(world, 0.99)
    assert (mdp.states, mdp.actions) == (17, 4)
    table = world.unwrapped.P
    values = np.zeros(16)
    for _ in range(5000):
        values = np.array(
            [
                max(
                    sum(p * (r + 0.99 * values[to] * (not done)) for p, to, r, done in table[s][a])
                    for a in range(4)
                )
                for s in range(16)
            ]
        )
    assert optimal(mdp, reward).values[:16] == pytest.approx(values, abs=1e-9)
    assert optimal(mdp, reward).values[16] == pytest.approx(0, abs=1e-12)


def test_what_is_no_process_is_refused_by_name():
    with pytest.raises(ValueError, match="action 1 in state 0"):
        MDP(np.array([[[1.0], [0.5]]]), 0.5)
    with pytest.raises(ValueError, match="discount is 1"):
        bandit(1.0)
    with pytest.raises(ValueError, match=r"\[S, A, S\]"):
        MDP(np.ones((2, 2)), 0.5)
    with pytest.raises(ValueError, match="start sums"):
        MDP(np.ones((1, 1, 1)), 0.5, [0.5])
    with pytest.raises(ValueError, match="negative"):
        MDP(np.array([[[1.5, -0.5]], [[0.0, 1.0]]]), 0.5)
    with pytest.raises(ValueError, match="finite"):
        bandit().reward([[np.nan, 0.0]])
    with pytest.raises(ValueError, match="reward table"):
        bandit().reward([1.0, 2.0])
    with pytest.raises(ValueError, match="sum to 1"):
        evaluate(bandit(), [[0.5, 0.4]], [[1.0, 0.0]])
    with pytest.raises(ValueError, match="no table"):
        from_gymnasium(gymnasium.make("CartPole-v1"), 0.9)
