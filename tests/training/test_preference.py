"""Training on preference pairs, from log 2 upwards, against the bare model's own gradient."""

import math

import pytest
import torch

from guerdon.nursery.blank import blank_model
from guerdon.objectives import DPO, IPO
from guerdon.rankings import Ranking
from guerdon.records import Task
from guerdon.rollout import LanguagePolicy
from guerdon.training import AdamW, fit_preferences

PAIRS = [
    Ranking(Task("a", "Compute 1+1.\n"), ("2", "three")),
    Ranking(Task("b", "Compute 2+2.\n"), ("It is 4", "5")),
    Ranking(Task("c", "Say it.\n"), ("yes", "no, not now")),
]


def blank(seed=0):
    return LanguagePolicy(*blank_model(seed, width=32, layers=1))


def log_prob(policy, task, text):
    """The completion's summed log-prob with its end token, from logits alone."""
    ids = policy.tokenizer.encode(text, add_special_tokens=False)
    row = [*policy.encode(task).tolist(), *ids, policy.tokenizer.eos_token_id]
    logp = torch.log_softmax(policy.model(torch.tensor([row])).logits[0], -1)
    start = len(row) - len(ids) - 1
    return sum(logp[at - 1, row[at]] for at in range(start, len(row)))


def gap(policy, pair):
    return log_prob(policy, pair.task, pair.responses[0]) - log_prob(
        policy, pair.task, pair.responses[1]
    )


def test_the_first_loss_is_log_2_whatever_the_pairs():
    (first,) = fit_preferences(blank(), PAIRS, DPO(0.3), optimiser=AdamW(lr=0.0))
    assert first["loss"] == pytest.approx(math.log(2), rel=1e-5)
    assert first["margin"] == pytest.approx(0.0, abs=1e-5)
    (first,) = fit_preferences(blank(), PAIRS, IPO(0.5), optimiser=AdamW(lr=0.0))
    assert first["loss"] == pytest.approx(1.0, rel=1e-4)  # (0 - 1 / (2 beta))^2


def test_the_first_gradient_is_half_beta_times_that_of_the_gap():
    """d/dw -log sigmoid(beta gap) = -beta sigmoid(0) d gap/dw, so its norm is beta / 2 |d gap|."""
    policy = blank()
    slopes = torch.autograd.grad(gap(policy, PAIRS[0]), list(policy.module.parameters()))
    norm = torch.cat([s.flatten() for s in slopes]).norm().item()
    (first,) = fit_preferences(policy, PAIRS[:1], DPO(0.3), optimiser=AdamW(lr=0.0))
    assert first["grad_norm"] == pytest.approx(0.15 * norm, rel=1e-4)


def test_margins_rise_and_the_chosen_texts_become_likelier():
    policy = blank()
    before = [gap(policy, pair).item() for pair in PAIRS]
    history = fit_preferences(policy, PAIRS, DPO(0.1), epochs=20, batch=3, optimiser=AdamW(lr=1e-3))
    margins = [h["margin"] for h in history]
    assert margins[0] < margins[5] < margins[-1]
    assert history[-1]["loss"] < 0.8 * math.log(2)
    assert history[-1]["accuracy"] == 1.0
    after = [gap(policy, pair).item() for pair in PAIRS]
    assert all(b > a for a, b in zip(before, after, strict=True))


def test_a_refused_update_is_counted_and_changes_nothing():
    policy = blank()
    before = [p.detach().clone() for p in policy.module.parameters()]
    settings = AdamW(lr=1.0, skip_above=1e-9)
    (only,) = fit_preferences(policy, PAIRS, DPO(), optimiser=settings)
    assert only["skipped_updates"] == 1.0
    assert all(torch.equal(a, b) for a, b in zip(before, policy.module.parameters(), strict=True))


def test_no_pairs_is_an_error():
    with pytest.raises(ValueError, match="no preference pairs"):
        fit_preferences(blank(), [], DPO())


def test_longer_rankings_and_margins_are_refused_and_not_ignored():
    longer = Ranking(PAIRS[0].task, ("2", "two", "three"))
    with pytest.raises(ValueError, match="ranking 'a' has 3 responses"):
        fit_preferences(blank(), [*PAIRS, longer], DPO())
    known = Ranking(PAIRS[1].task, ("4", "5"), 0.0)
    with pytest.raises(ValueError, match=r"DPO uses no margins, and 1 of 4 .* first 'b'"):
        fit_preferences(blank(), [*PAIRS, known], DPO())
