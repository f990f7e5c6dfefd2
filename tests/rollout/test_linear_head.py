"""Log-probs, entropies and largest log-probs of a linear head, block by block."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from guerdon.models import linear_head as module
from guerdon.models.linear_head import LinearHead, linear_head, linear_logps

DOUBLE = torch.float64


def plainly(head: LinearHead, hidden: Tensor, action: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """The same from the whole table of logits."""
    logits = head.scale * (hidden @ head.weight.t() + (0 if head.bias is None else head.bias))
    if head.cap is not None:
        logits = head.cap * torch.tanh(logits / head.cap)
    table = (logits / head.temperature).log_softmax(-1)
    logp = table.gather(1, action[:, None])[:, 0]
    return logp, -(table.exp() * table).sum(-1), table.sort(descending=True).values


def test_numbers_worked_by_hand():
    """Logits 0, ln 2, ln 5 give 1/8, 1/4, 5/8; squared, at temperature 1/2, 1/30, 4/30, 25/30."""
    weight = torch.tensor([[0.0], [math.log(2)], [math.log(5)]], dtype=DOUBLE)
    hidden, action = torch.ones(2, 1, dtype=DOUBLE), torch.tensor([0, 2])
    logp, entropy, largest = linear_logps(LinearHead(weight), hidden, action, True, top=2)
    assert logp.tolist() == pytest.approx([math.log(1 / 8), math.log(5 / 8)])
    by_hand = -(math.log(1 / 8) / 8 + math.log(1 / 4) / 4 + 5 * math.log(5 / 8) / 8)
    assert entropy.tolist() == pytest.approx([by_hand] * 2)
    assert largest.exp().flatten().tolist() == pytest.approx([5 / 8, 1 / 4] * 2)
    logp, entropy, largest = linear_logps(
        LinearHead(weight, temperature=0.5), hidden, action, False
    )
    assert logp.exp().tolist() == pytest.approx([1 / 30, 25 / 30])
    assert entropy is None
    assert largest.shape == (2, 0)


@pytest.mark.parametrize("rows", [3, 2048])
@pytest.mark.parametrize("elements", [1, 30, 1 << 20])
@pytest.mark.parametrize("entropy", [False, True])
@pytest.mark.parametrize(
    "more", [{}, {"scale": 0.7}, {"cap": 1.5}, {"scale": 2.0, "cap": 0.9, "temperature": 0.8}]
)
def test_equals_the_whole_table(rows, elements, entropy, more, monkeypatch):
    monkeypatch.setattr(module, "BLOCK_ROWS", rows)
    monkeypatch.setattr(module, "BLOCK_ELEMENTS", elements)
    torch.manual_seed(0)
    hidden, weight, bias = (
        torch.randn(*shape, dtype=DOUBLE, requires_grad=True) for shape in ((10, 4), (13, 4), (13,))
    )
    action, pull = torch.randint(13, (10,)), torch.randn(2, 10, dtype=DOUBLE)
    for b in (None, bias):
        head = LinearHead(weight, b, **more)
        found = linear_logps(head, hidden, action, entropy, top=5)
        right = plainly(head, hidden, action)
        torch.testing.assert_close(found[0], right[0], atol=1e-12, rtol=0)
        torch.testing.assert_close(found[2], right[2][:, :5].detach(), atol=1e-12, rtol=0)
        assert not found[2].requires_grad
        losses = [(pull[0] * found[0]).sum(), (pull[0] * right[0]).sum()]
        if entropy:
            torch.testing.assert_close(found[1], right[1], atol=1e-12, rtol=0)
            losses = [losses[0] + pull[1] @ found[1], losses[1] + pull[1] @ right[1]]
        inputs = [x for x in (hidden, weight, b) if x is not None]
        mine, theirs = (torch.autograd.grad(loss, inputs) for loss in losses)
        for a, c in zip(mine, theirs, strict=True):
            torch.testing.assert_close(a, c, atol=1e-12, rtol=1e-10)


def test_extreme_logits_and_impossible_tokens():
    """1e4 apart, and -inf: no overflow, no NaN, and what is impossible has no gradient."""
    weight = torch.tensor([[1e4], [-1e4], [0.0]], dtype=DOUBLE, requires_grad=True)
    bias = torch.tensor([0.0, 0.0, -torch.inf], dtype=DOUBLE)
    hidden = torch.tensor([[1.0], [-1.0], [0.0]], dtype=DOUBLE, requires_grad=True)
    logp, entropy, _ = linear_logps(LinearHead(weight, bias), hidden, torch.tensor([0, 0, 1]), True)
    assert logp.tolist() == pytest.approx([0.0, -2e4, -math.log(2)])
    assert entropy.tolist() == pytest.approx([0.0, 0.0, math.log(2)])
    (logp + entropy).sum().backward()
    assert hidden.grad.flatten().tolist() == pytest.approx([0.0, 2e4, -1e4])
    assert weight.grad[2].item() == 0


def test_no_rows_and_frozen_heads():
    weight = torch.randn(5, 3)
    hidden = torch.randn(4, 3, requires_grad=True)
    logp, _, _ = linear_logps(LinearHead(weight), hidden, torch.tensor([0, 1, 2, 4]), False)
    logp.sum().backward()
    assert weight.grad is None
    assert hidden.grad.abs().max() > 0
    none = linear_logps(LinearHead(weight), hidden[:0], torch.tensor([], dtype=torch.long), True)
    assert [len(x) for x in none] == [0, 0, 0]
    none[0].sum().backward()


@pytest.mark.parametrize("mixed", [False, True])
def test_bfloat16(mixed):
    """Products in bfloat16, the softmax over them in float32; gradients in the types given."""
    torch.manual_seed(0)
    wide = [torch.randn(64, 32), torch.randn(300, 32) / 4]
    action = torch.randint(300, (64,))
    exact = [x.clone().requires_grad_() for x in wide]
    rounded = [x.to(torch.float32 if mixed else torch.bfloat16).requires_grad_() for x in wide]
    with torch.autocast("cpu", torch.bfloat16, enabled=mixed):
        logp, entropy, _ = linear_logps(LinearHead(rounded[1]), rounded[0], action, True)
    right, right_entropy, _ = plainly(LinearHead(exact[1]), exact[0], action)
    assert logp.dtype == torch.float32
    assert 1e-4 < float((logp - right).detach().abs().max()) < 0.1
    (logp + entropy).sum().backward()
    (right + right_entropy).sum().backward()
    for a, b in zip(rounded, exact, strict=True):
        assert a.grad.dtype == a.dtype
        assert float((a.grad - b.grad).norm() / b.grad.norm()) < 0.03


class Model:
    """As much of a model as its head asks for."""

    def __init__(self, layer: nn.Module, **config: Any) -> None:
        self.layer, self.config = layer, self
        self.__dict__.update(config)

    def get_output_embeddings(self) -> nn.Module:
        return self.layer

    def get_text_config(self) -> Model:
        return self


def test_which_heads_are_linear():
    layer = nn.Linear(4, 7)
    found = linear_head(Model(layer, logit_scale=3.0, logits_scaling=2.0), 0.5)
    assert found.weight is layer.weight
    assert found.bias is layer.bias
    assert (found.scale, found.cap, found.temperature) == (1.5, None, 0.5)
    assert linear_head(Model(layer, final_logit_softcapping=30.0), 1.0).cap == 30.0
    assert linear_head(Model(nn.Sequential(layer)), 1.0) is None
    layer.register_forward_hook(lambda *_: None)
    assert linear_head(Model(layer), 1.0) is None


def test_memory_does_not_grow_with_the_vocabulary():
    """What stays alive for the backward pass, counted: the inputs and a few numbers per row."""
    weight, hidden = torch.randn(1000, 4, requires_grad=True), torch.randn(200, 4)
    saved: dict[int, int] = {}

    def count(tensor: Tensor) -> Tensor:
        saved[tensor.data_ptr()] = tensor.numel()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(count, lambda t: t):
        linear_logps(LinearHead(weight), hidden, torch.randint(1000, (200,)), False)
    assert sum(saved.values()) <= weight.numel() + hidden.numel() + 5 * 200
