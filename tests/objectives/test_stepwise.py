"""D3PO's loss against its specification's numbers, in their order."""

import math
from dataclasses import replace

import pytest
import torch
from making import make_rollouts

from guerdon.objectives import StepwiseDPO, step_preference
from guerdon.records import Experience, Pairs, PolicyOutput

LOG2 = math.log(2)


def known(logps, pairs=((0, 1),), mask=None, reference=None):
    """Rows whose reference log-probs are 0, and what is learned from them."""
    n, t = logps.shape
    rows = make_rollouts([0] * n, mask=mask or [[1] * t] * n)
    rows = replace(rows, reference_logps=torch.zeros(n, t) if reference is None else reference)
    first, second = (torch.tensor([p[i] for p in pairs], dtype=torch.long) for i in (0, 1))
    return Experience(rows, pairs=Pairs(first, second))


def loss_of(logps, objective=None, **more):
    return (objective or StepwiseDPO())(PolicyOutput(logps), known(logps, **more))


def test_1_at_the_reference_every_step_costs_log_2_and_the_gradient_is_half_beta():
    logps = torch.zeros(2, 3, requires_grad=True)
    loss = loss_of(logps)
    assert loss.value.item() == pytest.approx(3 * 0.693147, abs=1e-5)
    assert loss.metrics["preference_accuracy"] == 0.5
    loss.value.backward()
    assert logps.grad.tolist() == [[pytest.approx(-0.05)] * 3, [pytest.approx(0.05)] * 3]


@pytest.mark.parametrize(
    ("ratios", "loss", "gradient"), [((0.05, -0.02), 0.68965, True), ((0.5, -0.5), 0.68316, False)]
)
def test_2_worked_numbers_inside_and_outside_the_clamp(ratios, loss, gradient):
    logps = torch.tensor([[r] for r in ratios], requires_grad=True)
    made = loss_of(logps)
    assert made.value.item() == pytest.approx(loss, abs=1e-5)
    made.value.backward()
    assert bool(logps.grad.abs().sum() > 0) == gradient
    assert made.metrics["clamped"] == (0.0 if gradient else 1.0)
    assert made.metrics["preference_accuracy"] == 1.0


def test_3_a_tie_costs_log_2_and_teaches_nothing():
    ratio = torch.tensor([0.05, -0.02], requires_grad=True)
    loss = step_preference(ratio[0], ratio[1], torch.tensor(0.0), 0.1, 0.1)
    loss.backward()
    assert loss.item() == pytest.approx(LOG2)
    assert ratio.grad.tolist() == [0, 0]


def test_6_both_sides_swapped_with_their_labels_is_the_same_loss():
    one, two = torch.tensor(0.05), torch.tensor(-0.02)
    swapped = step_preference(two, one, torch.tensor(-1.0), 0.1, 0.1)
    assert step_preference(one, two, torch.tensor(1.0), 0.1, 0.1).item() == swapped.item()


def test_a_pair_outside_the_clamp_is_stuck_also_on_the_way_back():
    """The preferred chain has become less likely by half: nothing leads it back."""
    wrong = torch.tensor([[-0.7], [0.5]], requires_grad=True)
    loss = loss_of(wrong)
    loss.value.backward()
    assert wrong.grad.tolist() == [[0], [0]]
    assert loss.metrics["preference_accuracy"] == 0
    free = wrong.detach().clone().requires_grad_()
    loss_of(free, StepwiseDPO(clamp=None)).value.backward()
    assert free.grad[0, 0] < 0 < free.grad[1, 0]
    fresh = wrong.detach().clone().requires_grad_()  # a reference that was refreshed lets it go
    loss_of(fresh, reference=wrong.detach()).value.backward()
    assert fresh.grad[0, 0] < 0 < fresh.grad[1, 0]


def test_the_mean_is_over_pairs_by_weight_and_over_no_masked_step():
    logps = torch.tensor([[0.05, 9.0], [-0.02, 9.0], [0.0, 9.0]])
    mask = [[1, 0], [1, 1], [1, 1]]
    some = known(logps, ((0, 1), (2, 1)), mask)
    even = StepwiseDPO()(PolicyOutput(logps), some).value.item()
    second = -math.log(1 / (1 + math.exp(-0.1 * 0.02))) + LOG2  # row 2 acted in the second step too
    assert even == pytest.approx((0.68965 + second) / 2, abs=1e-5)
    weighted = replace(some, pairs=replace(some.pairs, weight=torch.tensor([3.0, 1.0])))
    heavy = StepwiseDPO()(PolicyOutput(logps), weighted).value.item()
    assert heavy == pytest.approx((3 * 0.68965 + second) / 4, abs=1e-5)


def test_extreme_ratios_are_finite_and_nothing_to_compare_is_no_error():
    far = torch.tensor([[1e6], [-1e6]], requires_grad=True)
    for clamp in (0.1, None):
        assert math.isfinite(loss_of(far, StepwiseDPO(clamp=clamp)).value.item())
    none = Experience(known(far).rollouts, pairs=Pairs(*(torch.zeros(0, dtype=torch.long),) * 2))
    loss = StepwiseDPO()(PolicyOutput(far), none)
    loss.value.backward()
    assert (loss.value.item(), far.grad.abs().sum()) == (0, 0)


def test_what_it_can_not_use_is_refused_by_name():
    logps = torch.zeros(2, 1)
    some = known(logps)
    with pytest.raises(ValueError, match="selection"):
        StepwiseDPO()(PolicyOutput(logps), replace(some, pairs=None))
    with pytest.raises(ValueError, match="margins"):
        StepwiseDPO()(
            PolicyOutput(logps), replace(some, pairs=replace(some.pairs, margin=torch.ones(1)))
        )
    bare = replace(some, rollouts=replace(some.rollouts, reference_logps=None))
    with pytest.raises(ValueError, match="reference"):
        StepwiseDPO()(PolicyOutput(logps), bare)
