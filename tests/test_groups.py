"""Statistics inside groups against numbers worked by hand."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from making import make_rollouts, make_scores

from guerdon.advantages import GroupNormalised
from guerdon.groups import group_statistics, standardised
from guerdon.records import Experience

NAN = math.nan
VALUE = torch.tensor([1.0, 3.0, 8.0, NAN, 5.0, NAN])
VALID = torch.tensor([True, True, True, False, True, False])
GROUP = torch.tensor([0, 0, 1, 0, 0, 2])
"""Group 0 is 1, 3, 5 and an invalid row, group 1 is 8 alone, group 2 has no valid row."""


def test_statistics_are_each_rows_groups_own() -> None:
    found = group_statistics(VALUE, VALID, GROUP)
    assert found.mean.tolist() == [3, 3, 8, 3, 3, 0]
    assert found.std.tolist() == [2, 2, 0, 2, 2, 0]
    assert found.count.tolist() == [3, 3, 1, 3, 3, 0]


def test_the_biased_spread_divides_by_the_count() -> None:
    found = group_statistics(VALUE, VALID, GROUP, unbiased=False)
    assert found.std.tolist() == pytest.approx([*[(8 / 3) ** 0.5] * 2, 0, *[(8 / 3) ** 0.5] * 2, 0])


def test_standardised_rows_and_what_has_nothing_to_compare() -> None:
    assert standardised(VALUE, VALID, GROUP, 0.0).tolist() == [-1, 0, 0, 0, 1, 0]
    assert standardised(VALUE, VALID, GROUP, 2.0).tolist() == [-0.5, 0, 0, 0, 0.5, 0]
    biased = standardised(VALUE, VALID, GROUP, 0.0, unbiased=False)
    assert biased.tolist() == pytest.approx([-(1.5**0.5), 0, 0, 0, 1.5**0.5, 0])


@pytest.mark.parametrize("bad", [NAN, float("inf"), -float("inf")])
def test_a_value_that_is_not_finite_spoils_its_group_alone_and_is_seen(bad: float) -> None:
    value, valid = (
        torch.tensor([1.0, bad, 3.0, 0.0, 2.0]),
        torch.tensor([True] * 2 + [False] + [True] * 2),
    )
    found = standardised(value, valid, torch.tensor([0, 0, 0, 1, 1]), 0.0)
    assert found[:2].isnan().all()
    assert found[2:].tolist() == pytest.approx([0, -(0.5**0.5), 0.5**0.5])


def test_no_rows_and_no_valid_rows() -> None:
    none, nothing = torch.zeros(0), torch.zeros(0, dtype=torch.long)
    assert standardised(none, nothing.bool(), nothing, 1e-6).shape == (0,)
    assert group_statistics(none, nothing.bool(), nothing).mean.shape == (0,)
    invalid = standardised(VALUE, torch.zeros(6, dtype=torch.bool), GROUP, 1e-6)
    assert invalid.tolist() == [0] * 6


@given(st.floats(-1e6, 1e6, width=32), st.integers(1, 7), st.sampled_from([0.0, 1e-6]))
def test_equal_values_give_exactly_zero(value: float, rows: int, epsilon: float) -> None:
    value_N = torch.full((rows,), value)
    found = standardised(value_N, torch.ones(rows).bool(), torch.zeros(rows).long(), epsilon)
    assert found.tolist() == [0] * rows


@given(st.lists(st.integers(-8, 8), min_size=2, max_size=6), st.floats(0.5, 4), st.floats(-9, 9))
def test_shift_and_scale_of_a_group_change_nothing(
    values: list[int], scale: float, shift: float
) -> None:
    value_N, rows = torch.tensor(values, dtype=torch.double), len(values)
    valid_N, group_N = torch.ones(rows).bool(), torch.zeros(rows).long()
    plain = standardised(value_N, valid_N, group_N, 0.0)
    moved = standardised(scale * value_N + shift, valid_N, group_N, 0.0)
    if len(set(values)) > 1:
        assert moved.tolist() == pytest.approx(plain.tolist(), abs=1e-4)


def test_what_differs_by_rounding_alone_is_tied_for_every_comparison() -> None:
    """0.1 + 0.2 + 0.3 in two orders: neither the advantage nor a reward's average sees a winner."""
    sums = [0.1 + 0.2 + 0.3, 0.3 + 0.2 + 0.1]
    one, other = (torch.tensor(x, dtype=torch.float32) for x in sums)
    value = torch.stack([one, torch.nextafter(one, other + 1), other])
    group, valid = torch.zeros(3).long(), torch.ones(3).bool()
    assert value.unique().numel() > 1
    assert group_statistics(value, valid, group).tied.all()
    assert (standardised(value, valid, group, 0.0) == 0).all()
    made = GroupNormalised()(Experience(make_rollouts([0] * 3), make_scores(value.tolist())))
    assert (made == 0).all()
    near_zero = torch.tensor([0.0, 1e-9, 0.0])
    assert not group_statistics(near_zero, valid, group).tied.any()
