"""Log-probs and entropies from logits that are not all kept."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from guerdon.models import projection
from guerdon.models.projection import action_logps, largest_logps


def head_of(weight: list[list[float]]) -> nn.Linear:
    head = nn.Linear(len(weight[0]), len(weight), bias=False, dtype=torch.float64)
    with torch.no_grad():
        head.weight.copy_(torch.tensor(weight))
    return head


def test_numbers_worked_by_hand():
    """Logits 0, ln 2, ln 5 give 1/8, 1/4, 5/8."""
    head = head_of([[0.0], [math.log(2)], [math.log(5)]])
    hidden = torch.ones(2, 1, dtype=torch.float64)
    logp, entropy = action_logps(head, hidden, torch.tensor([0, 2]), 1.0, True)
    assert logp.tolist() == pytest.approx([math.log(1 / 8), math.log(5 / 8)])
    by_hand = -(math.log(1 / 8) / 8 + math.log(1 / 4) / 4 + 5 * math.log(5 / 8) / 8)
    assert entropy.tolist() == pytest.approx([by_hand] * 2)
    # At temperature 1/2 the weights are squared: 1, 4, 25.
    logp, _ = action_logps(head, hidden, torch.tensor([0, 2]), 0.5, False)
    assert logp.tolist() == pytest.approx([math.log(1 / 30), math.log(25 / 30)])


@pytest.mark.parametrize("entropy", [False, True])
@pytest.mark.parametrize("kept", [0, 40, 1 << 20])
def test_gradients_are_those_of_log_softmax(entropy, kept, monkeypatch):
    monkeypatch.setattr(projection, "CHUNK_ELEMENTS", 21)
    monkeypatch.setattr(projection, "KEPT_ELEMENTS", kept)
    torch.manual_seed(0)
    head = nn.Linear(4, 7, dtype=torch.float64)
    hidden = torch.randn(10, 4, dtype=torch.float64, requires_grad=True)
    action = torch.randint(7, (10,))
    weight = torch.randn(2, 10, dtype=torch.float64)
    logp, found = action_logps(head, hidden, action, 0.8, entropy)
    loss = (weight[0] * logp).sum() + ((weight[1] * found).sum() if entropy else 0)
    mine = torch.autograd.grad(loss, [hidden, *head.parameters()])
    table = (head(hidden) / 0.8).log_softmax(-1)
    loss = (weight[0] * table[torch.arange(10), action]).sum()
    if entropy:
        loss = loss - (weight[1] * (table.exp() * table).sum(-1)).sum()
    theirs = torch.autograd.grad(loss, [hidden, *head.parameters()])
    for a, b in zip(mine, theirs, strict=True):
        torch.testing.assert_close(a, b, atol=1e-12, rtol=1e-10)


def test_the_largest_by_hand(monkeypatch):
    """Logits 0, ln 2, ln 5, and one row at a time."""
    monkeypatch.setattr(projection, "CHUNK_ELEMENTS", 1)
    head = head_of([[0.0], [math.log(2)], [math.log(5)]])
    hidden = torch.ones(2, 1, dtype=torch.float64)
    found = largest_logps(head, hidden, 1.0, 2)
    assert found.flatten().tolist() == pytest.approx([math.log(5 / 8), math.log(1 / 4)] * 2)
    assert largest_logps(head, hidden, 0.5, 9)[0, 0].item() == pytest.approx(math.log(25 / 30))
    assert largest_logps(head, hidden, 1.0, 9).shape == (2, 3)
    assert largest_logps(head, hidden[:0], 1.0, 2).shape == (0, 0)


def test_impossible_tokens_take_no_part():
    logits = torch.tensor([[0.0, 0.0, -torch.inf]], dtype=torch.float64, requires_grad=True)
    logp, entropy = projection._LogProbs.apply(logits, torch.tensor([1]), True)
    assert logp.item() == pytest.approx(-math.log(2))
    assert entropy.item() == pytest.approx(math.log(2))
    (logp + entropy).sum().backward()
    assert logits.grad.tolist() == [[-0.5, 0.5, 0.0]]


def test_memory_is_bounded(monkeypatch):
    """What stays alive for the backward pass, counted: the kept logits and no more."""
    monkeypatch.setattr(projection, "CHUNK_ELEMENTS", 10_000)
    monkeypatch.setattr(projection, "KEPT_ELEMENTS", 20_000)
    head = nn.Linear(4, 1000, bias=False)
    hidden = torch.randn(200, 4, requires_grad=True)
    saved: dict[int, int] = {}

    def count(tensor: torch.Tensor) -> torch.Tensor:
        saved[tensor.data_ptr()] = tensor.numel()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(count, lambda t: t):
        action_logps(head, hidden, torch.randint(1000, (200,)), 1.0, False)
    rest = head.weight.numel() + hidden.numel() + 5 * 200
    assert 20_000 <= sum(saved.values()) <= 20_000 + rest
