"""Return-to-go, whitening and GAE against numbers worked by hand."""

import pytest
import torch
from making import make_rollouts, make_scores

from guerdon.advantages import (
    GAE,
    GroupNormalised,
    ReinforcePlusPlus,
    ReinforcePlusPlusBaseline,
    ReturnToGo,
    whiten,
)
from guerdon.records import Ending, Experience


def test_reinforce_plus_plus():
    """Lengths 2 and 1, rewards 1 and 0 (_baselines.md)."""
    rollouts = make_rollouts([0, 1], [2, 1])
    made = ReinforcePlusPlus()(Experience(rollouts, make_scores([1.0, 0.0])))
    assert made.flatten().tolist() == pytest.approx([0.5774, 0.5774, -1.1547, 0.0], abs=1e-4)


def test_reinforce_plus_plus_baseline():
    """Rewards (1,0,0,0), one token each: 1.5 and -.5 (_baselines.md)."""
    made = ReinforcePlusPlusBaseline()(
        Experience(make_rollouts([0] * 4), make_scores([1.0, 0, 0, 0]))
    )
    assert made.flatten().tolist() == pytest.approx([1.5, -0.5, -0.5, -0.5], abs=1e-4)


def test_gae():
    """r (0,0,1), V (.5,.4,.6), lam .95 (_baselines.md)."""
    rollouts = make_rollouts([0], [3], values=torch.tensor([[0.5, 0.4, 0.6]]))
    gae = GAE(1.0, 0.95, whitened=False)
    scores = make_scores([1.0])
    assert gae(Experience(rollouts, scores))[0].tolist() == pytest.approx(
        [0.451, 0.58, 0.4], abs=1e-5
    )
    assert gae.returns(Experience(rollouts, scores))[0].tolist() == pytest.approx(
        [0.951, 0.98, 1.0], abs=1e-5
    )


def test_gae_passes_over_observations():
    plain = make_rollouts([0], [2], values=torch.tensor([[0.5, 0.6]]))
    holed = make_rollouts([0], mask=[[1, 0, 1]], values=torch.tensor([[0.5, 9.0, 0.6]]))
    gae = GAE(0.9, 0.8, whitened=False)
    expected = gae(Experience(plain, make_scores([1.0])))[0].tolist()
    assert gae(Experience(holed, make_scores([1.0])))[0].tolist() == pytest.approx(
        [expected[0], 0, expected[1]]
    )


def test_gae_credits_a_reward_on_an_observation_to_the_action_before_it():
    rollouts = make_rollouts([0], mask=[[1, 0, 1]], values=torch.zeros(1, 3))
    on_observation = make_scores([1.0], placed=torch.tensor([[0.0, 1.0, 0.0]]))
    on_action = make_scores([1.0], placed=torch.tensor([[1.0, 0.0, 0.0]]))
    gae = GAE(0.9, 0.8, whitened=False)
    assert torch.equal(
        gae(Experience(rollouts, on_observation)), gae(Experience(rollouts, on_action))
    )


def test_what_a_limit_cut_off_is_worth_its_final_value():
    """Two acts, reward 1, V (2, 3) and 4 after: delta (.5 * 3 - 2, 1 + .5 * 4 - 3) = (-.5, 0)."""
    rows = make_rollouts(
        [0] * 3,
        mask=[[1, 0, 1, 0]] * 3,
        values=torch.tensor([[2.0, 9.0, 3.0, 9.0]]).expand(3, 4),
        endings=(Ending.TURN_LIMIT, Ending.FINISHED, Ending.TOKEN_LIMIT),
        final_values=torch.tensor([4.0, 4.0, float("nan")]),
    )
    made = GAE(0.5, 0.5, whitened=False)(Experience(rows, make_scores([1.0] * 3)))
    assert made[0].tolist() == pytest.approx([-0.5, 0, 0, 0])
    assert made[1].tolist() == made[2].tolist() == pytest.approx([-1, 0, -2, 0])
    to_go = ReturnToGo(0.5)(Experience(rows, make_scores([1.0] * 3)))
    assert to_go.tolist() == [[1.5, 0, 3, 0], [0.5, 0, 1, 0], [0.5, 0, 1, 0]]


def test_return_to_go_discounts_per_action():
    rollouts = make_rollouts([0], mask=[[1, 0, 1]])
    made = ReturnToGo(0.5)(Experience(rollouts, make_scores([8.0])))
    assert made[0].tolist() == [4.0, 0.0, 8.0]


def test_gae_without_values_says_what_to_set():
    with pytest.raises(ValueError, match="value_head"):
        GAE()(Experience(make_rollouts([0]), make_scores([1.0])))


def test_whitening_fewer_than_two_entries_gives_zero():
    four, all_four = torch.tensor([[1.0, 2.0, 3.0, 4.0]]), torch.ones(1, 4).bool()
    assert whiten(four, all_four, unbiased=False)[0].tolist() == pytest.approx(
        [-1.3416, -0.4472, 0.4472, 1.3416], abs=1e-4
    )
    assert whiten(torch.tensor([[5.0]]), torch.tensor([[True]])).item() == 0.0


def test_an_empty_completion_has_no_advantage():
    rollouts = make_rollouts([0, 0, 0], [0, 2, 2])
    made = GroupNormalised()(Experience(rollouts, make_scores([0.0, 1.0, 0.0])))
    assert made[0].tolist() == [0.0, 0.0]
    assert made[1, 0] > 0
