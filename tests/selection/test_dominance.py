"""Pairs of a group's rows, in D3PO's numbers."""

from dataclasses import replace

import pytest
import torch
from making import make_rollouts, make_scores

from guerdon.records import Progress
from guerdon.selection import AllPairs, dominating

NOW = Progress()


def told(pairs):
    return list(zip(pairs.chosen.tolist(), pairs.rejected.tolist(), strict=True))


def test_5_seven_samples_are_21_pairs():
    value = torch.tensor([3.0, 1, 4, 1.5, 9, 2, 6])
    pairs = dominating(value[:, None], torch.ones(7).bool(), torch.zeros(7).long())
    assert len(pairs) == 21
    assert (value[pairs.chosen] > value[pairs.rejected]).all()
    assert len(set(map(frozenset, told(pairs)))) == 21


def test_5_two_rewards_tell_where_neither_is_worse():
    def pair(one, two):
        return told(
            dominating(torch.tensor([one, two]), torch.ones(2).bool(), torch.zeros(2).long())
        )

    assert pair([1.0, 0], [0, 1]) == []
    assert pair([1.0, 1], [0, 1]) == [(0, 1)]
    assert pair([0.0, 1], [1, 1]) == [(1, 0)]
    assert pair([1.0, 1], [1, 1]) == []


def test_groups_stay_apart_and_what_could_not_be_judged_is_in_no_pair():
    rows = make_rollouts([0, 1, 0, 1, 1])
    scores = make_scores([1.0, 5, 2, 5, 9], [True, True, True, True, False])
    chosen = AllPairs()(scores, rows, NOW)
    assert chosen.rows.tolist() == [0, 2]
    assert told(chosen.pairs) == [(1, 0)]
    none = AllPairs()(make_scores([1.0]), make_rollouts([0]), NOW)
    assert (len(none.rows), len(none.pairs)) == (0, 0)


def test_pairs_by_parts():
    rows = make_rollouts([0, 0, 0])
    parts = {"a": torch.tensor([1.0, 0, 1]), "b": torch.tensor([1.0, 1, 0])}
    scores = make_scores([0.0, 9, 9], parts=parts)
    chosen = AllPairs(("a", "b"))(scores, rows, NOW)
    assert told(chosen.pairs) == [(0, 1), (0, 2)]
    with pytest.raises(ValueError, match="names 'c'; the parts are a, b"):
        AllPairs(("c",))(scores, rows, NOW)
    missing = replace(scores, parts={"a": torch.tensor([1.0, float("nan"), 0])})
    assert told(AllPairs(("a",))(missing, rows, NOW).pairs) == [(0, 1)]


def test_an_increasing_change_of_the_reward_changes_no_pair():
    rows = make_rollouts([0] * 6)
    value = torch.tensor([0.3, -1.0, 0.3, 0.9, -0.2, 0.0])
    made = [
        AllPairs()(make_scores(v.tolist()), rows, NOW).pairs for v in (value, (3 * value).exp())
    ]
    assert told(made[0]) == told(made[1])
