"""Which pairs two scorers choose for each other, against numbers worked by hand."""

from __future__ import annotations

import math

import pytest
import torch

from guerdon.curriculum import (
    EachBatch,
    EasyToHard,
    KeepRate,
    PairStatistics,
    by_both,
    by_itself,
    by_peer,
    easy_to_hard,
    kept_count,
    largest,
)

A = torch.tensor([3.0, -1.0, 2.0, 0.0])
B = torch.tensor([0.0, 5.0, -2.0, 1.0])


def draw(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_each_is_taught_what_convinces_the_other() -> None:
    """Margins of A keep {0, 2} for B, those of B {1, 3} for A."""
    for reviewer, first, second in (
        (by_peer, [1, 3], [0, 2]),
        (by_itself, [0, 2], [1, 3]),
        (by_both, [0, 1], [0, 1]),  # means 1.5, 2, 0, .5
    ):
        picked = EachBatch().pick(lambda reviewer=reviewer: reviewer(A, B), 4, 0.5)
        assert [one.tolist() for one in picked] == [first, second]


def test_the_rate_is_1_in_the_warm_up_and_then_falls_in_a_line() -> None:
    keep = KeepRate(final=0.6, warmup=1, ramp=4)
    expected = [1.0, 0.9, 0.8, 0.7, 0.6, 0.6, 0.6]
    assert [keep(e) for e in range(7)] == pytest.approx(expected)
    assert KeepRate(0.6, warmup=0, ramp=1)(0) == pytest.approx(0.6)
    assert KeepRate(1.0, warmup=0)(9) == 1.0
    # One pass in ten rounds: the first tenth is the warm-up.
    brief = KeepRate(0.6, warmup=1, ramp=4, rounds=10)
    assert [brief(x) for x in (0.0, 0.09, 0.1, 0.3, 0.95)] == pytest.approx([1, 1, 0.9, 0.7, 0.6])
    assert brief(3 * 0.1) == brief(0.3)  # .30000000000000004


def test_counts_are_whole_and_never_none() -> None:
    assert [kept_count(4, rate) for rate in (0.5, 0.7, 0.1, 1.0)] == [2, 2, 1, 4]
    assert kept_count(1, 0.1) == 1
    assert kept_count(0, 0.5) == 0
    assert all(kept_count(100, k / 100) == k for k in range(1, 101))  # .29 * 100 < 29 in floats


def test_ties_go_to_the_first_and_nan_to_the_last() -> None:
    assert largest(torch.zeros(5), 0.6).tolist() == [0, 1, 2]
    assert largest(torch.tensor([math.nan, -1.0, math.nan, -2.0]), 0.5).tolist() == [1, 3]
    assert largest(torch.tensor([7.0]), 0.1).tolist() == [0]
    assert largest(torch.zeros(0), 0.5).tolist() == []


def test_buckets_run_from_easy_to_hard_and_are_shuffled_inside() -> None:
    margin = torch.arange(12.0)
    order = easy_to_hard(margin, 3, draw())
    parts = [set(one.tolist()) for one in order.split(4)]
    assert parts == [{8, 9, 10, 11}, {4, 5, 6, 7}, {0, 1, 2, 3}]
    assert order.tolist() != sorted(order.tolist(), reverse=True)
    assert easy_to_hard(margin[:2], 8, draw()).tolist() == [1, 0]
    assert easy_to_hard(margin[:0], 8, draw()).tolist() == []


def test_easy_to_hard_drops_the_worst_of_all_pairs_and_learns_batches_whole() -> None:
    order = EasyToHard(buckets=2)
    first, second = order.arrange(4, 0.5, lambda: by_peer(A, B), draw())
    assert (first.tolist(), second.tolist()) == ([1, 3], [0, 2])
    assert order.items(4, 0.5) == 2
    picked = order.pick(lambda: pytest.fail("no margins are needed"), 2, 0.5)
    assert [one.tolist() for one in picked] == [[0, 1], [0, 1]]


def test_each_batch_goes_over_all_pairs_in_one_order_for_both() -> None:
    asked = lambda: pytest.fail("no margins are needed")  # noqa: E731
    first, second = EachBatch().arrange(9, 0.5, asked, draw(3))
    assert torch.equal(first, second)
    assert sorted(first.tolist()) == list(range(9))
    assert EachBatch().items(9, 0.5) == 9


def test_statistics_of_a_pair() -> None:
    """Margins 1, 2, 6: mean 3, variance (4 + 1 + 9) / 3."""
    statistics = PairStatistics(["x", "y", "z"])
    for margin in (1.0, 2.0, 6.0):
        statistics.observe(torch.tensor([1, 0]), torch.tensor([margin, -margin]))
    statistics.observe(torch.tensor([1]), torch.tensor([math.nan]))
    statistics.learned(torch.tensor([1]))
    assert statistics.mean_n[:2].tolist() == [-3.0, 3.0]
    assert statistics.variance_n[:2].tolist() == pytest.approx([14 / 3, 14 / 3])
    rows = statistics.rows()
    assert [row["id"] for row in rows] == ["x", "y"]  # z was never seen
    assert rows[1] == {
        "id": "y",
        "margin": 3.0,
        "variance": pytest.approx(14 / 3),
        "seen": 3,
        "learned": 1,
    }
    copied = PairStatistics(["x", "y", "z"])
    copied.load_state_dict(statistics.state_dict())
    assert copied.rows() == rows
