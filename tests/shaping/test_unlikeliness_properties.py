"""What the unlikeliness reward keeps, whatever the numbers; penalties as credit."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from making import make_rollouts, make_scores

from guerdon.advantages import GroupNormalised, ReturnToGo
from guerdon.curriculum import Informative
from guerdon.records import Experience, Progress
from guerdon.shaping import KLPenalty, OverlongPenalty, PaperForm, ReleasedForm, Unlikeliness

NOW = Progress()
ROWS = st.lists(st.tuples(st.integers(-40, -1), st.booleans()), min_size=2, max_size=9)


def shaped(logps, rewards, **settings):
    rollouts = make_rollouts([0] * len(logps), logps=torch.tensor(logps)[:, None].float())
    return Unlikeliness(**settings)(make_scores(rewards), rollouts, NOW), rollouts


@given(ROWS, st.sampled_from([ReleasedForm(), PaperForm()]))
def test_only_the_order_of_likelihoods_counts(rows, form):
    logps, right = zip(*rows, strict=True)
    rewards = [float(r) for r in right]
    plain = shaped(logps, rewards, form=form)[0].value
    moved = shaped([-(x**2) / 7 - 3 for x in logps], rewards, form=form)[0].value
    assert torch.equal(plain, moved)
    assert ((plain <= torch.tensor(rewards)) & (plain >= 0.75 * torch.tensor(rewards))).all()


@given(st.permutations(range(6)), st.lists(st.booleans(), min_size=6, max_size=6))
def test_the_rarer_right_one_gains_more_and_wrong_ones_least(order, right):
    scores, rollouts = shaped([-float(i) for i in order], [float(r) for r in right])
    advantage = GroupNormalised()(Experience(rollouts, scores))[:, 0].tolist()
    by_likelihood = [
        advantage[row] for row in sorted(range(6), key=order.__getitem__) if right[row]
    ]
    assert by_likelihood == sorted(by_likelihood)
    wrong = {a for a, r in zip(advantage, right, strict=True) if not r}
    assert len(wrong) <= 1
    if wrong and by_likelihood:
        assert min(by_likelihood) > max(wrong)


def test_groups_without_a_contrast_in_the_reward_itself_are_left_out():
    """All right: the shaped rewards differ, and the filter looks at those before it."""
    scores, rollouts = shaped([-1.0, -2.0, -3.0], [1.0] * 3)
    assert scores.value.unique().numel() == 3
    assert Informative()(Experience(rollouts, make_scores([1.0] * 3))).tolist() == [False]
    wrong, rollouts = shaped([-1.0, -2.0, -3.0], [0.0] * 3)
    assert wrong.value.tolist() == [0, 0, 0]
    assert Informative()(Experience(rollouts, make_scores([0.0] * 3))).tolist() == [False]
    assert Informative()(Experience(rollouts, make_scores([0.0, 1.0, 0.0]))).tolist() == [True]
    plain, rollouts = shaped([-1.0, -2.0, -3.0], [0.0, 1.0, 1.0], beta=0.0)
    unshaped = make_scores([0.0, 1.0, 1.0])
    assert torch.equal(
        GroupNormalised()(Experience(rollouts, plain)),
        GroupNormalised()(Experience(rollouts, unshaped)),
    )


def test_an_all_right_group_only_reshuffles():
    scores, rollouts = shaped([-1.0, -2.0, -3.0, -4.0], [1.0] * 4)
    assert GroupNormalised()(Experience(rollouts, scores)).sum().item() == pytest.approx(
        0.0, abs=1e-5
    )


def test_kl_in_the_reward_is_credited_to_the_tokens_before_it():
    rollouts = make_rollouts(
        [0],
        mask=[[1, 0, 1]],
        logps=torch.tensor([[-1.0, 0.0, -2.0]]),
        reference_logps=torch.tensor([[-2.0, 0.0, -4.0]]),
    )
    scores = KLPenalty(0.1)(make_scores([1.0]), rollouts, NOW)
    assert ReturnToGo()(Experience(rollouts, scores))[0].tolist() == pytest.approx([0.7, 0.0, 0.8])


def test_penalties_follow_one_another():
    rollouts = make_rollouts(
        [0], [2], logps=torch.tensor([[-1.0, -1.0]]), reference_logps=torch.tensor([[-2.0, -1.0]])
    )
    scores = KLPenalty(0.1)(make_scores([1.0]), rollouts, NOW)
    both = OverlongPenalty(2, 2)(scores, rollouts, NOW)
    assert both.placed[0].tolist() == pytest.approx([-0.1, 0.0])
    assert both.value.item() == pytest.approx(-0.1)
    assert set(both.parts) == {"kl_penalty", "overlong"}
