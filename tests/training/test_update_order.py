"""Micro-batches and processes get whole groups."""

from __future__ import annotations

import pytest
from making import make_rollouts

from guerdon.training.update import Shard, _whole_groups


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
