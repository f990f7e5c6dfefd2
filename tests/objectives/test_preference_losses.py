"""Preference losses against numbers worked by hand."""

import math

import pytest
import torch

from guerdon.objectives import DPO, IPO, Hinge

ZERO = torch.zeros(1)


def loss(objective, delta):
    return objective(torch.tensor([delta]), ZERO, ZERO, ZERO).value.item()


def test_dpo():
    """beta .1, delta 2: .598139 (_baselines.md)."""
    assert loss(DPO(0.1), 2.0) == pytest.approx(0.598139, abs=1e-6)
    assert loss(DPO(0.1), 0.0) == pytest.approx(math.log(2))


def test_label_smoothing():
    z = 0.2
    expected = 0.9 * math.log1p(math.exp(-z)) + 0.1 * math.log1p(math.exp(z))
    assert loss(DPO(0.1, label_smoothing=0.1), 2.0) == pytest.approx(expected)


def test_ipo_and_hinge():
    assert loss(IPO(0.1), 2.0) == pytest.approx(9.0)
    assert loss(Hinge(0.1), 2.0) == pytest.approx(0.8)
    assert loss(Hinge(0.1), 20.0) == 0.0


def test_gradient_raises_the_chosen_and_lowers_the_rejected():
    chosen, rejected = torch.zeros(1, requires_grad=True), torch.zeros(1, requires_grad=True)
    DPO(0.1)(chosen, rejected, ZERO, ZERO).value.backward()
    assert chosen.grad.item() == pytest.approx(-0.05)
    assert rejected.grad.item() == pytest.approx(0.05)


def test_metrics():
    made = DPO(0.5)(torch.tensor([2.0, -2.0, 4.0]), *[torch.zeros(3)] * 3)
    assert made.metrics["accuracy"] == pytest.approx(2 / 3)
    assert made.metrics["margin"] == pytest.approx(0.5 * 4 / 3)
