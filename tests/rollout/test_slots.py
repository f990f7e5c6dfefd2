"""A form filled in by independent softmaxes."""

from __future__ import annotations

import pytest
import torch

from guerdon.records import Task
from guerdon.rollout import SlotPolicy
from guerdon.stages import Sampling

TASKS = [Task("a", "q"), Task("b", "q")]


def policy(**more: torch.Tensor) -> SlotPolicy:
    choices = (("x", "y"), ("1", "2", "3"))
    return SlotPolicy(["a", "b"], choices, lambda task, c: f"{task.id}:{'+'.join(c)}", **more)


def test_rows_texts_and_probabilities() -> None:
    rows = policy().sample(TASKS, 3000, Sampling(), seed=0)
    assert rows.group.tolist() == [0] * 3000 + [1] * 3000
    assert set(rows.texts[:3000]) == {f"a:{x}+{n}" for x in "xy" for n in "123"}
    assert rows.ids.amax(0).tolist() == [1, 2]
    shares = torch.bincount(rows.ids[:, 1]) / 6000
    torch.testing.assert_close(shares, torch.full((3,), 1 / 3), atol=0.03, rtol=0)
    expected = torch.tensor([1 / 2, 1 / 3]).log().expand(6000, 2)
    torch.testing.assert_close(rows.logps, expected)


def test_what_is_sampled_is_what_forward_says() -> None:
    torch.manual_seed(0)
    made = policy(logits=torch.randn(2, 2, 3))
    rows = made.sample(TASKS, 5, Sampling(temperature=0.7), seed=1)
    now = made(rows, frozenset({"entropy"}))
    torch.testing.assert_close(now.logps, rows.logps)
    assert now.entropy is not None
    assert torch.isfinite(now.entropy).all()
    now.logps.sum().backward()
    assert torch.isfinite(made.logits.grad).all()
    assert (made.logits.grad[:, 0, 2] == 0).all()
    again = made.sample(TASKS[1:], 5, Sampling(temperature=0.7), seed=1)
    assert again.texts == rows.texts[5:]


def test_start_greed_and_unknown_tasks() -> None:
    made = policy(logits=torch.tensor([[0.0, 1, 9], [0, 0, 1]]))
    rows = made.sample(TASKS, 1, Sampling(temperature=0), seed=0)
    assert rows.texts == ("a:y+3", "b:y+3")
    torch.testing.assert_close(made.log_probs(TASKS).exp().sum(-1), torch.ones(2, 2))
    with pytest.raises(ValueError, match="task 'c' is not in the table"):
        made.sample([Task("c", "")], 1, Sampling(), seed=0)
