"""Fine-tuning on texts: the loss is the likelihood's, worked from the bare model, and it falls."""

import pytest
import torch

from guerdon.nursery.blank import blank_model
from guerdon.records import Task
from guerdon.rollout import LanguagePolicy
from guerdon.training import AdamW, Demonstration, demonstrations_to_rollouts, fit_texts

SHOWN = [
    Demonstration(Task("a", "Compute 1+1.\n"), "2"),
    Demonstration(Task("b", "Compute 10+10.\n"), "20 of course"),
    Demonstration(Task("c", "Say it.\n"), "<answer>7</answer>"),
]


def blank(seed=0):
    return LanguagePolicy(*blank_model(seed, width=32, layers=1))


def token_losses(policy, shown):
    """Minus the log-prob of every completion token and the end, from logits alone."""
    ids = policy.tokenizer.encode(shown.completion, add_special_tokens=False)
    row = [*policy.encode(shown.task).tolist(), *ids, policy.tokenizer.eos_token_id]
    with torch.no_grad():
        logp = torch.log_softmax(policy.model(torch.tensor([row])).logits[0].double(), -1)
    start = len(row) - len(ids) - 1
    return [-logp[at - 1, row[at]].item() for at in range(start, len(row))]


def test_the_loss_is_the_mean_negative_log_likelihood_of_the_completions_tokens():
    policy = blank()
    each = [loss for shown in SHOWN for loss in token_losses(policy, shown)]
    (loss,) = fit_texts(policy, SHOWN, batch=3, optimiser=AdamW(lr=0.0))
    assert loss == pytest.approx(sum(each) / len(each), rel=1e-5)


def test_it_learns_what_it_is_shown():
    policy = blank()
    losses = fit_texts(policy, SHOWN, epochs=60, batch=3, optimiser=AdamW(lr=1e-2))
    assert len(losses) == 60
    assert losses[-1] < 0.1 * losses[0]
    assert all(sum(token_losses(policy, shown)) < 2.0 for shown in SHOWN)


def test_a_seed_is_an_order_and_every_update_is_told():
    told = []
    one, two = (
        fit_texts(blank(), SHOWN, epochs=2, batch=2, seed=4, report=lambda *x: told.append(x))
        for _ in range(2)
    )
    assert one == two
    assert [(done, total) for done, total, _ in told[:4]] == [(1, 4), (2, 4), (3, 4), (4, 4)]


def test_a_long_demonstration_is_cut_and_not_finished():
    rollouts = demonstrations_to_rollouts(blank(), SHOWN, max_tokens=2)
    assert rollouts.lengths.max() == 2
    assert rollouts.finished.tolist() == [True, False, False]


def test_nothing_to_learn_from_is_an_error():
    with pytest.raises(ValueError, match="no demonstrations"):
        fit_texts(blank(), [])
