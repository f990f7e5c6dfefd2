"""The softmax table: exact log-probs, gradients, frequencies, and worlds."""

from __future__ import annotations

import math

import pytest
import torch

from guerdon.records import Task
from guerdon.rollout.tabular import TabularPolicy
from guerdon.stages import Policy, Sampling
from guerdon.tasks import CornerTasks

CELLS = [("grid", (x, y), (2, 2), None) for x in range(3) for y in range(3)]
MOVES = ("up", "down", "left", "right")


def test_one_choice_with_known_odds() -> None:
    logits = torch.tensor([[math.log(0.5), math.log(0.3), math.log(0.2)]])
    policy = TabularPolicy(["q"], "abc", logits)
    assert isinstance(policy, Policy)
    rows = policy.sample([Task("q", "pick")], 4000, Sampling(), seed=0)
    counts = torch.bincount(rows.ids[:, 0], minlength=3)
    chi_square = float(((counts - 4000 * logits.exp()[0]) ** 2 / (4000 * logits.exp()[0])).sum())
    assert chi_square < 13.8  # 0.1 % point of two degrees of freedom
    assert rows.texts[0] == "abc"[int(rows.ids[0, 0])]
    assert rows.finished.all()
    assert rows.turn_rewards is None
    now = policy(rows, frozenset({"entropy"}))
    assert torch.allclose(now.logps, rows.logps)
    entropy = -(0.5 * math.log(0.5) + 0.3 * math.log(0.3) + 0.2 * math.log(0.2))
    assert now.entropy[0, 0].item() == pytest.approx(entropy, rel=1e-6)


def test_gradient_is_one_minus_probability() -> None:
    policy = TabularPolicy(["q"], "ab", torch.tensor([[0.0, math.log(3.0)]]))
    rows = policy.sample([Task("q", "")], 1, Sampling(temperature=0.0), seed=0)
    assert rows.texts == ("b",)
    policy(rows).logps.sum().backward()
    assert policy.logits.grad is not None
    assert policy.logits.grad[0].tolist() == pytest.approx([-0.25, 0.25])


def test_temperature_is_that_of_sampling() -> None:
    policy = TabularPolicy(["q"], "ab", torch.tensor([[0.0, 2.0]]))
    rows = policy.sample([Task("q", "")], 64, Sampling(temperature=2.0), seed=0)
    expected = torch.log_softmax(torch.tensor([0.0, 1.0]), 0)[rows.ids[:, 0]]
    assert torch.allclose(rows.logps[:, 0], expected)
    assert torch.allclose(policy(rows).logps, rows.logps)


def test_it_walks_a_world() -> None:
    policy = TabularPolicy(CELLS, MOVES)
    tasks = CornerTasks(size=3).load("train")
    rows = policy.sample(tasks, 8, Sampling(max_turns=12), seed=0)
    assert rows.group.tolist() == [0] * 8 + [1] * 8
    assert rows.states is not None
    assert rows.turn_rewards is not None
    assert 0 < rows.finished.sum() < 16
    for row in range(16):
        n = int(rows.lengths[row])
        assert len(rows.states[row]) == n == int(rows.mask[row].sum())
        assert rows.states[row][0] == CELLS[0]
        assert rows.turn_rewards[row].sum() == 10.0 * rows.finished[row]
        assert n == 12 or rows.finished[row]
    now = policy(rows)
    assert torch.allclose(now.logps, rows.logps)
    assert (now.logps[~rows.mask] == 0).all()
    assert policy.sample(tasks, 8, Sampling(max_turns=12), seed=0).texts == rows.texts
    alone = policy.sample(tasks[1:], 8, Sampling(max_turns=12), seed=0)
    assert alone.texts == rows.texts[8:]


def test_padding_carries_no_gradient() -> None:
    policy = TabularPolicy(CELLS, MOVES)
    rows = policy.sample(CornerTasks(size=3).load("train"), 4, Sampling(max_turns=12), seed=0)
    policy(rows).logps[~rows.mask].sum().backward()
    assert policy.logits.grad is not None
    assert (policy.logits.grad == 0).all()


def test_nothing_to_sample_is_an_empty_batch() -> None:
    rows = TabularPolicy(["q"], "ab").sample([], 4, Sampling(), seed=0)
    assert len(rows) == 0
    assert TabularPolicy(["q"], "ab")(rows).logps.shape == (0, 0)


def test_what_is_missing_is_named() -> None:
    with pytest.raises(ValueError, match=r"'z' is not in the table"):
        TabularPolicy(["q"], "ab").sample([Task("z", "")], 1, Sampling(), seed=0)
    with pytest.raises(ValueError, match=r"\(1, 3\), not \(1, 2\)"):
        TabularPolicy(["q"], "ab", torch.zeros(1, 3))
