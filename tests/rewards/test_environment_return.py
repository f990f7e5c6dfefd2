"""Turn rewards: summed, and placed where the policy last acted in each turn; the form of turns."""

import pytest
import torch
from completions import START, rollouts_of, task
from hypothesis import given
from hypothesis import strategies as st

from guerdon.rewards import EnvironmentReturn, WellFormedTurns


def test_each_turn_s_reward_falls_on_its_last_acted_position() -> None:
    mask = torch.tensor([[True, True, False, True, False], [True, False, False, False, False]])
    turn = torch.tensor([[0, 0, 0, 1, 1], [0, 0, 0, 0, 0]])
    rewards = torch.tensor([[1.0, 10.0], [-1.0, 0.0]])
    rollouts = rollouts_of(["", ""], task(), mask=mask, turn=turn, turn_rewards=rewards)
    scores = EnvironmentReturn()(rollouts, START)
    assert scores.value.tolist() == [11, -1]
    assert scores.placed is not None
    assert scores.placed.tolist() == [[0, 1, 0, 10, 0], [-1, 0, 0, 0, 0]]


def test_a_turn_without_action_counts_at_the_action_before_else_at_the_first() -> None:
    mask = torch.tensor([[False, True, False, True]])
    turn = torch.tensor([[0, 1, 2, 3]])
    rewards = torch.tensor([[1.0, 2.0, 4.0, 8.0]])
    rollouts = rollouts_of([""], task(), mask=mask, turn=turn, turn_rewards=rewards)
    placed = EnvironmentReturn()(rollouts, START).placed
    assert placed is not None
    assert placed.tolist() == [[0, 7, 0, 8]]


def test_rows_without_action_or_with_infinite_rewards_are_invalid_and_place_nothing() -> None:
    mask = torch.tensor([[False, False], [True, True]])
    rewards = torch.tensor([[1.0], [float("inf")]])
    rollouts = rollouts_of(["", ""], task(), mask=mask, turn_rewards=rewards)
    scores = EnvironmentReturn()(rollouts, START)
    assert not scores.valid.any()
    assert scores.placed is not None
    assert scores.placed.tolist() == [[0, 0], [0, 0]]
    assert "no acted position" in (scores.reasons[0] or "")


def test_rollouts_without_an_environment_are_refused() -> None:
    with pytest.raises(ValueError, match="no turn_rewards"):
        EnvironmentReturn()(rollouts_of([""], task()), START)
    with pytest.raises(ValueError, match="no turn index"):
        EnvironmentReturn()(rollouts_of([""], task(), turn_rewards=torch.ones(1, 2)), START)


@given(st.integers(0, 2**31), st.integers(1, 4), st.integers(1, 9), st.integers(1, 4))
def test_what_is_placed_sums_to_the_value(seed: int, n: int, t: int, k: int) -> None:
    draw = torch.Generator().manual_seed(seed)
    mask = torch.rand(n, t, generator=draw) < 0.6
    turn = torch.randint(0, k, (n, t), generator=draw).sort(1).values
    rewards = torch.randint(-3, 4, (n, k), generator=draw).float()
    rollouts = rollouts_of([""] * n, task(), mask=mask, turn=turn, turn_rewards=rewards)
    scores = EnvironmentReturn()(rollouts, START)
    assert scores.placed is not None
    assert torch.equal(scores.placed.sum(1)[scores.valid], scores.value[scores.valid])
    assert (scores.placed[~mask] == 0).all()


def test_the_form_of_an_episode_is_twice_the_share_less_one() -> None:
    """5 of 5 turns, 3 of 4, none of 2, a row without any, and one whose world failed at its end."""
    nan = float("nan")
    valid = [
        [1.0, 1.0, 1.0, 1.0, 1.0],
        [1.0, 0.0, 1.0, 1.0, nan],
        [0.0, 0.0, nan, nan, nan],
        [nan] * 5,
        [1.0, nan, nan, nan, nan],
    ]
    rollouts = rollouts_of([""] * 5, task(), signals={"valid": torch.tensor(valid)})
    scores = WellFormedTurns()(rollouts, START)
    assert scores.value[[0, 1, 2, 4]].tolist() == [1, 0.5, -1, 1]
    assert scores.valid.tolist() == [True, True, True, False, True]
    assert scores.reasons[3] == "no turn is known"
    with pytest.raises(ValueError, match=r"reads the signal 'form', and these rollouts have valid"):
        WellFormedTurns("form")(rollouts, START)
    with pytest.raises(ValueError, match="have none; use it with tasks that are played"):
        WellFormedTurns()(rollouts_of([""], task()), START)
