"""Optimisers as parts: one step by hand, and the rate that a run gives them."""

from types import SimpleNamespace

import pytest
import torch

from guerdon.records import Progress
from guerdon.schedules import Linear
from guerdon.training import SGD, Adam, AdamW, Optimiser


def stepped(settings, gradients, step=0, total=1):
    """The weight 1 after these gradients."""
    module = torch.nn.Linear(1, 1, bias=False, dtype=torch.float64)
    torch.nn.init.ones_(module.weight)
    running = settings.start(SimpleNamespace(module=module))
    for one in gradients:
        settings.follow(running, Progress(step, total))
        module.weight.grad = torch.full((1, 1), one, dtype=torch.float64)
        running.step()
    return float(module.weight.detach())


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        (SGD(0.1), [0.8, 0.7]),
        (SGD(0.1, momentum=0.5), [0.8, 0.6]),  # 2, then 1 + 0.5 2
        (SGD(0.1, weight_decay=1.0), [0.7, 0.53]),  # 2 + 1, then 1 + 0.7
        (Adam(0.1), [0.9]),
        (AdamW(0.1, weight_decay=0.5), [0.85]),  # 1 - 0.1 0.5 1 - 0.1
    ],
)
def test_steps_by_hand(settings, expected):
    made = [stepped(settings, (2.0, 1.0)[: n + 1]) for n in range(len(expected))]
    assert made == pytest.approx(expected, abs=1e-6)


def test_the_rate_rises_and_follows_its_schedule():
    settings = SGD(Linear(1.0, 0.0), warmup=2)
    running = settings.start(SimpleNamespace(module=torch.nn.Linear(1, 1)))
    rates = [settings.follow(running, Progress(step, 5)) for step in range(5)]
    assert rates == [0.5, 0.75, 0.5, 0.25, 0.0]
    assert running.param_groups[0]["lr"] == 0.0
    assert SGD().clip == 0.0
    assert AdamW().clip == 1.0


@pytest.mark.parametrize("kind", [AdamW, Adam, SGD])
def test_all_are_optimisers(kind):
    assert isinstance(kind(0.5), Optimiser)
    assert kind(0.5).lr == 0.5
    with pytest.raises(ValueError, match="no trainable parameters"):
        kind().start(SimpleNamespace(module=torch.nn.Identity()))
