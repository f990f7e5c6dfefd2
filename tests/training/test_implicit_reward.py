"""A policy as a reward model: the specification's margin, DPO's loss and gradient, its rows."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from torch import Tensor

from guerdon.contracts import check_scorer
from guerdon.curriculum import KeepRate, PeerReview
from guerdon.objectives import DPO, BradleyTerry
from guerdon.rankings import Ranking
from guerdon.records import Rollouts, Task
from guerdon.rollout import LanguagePolicy
from guerdon.training import SGD, fit_preferences, fit_rankings
from guerdon.training.implicit_reward import ImplicitReward
from guerdon.training.peer_review import Peers, fit_peers

PAIRS = [
    Ranking(Task(str(n), f"Compute {n}+{n}.\n"), (f"{2 * n}", f"{n} and more")) for n in range(4)
]


class Behind:
    """A reference whose log-probs lie below the policy's by 2 for the chosen, above by 1 else."""

    def __init__(self, policy: LanguagePolicy) -> None:
        self.policy = policy

    def logps(self, rollouts: Rollouts) -> Tensor:
        with torch.no_grad():
            said = self.policy.forward(rollouts).logps
        chosen = torch.tensor(["more" not in text for text in rollouts.texts])
        said[:, 0] -= torch.where(chosen, 2.0, -1.0)
        return said


def moved(policy: LanguagePolicy, before: LanguagePolicy) -> Tensor:
    return torch.cat(
        [
            (a - b).detach().flatten()
            for a, b in zip(policy.module.parameters(), before.module.parameters(), strict=True)
        ]
    )


def test_a_margin_is_beta_times_the_difference_of_log_ratios() -> None:
    """The specification: beta .1, log-ratios +2 and -1 give .3."""
    policy = LanguagePolicy.load()
    behind: Any = Behind(policy)
    scorer = ImplicitReward(policy, beta=0.1, reference=behind)
    with torch.no_grad():
        score = scorer.score([one.task for one in PAIRS], [one.responses for one in PAIRS])
    assert score.view(4, 2).flatten().tolist() == pytest.approx([0.2, -0.1] * 4, abs=1e-5)
    peers = Peers((scorer, scorer), PAIRS, BradleyTerry(), PeerReview())
    for margins in peers.margins(torch.arange(4)):
        assert margins.tolist() == pytest.approx([0.3] * 4, abs=1e-5)


def test_bradley_terry_on_it_is_dpo() -> None:
    """Two updates, so that the second has a loss that is not log 2."""
    before = LanguagePolicy.load()
    once, other = copy.deepcopy(before), copy.deepcopy(before)
    settings: dict[str, Any] = {"optimiser": SGD(lr=0.5, clip=0.0), "epochs": 2, "batch": 4}
    told = fit_preferences(once, PAIRS, DPO(beta=0.1), **settings)
    same = fit_rankings(ImplicitReward(other, beta=0.1), PAIRS, BradleyTerry(), **settings)
    losses = [figures["loss"] for figures in told]
    assert losses == pytest.approx([figures["loss"] for figures in same], rel=1e-4)
    assert losses[0] == pytest.approx(0.693147, abs=1e-5)
    assert losses[1] < 0.69
    one, two = moved(once, before), moved(other, before)
    assert float((one - two).norm() / one.norm()) < 1e-3


def test_it_keeps_what_scorers_promise() -> None:
    policy = LanguagePolicy.load()
    scorer = ImplicitReward(policy)
    assert scorer.score([PAIRS[0].task], [["0"]]).tolist() == [0.0]  # the reference is itself
    with torch.no_grad():
        for weight in policy.module.parameters():
            weight.mul_(1.01)
    assert scorer.score([PAIRS[0].task], [["0"]]).item() != 0.0
    check_scorer(scorer)


def test_two_policies_review_each_other() -> None:
    policies = LanguagePolicy.load(), LanguagePolicy.load()
    scorers = (ImplicitReward(policies[0], 0.1), ImplicitReward(policies[1], 0.2))
    review = PeerReview(KeepRate(0.5, warmup=1, ramp=1))
    history, statistics = fit_peers(
        scorers, PAIRS, BradleyTerry(), review, epochs=2, batch=4, optimiser=SGD(lr=0.1)
    )
    assert [figures["kept_share"] for figures in history] == [1.0, 0.5]
    assert history[1]["loss"] < history[0]["loss"]
    assert int(statistics.learned_n.sum()) == 2 * (4 + 2)


def test_a_beta_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match=r"ImplicitReward\.beta"):
        ImplicitReward(LanguagePolicy.load(), beta=0.0)
