"""Preference pairs: chosen and rejected of a pair in one pass, and what comes of it."""

from __future__ import annotations

import torch

from guerdon.objectives import DPO
from guerdon.rankings import Ranking
from guerdon.records import Task
from guerdon.rollout import LanguagePolicy
from guerdon.training import fit_preferences
from guerdon.training.preference import pairs_to_rollouts
from guerdon.training.supervised import Demonstration, demonstrations_to_rollouts

PAIRS = [
    Ranking(Task("a", "Compute 12+7.\n"), ("19", "a number, I should say")),
    Ranking(Task("b", "Compute 31-14, and be brief about it.\n"), ("17", "16")),
    Ranking(Task("c", "Name a colour.\n"), ("", "blue")),
]


def margin(policy: LanguagePolicy) -> torch.Tensor:
    with torch.no_grad():
        chosen, rejected = policy.forward(pairs_to_rollouts(policy, PAIRS)).logps.sum(1).chunk(2)
    return chosen - rejected


def test_a_pair_is_one_group_and_equals_its_sides():
    policy = LanguagePolicy.load()
    both = pairs_to_rollouts(policy, PAIRS)
    assert both.group.tolist() == [0, 1, 2, 0, 1, 2]
    assert [t.id for t in both.tasks] == ["a", "b", "c"]
    with torch.no_grad():
        chosen, rejected = policy.forward(both).logps.sum(1).chunk(2)
        for side, found in ((0, chosen), (1, rejected)):
            alone = demonstrations_to_rollouts(
                policy, [Demonstration(p.task, p.responses[side]) for p in PAIRS]
            )
            expected = policy.forward(alone).logps.sum(1)
            torch.testing.assert_close(found, expected, atol=1e-3, rtol=1e-5)


def test_training_prefers_the_chosen_and_does_not_depend_on_sharing():
    margins = []
    for shared in (True, False):
        policy = LanguagePolicy.load(shared_prefix=shared)
        history = fit_preferences(policy, PAIRS, DPO(), epochs=3, batch=2)
        assert len(history) == 6
        margins.append(margin(policy))
    assert (margins[0] > margin(LanguagePolicy.load())).all()
    torch.testing.assert_close(*margins, atol=1e-2, rtol=0)
