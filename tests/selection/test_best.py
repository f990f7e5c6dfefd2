"""The best rows, alone and against the worst; and the policy's loop that learns from them."""

import math
from dataclasses import dataclass

import pytest
import torch
from making import make_rollouts, make_scores

from guerdon.advantages import Imitation
from guerdon.curriculum import Informative
from guerdon.objectives import DPO, OnPairs, PolicyGradient
from guerdon.records import Experience, Pairs, PolicyOutput, Progress, Scores, Task
from guerdon.rollout import TabularPolicy
from guerdon.selection import BestAgainstWorst, BestOfN, WholeGroups
from guerdon.training import SGD, FixedReference, Loop, PolicyRecipe, train

NOW = Progress()
ROLLOUTS = make_rollouts([0, 1, 0, 1, 0, 2])
SCORES = make_scores([1.0, 5.0, 3.0, 5.0, 3.0, 9.0], [True, True, True, True, True, False])


@pytest.mark.parametrize(("keep", "rows"), [(1, [1, 2]), (2, [1, 2, 3, 4]), (9, [0, 1, 2, 3, 4])])
def test_the_best_of_each_group(keep, rows):
    assert BestOfN(keep)(SCORES, ROLLOUTS, NOW).rows.tolist() == rows


@pytest.mark.parametrize("least", [0.0, 2.0])
def test_the_best_against_the_worst(least):
    """Group 0: row 2 (3) against row 0 (1). Group 1 is tied, group 2 invalid."""
    chosen = BestAgainstWorst(least)(SCORES, ROLLOUTS, NOW)
    assert chosen.rows.tolist() == ([0, 2] if least < 2 else [])
    assert len(chosen.pairs) == (least < 2)
    if least < 2:
        assert (chosen.pairs.chosen.item(), chosen.pairs.rejected.item()) == (1, 0)


def test_a_filter_selects_whole_groups():
    chosen = WholeGroups(Informative())(SCORES, ROLLOUTS, NOW)
    assert chosen.rows.tolist() == [0, 2, 4]
    none = make_rollouts([])
    assert BestOfN()(Scores(torch.zeros(0)), none, NOW).rows.tolist() == []


def test_dpo_on_pairs_by_hand():
    """delta = (-1 + 2) - (-3 + 2.5) = 1.5; masked positions and rows in no pair don't count."""
    rollouts = make_rollouts(
        [0, 0, 0], mask=[[1, 1], [1, 0], [1, 1]],
        reference_logps=torch.tensor([[-1.0, -1.0], [-2.5, 7.0], [-1.0, -1.0]]),
    )  # fmt: skip
    now = PolicyOutput(torch.tensor([[-0.5, -0.5], [-3.0, 9.0], [-1.0, -1.0]], requires_grad=True))
    one = torch.tensor([1]), torch.tensor([0])
    known = Experience(rollouts, pairs=Pairs(one[1], one[0]))
    loss = OnPairs(DPO(0.2))(now, known)
    assert loss.value.item() == pytest.approx(math.log(1 + math.exp(-0.2 * 1.5)), rel=1e-5)
    loss.value.backward()
    assert now.logps.grad[1, 1] == 0
    assert (now.logps.grad[2] == 0).all()
    empty = torch.zeros(0, dtype=torch.long)
    assert OnPairs()(now, Experience(rollouts, pairs=Pairs(empty, empty))).value.item() == 0
    for wrong in (None, Pairs(*one, margin=torch.ones(1)), Pairs(*one, weight=torch.tensor([2.0]))):
        with pytest.raises(ValueError, match="pairs"):
            OnPairs()(now, Experience(rollouts, pairs=wrong))


@dataclass(frozen=True)
class OneTask:
    def load(self, split):
        return [Task("a", "")] if split == "train" else []


@dataclass(frozen=True)
class FirstIsRight:
    def __call__(self, rollouts, progress):
        return Scores(torch.tensor([text == "x" for text in rollouts.texts]).float())


@pytest.mark.parametrize(
    "settings",
    [
        {"selection": BestOfN(), "advantage": Imitation(), "objective": PolicyGradient()},
        {
            "selection": BestAgainstWorst(),
            "objective": OnPairs(DPO()),
            "reference": FixedReference(),
        },
    ],
    ids=["best-of-n", "iterative dpo"],
)
@pytest.mark.parametrize("minibatch", [0, 8])
def test_the_policys_loop_learns_from_what_was_chosen(settings, minibatch):
    policy = TabularPolicy(["a"], list("xyz"))
    loop = Loop(steps=20, groups=4, minibatch=minibatch, checkpoint_every=0)
    made = PolicyRecipe(
        tasks=OneTask(), reward=FirstIsRight(), optimiser=SGD(2.0), loop=loop, **settings
    )
    result = train(made, policy=policy, quiet=True)
    assert torch.softmax(policy.logits.detach(), 1)[0, 0] > 0.8
    assert result.history[0]["sampled_groups"] == 4
