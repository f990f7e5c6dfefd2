"""Reward-model losses against numbers worked by hand, and where there is little to rank."""

import math
from itertools import permutations

import pytest
import torch

from guerdon.objectives import BradleyTerry, PlackettLuce

NAN = float("nan")


def softplus(x):
    return math.log1p(math.exp(x))


def test_bradley_terry_of_two_pairs():
    """-log sigmoid(2 - .5) = log(1 + e^-1.5) = .201413; of a pair ranked wrong by 1: 1.313262."""
    made = BradleyTerry()(torch.tensor([[2.0, 0.5], [-1.0, 0.0]]))
    assert made.value.item() == pytest.approx((0.201413 + 1.313262) / 2, abs=1e-6)
    assert made.metrics == pytest.approx({"accuracy": 0.5, "margin": 0.25, "score": 0.375})


def test_equal_scores_cost_log_2_and_are_not_in_order():
    for objective in (BradleyTerry(), PlackettLuce()):
        made = objective(torch.tensor([[0.7, 0.7]]))
        assert made.value.item() == pytest.approx(math.log(2))
        assert made.metrics["accuracy"] == 0.0
    three = PlackettLuce()(torch.zeros(1, 3))
    assert three.value.item() == pytest.approx(math.log(6))  # each of 3! orders alike


def test_a_margin_is_taken_off_the_difference():
    score, margin = torch.tensor([[2.0, 0.5], [1.0, 0.0]]), torch.tensor([1.0, 0.0])
    found = BradleyTerry()(score, None, margin).value.item()
    assert found == pytest.approx((softplus(-0.5) + softplus(-1.0)) / 2)
    half = BradleyTerry(margin=0.5)(score, None, margin).value.item()
    assert half == pytest.approx((softplus(-1.0) + softplus(-1.0)) / 2)
    ignored = BradleyTerry(margin=0.0)(score, None, margin).value
    assert torch.equal(ignored, BradleyTerry()(score).value)


def test_centring_adds_the_squared_sum_of_a_pair():
    score = torch.tensor([[2.0, 0.5]])
    found = BradleyTerry(centring=0.01)(score).value.item()
    assert found == pytest.approx(softplus(-1.5) + 0.01 * 2.5**2)
    assert BradleyTerry(centring=0.5)(torch.tensor([[3.0, -3.0]])).value.item() == pytest.approx(
        softplus(-6.0)
    )


def test_centring_moves_scores_where_the_differences_do_not():
    score = torch.tensor([[5.0, 4.0]], requires_grad=True)
    BradleyTerry()(score).value.backward()
    assert score.grad.sum().item() == pytest.approx(0.0, abs=1e-7)
    score.grad = None
    BradleyTerry(centring=0.1)(score).value.backward()
    assert score.grad.sum().item() == pytest.approx(2 * 2 * 0.1 * 9.0)


def test_a_list_of_three_is_the_mean_of_its_pairs_or_the_likelihood_of_its_order():
    score = torch.tensor([[1.0, 0.0, 3.0]])
    pairs = (softplus(-1.0) + softplus(2.0) + softplus(3.0)) / 3
    assert BradleyTerry()(score).value.item() == pytest.approx(pairs)
    first = math.log(math.e + 1 + math.e**3) - 1.0
    second = math.log(1 + math.e**3)
    made = PlackettLuce()(score)
    assert made.value.item() == pytest.approx(first + second)
    assert made.metrics["accuracy"] == pytest.approx(1 / 3)


def test_plackett_luce_sums_to_one_over_all_orders():
    score = torch.tensor([0.3, -1.2, 0.8, 2.0], dtype=torch.float64)
    orders = [score[list(order)][None] for order in permutations(range(4))]
    chances = [math.exp(-PlackettLuce()(order).value.item()) for order in orders]
    assert sum(chances) == pytest.approx(1.0)


def test_two_items_are_the_same_to_both():
    score = torch.randn(5, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(PlackettLuce()(score).value, BradleyTerry()(score).value)


@pytest.mark.parametrize("objective", [BradleyTerry(centring=0.1), PlackettLuce()])
class TestInvalid:
    def test_is_left_out_as_if_it_had_not_been_ranked(self, objective):
        score = torch.tensor([[1.0, NAN, 0.0, 2.0], [0.5, 0.1, NAN, math.inf]], requires_grad=True)
        valid = torch.tensor([[True, False, True, True], [True, True, False, False]])
        made = objective(score, valid)
        made.value.backward()
        one, two = torch.tensor([[1.0, 0.0, 2.0]]), torch.tensor([[0.5, 0.1]])
        expected = (objective(one).value + objective(two).value) / 2
        torch.testing.assert_close(made.value.detach(), expected)
        assert torch.isfinite(score.grad).all()
        assert (score.grad[~valid] == 0).all()
        assert (score.grad[valid] != 0).all()
        assert made.metrics["score"] == pytest.approx(3.6 / 5)

    def test_lists_of_one_or_none_weigh_nothing(self, objective):
        score = torch.tensor([[1.0, 0.3], [7.0, NAN], [NAN, NAN]], requires_grad=True)
        valid = torch.tensor([[True, True], [True, False], [False, False]])
        made = objective(score, valid)
        torch.testing.assert_close(made.value.detach(), objective(torch.tensor([[1.0, 0.3]])).value)
        made.value.backward()
        assert torch.isfinite(score.grad).all()
        assert (score.grad[1:] == 0).all()

    def test_nothing_to_rank_is_a_loss_of_0_with_a_gradient_of_0(self, objective):
        for shape in ((2, 1), (0, 2)):
            score = torch.ones(shape, requires_grad=True)
            made = objective(score)
            made.value.backward()
            assert made.value.item() == 0.0
            assert (score.grad == 0).all()
            assert "accuracy" not in made.metrics

    def test_shapes_are_checked(self, objective):
        with pytest.raises(ValueError, match=r"lists of responses \[B, K\]"):
            objective(torch.zeros(3))
        with pytest.raises(ValueError, match="valid has shape"):
            objective(torch.zeros(3, 2), torch.ones(3, 3, dtype=torch.bool))

    def test_extreme_scores_stay_finite(self, objective):
        score = torch.tensor([[-1e4, 1e4]], requires_grad=True)
        made = objective(score)
        made.value.backward()
        assert torch.isfinite(made.value)
        assert torch.isfinite(score.grad).all()


def test_a_margin_of_a_longer_list_is_an_error():
    with pytest.raises(ValueError, match="margins belong to pairs"):
        BradleyTerry()(torch.zeros(1, 3), None, torch.tensor([1.0]))
    BradleyTerry()(torch.zeros(1, 3), None, torch.tensor([0.0]))
