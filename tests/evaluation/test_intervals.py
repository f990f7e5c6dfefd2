import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from guerdon.evaluation import (
    bootstrap,
    paired_bootstrap,
    paired_difference,
    permutation_test,
    sign_flip_test,
    student,
    unpaired_bootstrap,
    wilson,
)


def test_wilson_by_hand():
    # p = .5, n = 10, z = 1.959964: z² = 3.841459, half width z/(2(1+z²/n)) * sqrt((1+z²/n)/n).
    found = wilson(5, 10)
    assert found.low == pytest.approx(0.236593, abs=1e-5)
    assert found.high == pytest.approx(0.763407, abs=1e-5)
    # No success: high end is z²/(n + z²).
    assert wilson(0, 10).low == 0.0
    assert wilson(0, 10).high == pytest.approx(3.841459 / 13.841459, abs=1e-6)
    assert wilson(10, 10).high == 1.0


def test_wilson_of_nothing_knows_nothing():
    found = wilson(0, 0)
    assert math.isnan(found.estimate)
    assert (found.low, found.high) == (0.0, 1.0)


@pytest.mark.parametrize(("successes", "n"), [(-1, 3), (4, 3), (0, -1)])
def test_wilson_refuses(successes, n):
    with pytest.raises(ValueError, match="successes"):
        wilson(successes, n)


@given(st.integers(1, 500).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
@settings(max_examples=50, deadline=None)
def test_wilson_mirrors_and_contains(case):
    k, n = case
    found, mirror = wilson(k, n), wilson(n - k, n)
    assert 0 <= found.low <= found.estimate <= found.high <= 1
    assert found.low == pytest.approx(1 - mirror.high, abs=1e-12)


def test_paired_difference_by_hand():
    # Differences 1, 2, 3: mean 2, s = 1, t(.975, 2) = 4.302653, half width 2.484138.
    found = paired_difference([1, 2, 4], [0, 0, 1])
    assert found.estimate == 2
    assert found.low == pytest.approx(2 - 2.484138, abs=1e-5)
    assert found.high == pytest.approx(2 + 2.484138, abs=1e-5)


def test_student_degenerate_cases():
    assert (student([0.1] * 3).low, student([0.1] * 3).high) == (0.1, 0.1)
    assert student([4.0]).low == -math.inf
    for bad in ([], [1.0, math.nan]):
        with pytest.raises(ValueError, match="student"):
            student(bad)


def test_pairs_must_match_and_levels_be_levels():
    with pytest.raises(ValueError, match="pairs"):
        paired_difference([1, 2], [1])
    with pytest.raises(ValueError, match="level"):
        student([1, 2], level=95)


def test_pairing_removes_shared_noise():
    base = [0.0, 10.0, 20.0, 30.0]
    treated = [x + 1 for x in base]
    paired = paired_bootstrap(treated, base, resamples=500)
    loose = unpaired_bootstrap(treated, base, resamples=500)
    assert (paired.low, paired.high) == (1, 1)
    assert loose.estimate == 1
    assert loose.low < 0 < loose.high


def test_bootstrap_is_seeded_and_near_the_normal_interval():
    values = [float(i % 10) for i in range(400)]
    found = bootstrap(values, resamples=2000)
    assert found == bootstrap(values, resamples=2000)
    # Standard error 2.8723 / 20 = 0.1436; the 95 % half width is 0.2815.
    assert found.high - found.low == pytest.approx(2 * 0.2815, rel=0.08)


def test_sign_flip_exact():
    # All three differences positive: only +++ and --- are as extreme, 2 of 8.
    assert sign_flip_test([1, 2, 3], [0, 0, 0]) == 0.25
    assert sign_flip_test([1, 1], [1, 1]) == 1.0
    # |3 - 1| = 2 against sums 4, 2, 2, 4: all are as extreme.
    assert sign_flip_test([3, 0], [0, 1]) == 1.0


def test_random_tests_never_say_zero():
    assert sign_flip_test([1.0] * 20, [0.0] * 20, resamples=99) == pytest.approx(0.01)
    assert permutation_test([9.0] * 20, [0.0] * 20, resamples=99) == pytest.approx(0.01)
    assert permutation_test([1.0, 1.0], [1.0, 1.0], resamples=99) == 1.0
