"""DisCO: the specification's numbers, degenerate groups, and the constraint."""

from __future__ import annotations

import math

import pytest
import torch
from making import make_rollouts

from guerdon.objectives import AllGroups, DisCO, LikelihoodRatio, LogLikelihood, MixedGroups, k3
from guerdon.records import Experience, PolicyOutput

SCORES = torch.tensor([0.2, -0.1, 0.4, 0.0, -0.3], dtype=torch.float64)
RIGHT = torch.tensor([True, False, True, False, False])


def contrast(tau, scores=SCORES, right=RIGHT, group=None, over=None):
    """J and dJ/ds of given scores."""
    leaf = scores.clone().requires_grad_()
    group = torch.zeros(len(scores), dtype=torch.long) if group is None else torch.tensor(group)
    made = DisCO(tau=tau, over=over or AllGroups())._contrast(leaf, right, group)
    (slope,) = torch.autograd.grad(made, leaf, allow_unused=True, materialize_grads=True)
    return made.item(), slope.tolist()


def test_the_worked_numbers():
    value, slope = contrast(1.0)
    assert value == pytest.approx(0.42569, abs=5e-6)
    assert slope == pytest.approx([0.5, -0.3420, 0.5, -0.3780, -0.2800], abs=5e-5)
    assert contrast(math.inf)[0] == pytest.approx(0.43333, abs=5e-6)
    assert contrast(0.1)[0] == pytest.approx(0.37496, abs=5e-6)
    assert contrast(10.0)[0] == pytest.approx(0.43256, abs=5e-6)
    assert contrast(1e-4)[0] == pytest.approx(0.3, abs=2e-4)


def test_softer_is_never_more_and_a_shift_changes_nothing():
    generator = torch.Generator().manual_seed(0)
    for _ in range(50):
        scores = torch.randn(5, generator=generator, dtype=torch.float64)
        assert contrast(0.7, scores)[0] <= contrast(math.inf, scores)[0] + 1e-12
        assert contrast(0.7, scores + 100)[0] == pytest.approx(contrast(0.7, scores)[0])


def test_extreme_scores_stay_finite():
    for scale in (1e4, 1e30):
        value, slope = contrast(1.0, SCORES * scale)
        assert math.isfinite(value)
        assert all(math.isfinite(one) for one in slope)


def test_groups_of_one_kind_are_nothing_and_count_by_choice():
    scores = torch.cat([SCORES, torch.tensor([1.0, 2.0], dtype=torch.float64)])
    group = [0] * 5 + [1] * 2
    for kind in (True, False):
        right = torch.cat([RIGHT, torch.tensor([kind, kind])])
        halved, slope = contrast(1.0, scores, right, group)
        assert halved == pytest.approx(contrast(1.0)[0] / 2)
        assert slope[5:] == [0.0, 0.0]
        assert contrast(1.0, scores, right, group, MixedGroups())[0] == pytest.approx(
            contrast(1.0)[0]
        )
    alone = torch.tensor([True, True])
    assert contrast(1.0, scores[:2], alone, over=MixedGroups()) == (0.0, [0.0, 0.0])


def batch(advantage, group, logps, old):
    rollouts = make_rollouts(group, [2] * len(group), logps=torch.tensor(old, dtype=torch.float64))
    value = torch.tensor(advantage, dtype=torch.float64)[:, None].expand(-1, 2)
    now = PolicyOutput(torch.tensor(logps, dtype=torch.float64).requires_grad_())
    return now, rollouts, value


def test_on_policy_both_scores_have_one_gradient():
    old = [[-1.0, -2.0], [-0.5, -1.5], [-3.0, -0.1]]
    now, rollouts, advantage = batch([1, -0.5, -0.5], [0, 0, 0], old, old)
    found = {}
    for name, score in {"ratio": LikelihoodRatio(), "log": LogLikelihood()}.items():
        loss = DisCO(score=score, tau=math.inf)(now, Experience(rollouts, advantage=advantage))
        found[name] = torch.autograd.grad(loss.value, now.logps)[0]
        assert loss.metrics["penalty"] == 0.0
        if name == "ratio":  # every score is 1: J1 is 0 and has a gradient
            assert loss.value.item() == pytest.approx(0.0, abs=1e-12)
    assert torch.allclose(found["ratio"], found["log"])
    assert found["ratio"].tolist() == [[-0.5, -0.5], [0.25, 0.25], [0.25, 0.25]]
    ratio = DisCO(score=LikelihoodRatio())(now, Experience(rollouts, advantage=advantage))
    assert ratio.value.item() == pytest.approx(0.0, abs=1e-12)


def test_the_constraint_by_hand():
    # No contrast (one group of one kind): the constraint alone.
    for gap, coefficient in ((5e-5, 0.0), (3e-4, 0.2), (-3e-4, 0.0)):
        now, rollouts, advantage = batch([0.0], [0], [[-1 - gap, -1 - gap]], [[-1.0, -1.0]])
        loss = DisCO(delta=1e-4, beta=1e3)(now, Experience(rollouts, advantage=advantage))
        slope = torch.autograd.grad(loss.value, now.logps)[0]
        # KL is the mean of old - new: its gradient at each of two tokens is -1/2.
        assert slope.flatten().tolist() == pytest.approx([-coefficient / 2] * 2, abs=1e-9)
        assert loss.metrics["kl_sampler"] == pytest.approx(gap, abs=1e-9)
        assert loss.value.item() == pytest.approx(coefficient**2 / 2e3, abs=1e-12)


def test_another_estimator_is_never_negative():
    now, rollouts, advantage = batch([0.0], [0], [[-0.5, -0.7]], [[-1.0, -1.0]])
    ratio = torch.tensor([0.5, 0.3]).exp()
    expected = (ratio - 1 - ratio.log()).mean().item()
    loss = DisCO(estimator=k3)(now, Experience(rollouts, advantage=advantage))
    assert loss.metrics["kl_sampler"] == pytest.approx(expected, rel=1e-5)


def test_graded_advantages_need_a_threshold():
    old = [[-1.0, -2.0]] * 3
    now, rollouts, advantage = batch([1.0, 0.2, -0.5], [0, 0, 0], old, old)
    with pytest.raises(ValueError, match=r"more than two advantages.*objective\.threshold"):
        DisCO()(now, Experience(rollouts, advantage=advantage))
    loss = DisCO(threshold=0.0, tau=math.inf)(now, Experience(rollouts, advantage=advantage))
    slope = torch.autograd.grad(loss.value, now.logps)[0]
    assert slope.tolist() == [[-0.25, -0.25], [-0.25, -0.25], [0.5, 0.5]]


def test_rounding_is_no_third_value():
    old = [[-1.0, -2.0]] * 3
    now, rollouts, advantage = batch([0.7071, 0.70711, -1.41421], [0, 0, 0], old, old)
    assert DisCO()(now, Experience(rollouts, advantage=advantage)).value.requires_grad


def test_rows_that_never_acted_are_left_out():
    rollouts = make_rollouts(
        [0, 0, 0], mask=[[1, 1], [0, 0], [1, 0]], logps=torch.full((3, 2), -1.0)
    )
    now = PolicyOutput(torch.full((3, 2), -1.0, requires_grad=True))
    advantage = torch.tensor([[1.0, 1.0], [5.0, 5.0], [-1.0, 0.0]])
    loss = DisCO(tau=math.inf)(now, Experience(rollouts, advantage=advantage))
    slope = torch.autograd.grad(loss.value, now.logps)[0]
    assert slope.tolist() == [[-0.5, -0.5], [0.0, 0.0], [1.0, 0.0]]
    empty = make_rollouts([0], mask=[[0, 0]], logps=torch.zeros(1, 2))
    nothing = PolicyOutput(torch.zeros(1, 2, requires_grad=True))
    assert DisCO()(nothing, Experience(empty, advantage=torch.zeros(1, 2))).value.item() == 0.0


def test_settings_out_of_range_are_refused():
    with pytest.raises(ValueError, match=r"DisCO\.tau is 0"):
        DisCO(tau=0.0)
    with pytest.raises(ValueError, match=r"DisCO\.delta is -1"):
        DisCO(delta=-1.0)
