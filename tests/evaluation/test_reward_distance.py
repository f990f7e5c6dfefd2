"""STARC: the specification's numbers, its invariances, and what its relatives do not remove."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from guerdon.evaluation.reward_distance import (
    CANONICAL,
    MinimalPotential,
    MinimalReward,
    Norm,
    StandardisedDistance,
    ValueLevelled,
    WeightedNorm,
    pearson_distance,
)
from guerdon.evaluation.reward_distance.canonical import full, shaped
from guerdon.mdp import MDP, optimal, random_mdp, regret

BANDIT = MDP(np.ones((1, 2, 1)), 0.5)
REMOVES_ALL = ("val", "minimal")
REMOVES_SHAPING = ("epic", "dard", "val-potential", "minimal-potential")


def process(seed: int, states: int = 6, actions: int = 3) -> tuple[MDP, np.random.Generator]:
    rng = np.random.default_rng(seed)
    return random_mdp(states, actions, 0.9, rng, sparse_above=0.3), rng


def redistributed(mdp: MDP, reward, rng: np.random.Generator, strength: float = 5.0):
    """The same mean after every action, spread otherwise over the states that follow."""
    change = strength * rng.standard_normal(reward.shape)
    return reward + change - mdp.reward(change)[:, :, None]


def test_one_state_by_hand():
    level = ValueLevelled()(BANDIT, [[1.0, 0.0]])
    assert level[:, :, 0].tolist() == [[0.5, -0.5]]
    assert Norm()(BANDIT, level) == pytest.approx(0.5**0.5)
    distance = StandardisedDistance()
    assert distance.standardised(BANDIT, [[1.0, 0.0]]).ravel() == pytest.approx(
        [0.5**0.5, -(0.5**0.5)]
    )
    assert distance(BANDIT, [[1.0, 0.0]], [[0.0, 1.0]]) == pytest.approx(2.0)
    assert not distance.standardised(BANDIT, [[3.0, 3.0]]).any()
    assert distance(BANDIT, [[1.0, 0.0]], [[3.0, 3.0]]) == pytest.approx(1.0)
    assert distance(BANDIT, [[3.0, 3.0]], [[0.0, 0.0]]) == 0.0


@pytest.mark.parametrize("name", [*REMOVES_ALL, *REMOVES_SHAPING])
@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10_000), st.floats(1e-3, 1e3), st.floats(0, 100))
def test_scale_and_shaping_are_removed(name, seed, scale, strength):
    mdp, rng = process(seed)
    reward = rng.standard_normal((6, 3, 6))
    other = shaped(mdp, scale * reward, strength * scale * rng.standard_normal(6))
    distance = StandardisedDistance(CANONICAL[name])
    assert distance(mdp, reward, other) < 1e-9
    assert distance(mdp, reward, -reward) == pytest.approx(2.0)


@pytest.mark.parametrize("name", [*REMOVES_ALL, *REMOVES_SHAPING])
def test_redistribution_is_removed_by_some(name):
    mdp, rng = process(3)
    reward = rng.standard_normal((6, 3, 6))
    other = redistributed(mdp, reward, rng)
    assert regret(mdp, reward, optimal(mdp, other).policy) == pytest.approx(0, abs=1e-9)
    found = StandardisedDistance(CANONICAL[name])(mdp, reward, other)
    assert (found < 1e-9) if name in REMOVES_ALL else (found > 0.3)


@pytest.mark.parametrize("name", sorted(CANONICAL))
@settings(max_examples=15, deadline=None)
@given(st.integers(0, 10_000), st.floats(-3, 3), st.floats(-3, 3))
def test_canonicalisations_are_linear_and_idempotent(name, seed, a, b):
    mdp, rng = process(seed)
    first, second = rng.standard_normal((2, 6, 3, 6))
    canonical = CANONICAL[name]
    joined = canonical(mdp, a * first + b * second)
    assert joined == pytest.approx(a * canonical(mdp, first) + b * canonical(mdp, second), abs=1e-8)
    once = canonical(mdp, first)
    if name != "dard":  # its means follow the transitions, and go on changing
        assert canonical(mdp, once) == pytest.approx(once, abs=1e-8)


def test_val_is_an_advantage():
    mdp, rng = process(1)
    level = ValueLevelled()(mdp, rng.standard_normal((6, 3, 6)))
    assert level.mean(axis=1) == pytest.approx(0, abs=1e-12)
    assert np.ptp(level, axis=2) == pytest.approx(0)


def test_the_angle_and_the_distance_agree():
    mdp, _ = process(2)
    # Two tables at cosine ½, already canonical for `Plain`.
    first, second = np.zeros((6, 3, 6)), np.zeros((6, 3, 6))
    first[0, 0, 0], second[0, 0, 0], second[0, 0, 1] = 1.0, 0.5, 0.75**0.5
    assert StandardisedDistance(CANONICAL["none"])(mdp, first, second) == pytest.approx(1.0)


@pytest.mark.parametrize("p", [1.0, 2.0, np.inf])
def test_weighted_norms_do_not_see_what_never_happens(p):
    mdp, rng = process(4)
    state, action, to = np.argwhere(mdp.dense == 0)[0]
    reward = rng.standard_normal((6, 3, 6))
    other = reward.copy()
    other[state, action, to] += 1e9
    none = CANONICAL["none"]
    assert StandardisedDistance(none, WeightedNorm(p))(mdp, reward, other) == pytest.approx(0)
    assert StandardisedDistance(none, Norm(p))(mdp, reward, other) > 0.5


def test_norms_by_hand_and_at_the_ends_of_floats():
    mdp = MDP(np.array([[[0.25, 0.75]], [[1.0, 0.0]]]), 0.5)
    table = np.array([[[4.0, -2.0]], [[1.0, 9.0]]])
    assert WeightedNorm(1)(mdp, table) == pytest.approx(0.25 * 4 + 0.75 * 2 + 1)
    assert WeightedNorm(2)(mdp, table) == pytest.approx((0.25 * 16 + 0.75 * 4 + 1) ** 0.5)
    assert WeightedNorm(np.inf)(mdp, table) == 4.0
    assert Norm(1)(mdp, table) == 16.0
    assert Norm(np.inf)(mdp, table) == 9.0
    assert Norm(2)(mdp, table * 1e300) == pytest.approx(Norm(2)(mdp, table) * 1e300)
    assert Norm(2)(mdp, table * 0) == 0.0
    with pytest.raises(ValueError, match=r"Norm\.p is 0\.5"):
        Norm(0.5)


@settings(max_examples=100, deadline=None)
@given(st.integers(0, 100_000), st.sampled_from(sorted(CANONICAL)))
def test_the_triangle_inequality(seed, name):
    mdp, rng = process(seed, states=4, actions=2)
    a, b, c = rng.standard_normal((3, 4, 2, 4))
    distance = StandardisedDistance(CANONICAL[name])
    assert distance(mdp, a, c) <= distance(mdp, a, b) + distance(mdp, b, c) + 1e-9


@pytest.mark.parametrize("kind", [MinimalReward, MinimalPotential])
@pytest.mark.parametrize("weighted", [False, True])
def test_minimal_is_minimal(kind, weighted):
    mdp, rng = process(5)
    reward = rng.standard_normal((6, 3, 6))
    norm = WeightedNorm() if weighted else Norm()
    least = norm(mdp, kind(weighted)(mdp, reward))
    for _ in range(50):
        other = shaped(mdp, reward, rng.standard_normal(6))
        if kind is MinimalReward:
            other = redistributed(mdp, other, rng, 0.3)
        assert norm(mdp, other) >= least - 1e-9
    # It is one of those it stands for: the same order of policies, so no regret.
    found = StandardisedDistance()(mdp, reward, kind(weighted)(mdp, reward))
    assert found < 1e-9


def test_distances_between_several_are_the_pairs():
    mdp, rng = process(6)
    rewards = [full(mdp, rng.standard_normal((6, 3))) for _ in range(3)]
    distance = StandardisedDistance()
    table = distance.between(mdp, rewards)
    assert table[0, 2] == table[2, 0] == distance(mdp, rewards[0], rewards[2])
    assert np.diag(table).tolist() == [0, 0, 0]


def test_pearson_distance_is_epics():
    rng = np.random.default_rng(0)
    first, second = rng.standard_normal((2, 4, 3, 4))
    rho = np.corrcoef(first.ravel(), second.ravel())[0, 1]
    assert pearson_distance(first, second) == pytest.approx(((1 - rho) / 2) ** 0.5)
    assert pearson_distance(first, 3 * first + 7) == pytest.approx(0, abs=1e-12)
    assert pearson_distance(first, -first) == pytest.approx(1.0)
    assert pearson_distance(first, np.full_like(first, 2.0)) == pytest.approx(0.5)
    assert pearson_distance(np.zeros_like(first), np.full_like(first, 2.0)) == 0.0
