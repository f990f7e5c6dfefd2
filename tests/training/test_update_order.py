"""Minibatches, micro-batches and processes get whole groups."""

from __future__ import annotations

import pytest
import torch
from making import make_rollouts

from guerdon.training.update import Shard, _whole_groups, minibatches


def test_groups_and_rows_are_longest_first():
    rollouts = make_rollouts([0, 1, 0, 1, 2], [2, 3, 4, 9, 5])
    assert _whole_groups(rollouts, Shard()).tolist() == [3, 1, 4, 2, 0]


@pytest.mark.parametrize("world", [1, 2, 3, 4])
def test_processes_share_out_all_rows(world):
    rollouts = make_rollouts([0, 1, 0, 1, 2, 2, 2], [2, 3, 4, 9, 5, 5, 1])
    shares = [_whole_groups(rollouts, Shard(rank, world)).tolist() for rank in range(world)]
    assert sorted(row for share in shares for row in share) == list(range(7))
    assert all(shares)
    if world <= 3:
        owners = [{rollouts.group[row].item() for row in share} for share in shares]
        assert sum(len(groups) for groups in owners) == 3


def test_no_rows():
    assert _whole_groups(make_rollouts([], []), Shard()).tolist() == []


def test_minibatches_are_whole_groups_in_an_order_of_the_seed():
    group = torch.arange(8).repeat(4)  # eight groups of four, interleaved
    rows = torch.arange(32)
    made = minibatches(rows, group, 8, seed=3)
    assert [len(piece) for piece in made] == [8] * 4
    assert sorted(torch.cat(made).tolist()) == rows.tolist()
    assert all(len(group[piece].unique()) == 2 for piece in made)
    again, other = (torch.cat(minibatches(rows, group, 8, seed)) for seed in (3, 4))
    assert torch.equal(torch.cat(made), again)
    assert torch.cat(made).tolist() != other.tolist()
    assert group[again].tolist() != group[other].tolist()
    seen = {tuple(minibatches(rows, group, 4, seed)[0].tolist()) for seed in range(40)}
    assert len(seen) > 30  # rows of a group are shuffled too


def test_groups_stay_whole_where_rows_are_left_out():
    group = torch.tensor([0, 0, 0, 1, 1, 1, 2, 2, 2])
    rows = torch.tensor([0, 1, 3, 4, 5, 7])  # groups of 2, 3 and 1
    for seed in range(20):
        made = minibatches(rows, group, 4, seed)
        assert sorted(torch.cat(made).tolist()) == rows.tolist()
        assert all(len(piece) <= 4 for piece in made)
        owners = [{*group[piece].tolist()} for piece in made]
        assert sum(len(one) for one in owners) == 3
    (whole,) = minibatches(rows, group, 0, seed=0)
    assert sorted(whole.tolist()) == rows.tolist()


def test_a_group_larger_than_a_minibatch_is_one():
    group = torch.tensor([0, 0, 0, 1, 1])
    made = minibatches(torch.arange(5), group, 2, seed=0)
    assert sorted(len(piece) for piece in made) == [2, 3]
