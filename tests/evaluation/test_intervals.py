import math
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from guerdon.evaluation import (
    bootstrap,
    bounded,
    paired_bootstrap,
    paired_bounded,
    paired_difference,
    permutation_test,
    sign_flip_test,
    student,
    unpaired_bootstrap,
    wilson,
)

SIGNS = list(product((-1, 1), repeat=9))


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
    assert sign_flip_test([0.5], [0.25]) == 1.0
    # Sixteen alike: all up and all down, 2 of 65,536; one of them the other way: 14, as far as
    # any pattern with one or none apart, 2 * (1 + 16).
    assert sign_flip_test([0.1] * 16, [0.0] * 16) == 2**-15
    assert sign_flip_test([0.1] * 15 + [-0.1], [0.0] * 16) == 34 / 2**16


@pytest.mark.parametrize("seed", range(4))
def test_sign_flips_are_those_counted_one_by_one(seed):
    gaps = np.round(np.random.default_rng(seed).normal(0.3, 1.0, 9), 1)  # some sums are tied
    sums = [abs(sum(s * g for s, g in zip(signs, gaps, strict=True))) for signs in SIGNS]
    extreme = sum(one >= abs(gaps.sum()) - 1e-9 for one in sums)
    assert sign_flip_test(gaps, [0.0] * 9) == extreme / 512


def test_random_tests_never_say_zero():
    assert sign_flip_test([1.0] * 31, [0.0] * 31, resamples=99) == pytest.approx(0.01)
    assert permutation_test([9.0] * 20, [0.0] * 20, resamples=99) == pytest.approx(0.01)
    assert permutation_test([1.0, 1.0], [1.0, 1.0], resamples=99) == 1.0


def test_bounded_by_hand():
    # 1, 1, 1, 1 and the ends 0 and 1: mean 5/6, s² = (5/36 + 25/36) / 5 = 1/6, t(.975, 5) =
    # 2.570582, half width 2.570582 * sqrt(1/6) / sqrt(6) = 0.428430.
    found = bounded([1.0] * 4, 0.0, 1.0)
    assert found.estimate == 1.0
    assert found.low == pytest.approx(5 / 6 - 0.428430, abs=1e-5)
    assert found.high == 1.0
    # 0.5 twice and the ends: mean 0.5, s² = 0.5 / 3, t(.975, 3) = 3.182446: past both ends.
    assert bounded([0.5, 0.5], 0.0, 1.0).low == 0.0
    # Another range is another unit: 4 of 4 at 2 in [0, 2].
    assert bounded([2.0] * 4, 0.0, 2.0).low == pytest.approx(2 * (5 / 6 - 0.428430), abs=1e-5)


def test_equal_results_are_not_certainty_and_many_say_more_than_few():
    widths = [(found := bounded([0.5] * n, 0.0, 1.0)).high - found.low for n in (1, 4, 64, 1024)]
    assert widths == sorted(widths, reverse=True)
    assert widths[0] == 1.0
    assert 0 < widths[-1] < 0.005
    nothing = paired_bounded([1.0] * 64, [1.0] * 64, 1.0)
    # The rule of three: what was not seen in 64 may be 3 in 64.
    assert nothing.low == pytest.approx(-nothing.high)
    assert nothing.high == pytest.approx(3 / 64, rel=0.15)


def test_bounded_holds_the_mean_and_stays_in_its_range():
    for values in ([0.0], [1.0], [0.0, 1.0], [1.0] * 2000, [0.0] * 1999 + [1.0]):
        found = bounded(values, 0.0, 1.0)
        assert 0 <= found.low <= found.estimate <= found.high <= 1
        assert found.low < found.high


@pytest.mark.parametrize("ends", [(0.0, math.inf), (1.0, 0.0), (0.0, 0.0), (math.nan, 1.0)])
def test_bounded_refuses_ends_that_are_none(ends):
    with pytest.raises(ValueError, match="finite ends"):
        bounded([0.5], *ends)


def test_bounded_refuses_a_value_outside():
    with pytest.raises(ValueError, match="outside"):
        bounded([0.5, 1.5], 0.0, 1.0)


DRAWN = {
    "graded, even": (lambda draw, n: draw.random(n), 0.5),
    "graded, mostly low": (lambda draw, n: draw.beta(0.2, 2.0, n), 0.2 / 2.2),
    "graded, mostly high": (lambda draw, n: draw.beta(5.0, 1.0, n), 5 / 6),
    "half marks, now and then": (lambda draw, n: (draw.random(n) < 0.1) * 0.5, 0.05),
    "narrow": (lambda draw, n: 0.5 + 0.1 * (draw.random(n) - 0.5), 0.5),
}


@pytest.mark.parametrize("name", DRAWN)
@pytest.mark.parametrize("n", [2, 4, 16, 64, 256])
def test_bounded_covers_as_often_as_it_says(name, n):
    draw, mean = np.random.default_rng(n), DRAWN[name][1]
    hits = 0
    for _ in range(1000):
        found = bounded(DRAWN[name][0](draw, n), 0.0, 1.0)
        hits += found.low <= mean <= found.high
    assert hits >= 930  # 950 expected, three standard errors are 21


@pytest.mark.parametrize(("gain", "loss"), [(0.02, 0.0), (0.1, 0.05), (0.4, 0.1), (0.9, 0.0)])
@pytest.mark.parametrize("n", [4, 16, 64, 256])
def test_paired_bounded_covers_as_often_as_it_says(gain, loss, n):
    draw = np.random.default_rng(n)
    hits = 0
    for _ in range(1000):
        found = paired_bounded(
            draw.choice([-1.0, 0.0, 1.0], p=[loss, 1 - gain - loss, gain], size=n), [0.0] * n, 1.0
        )
        hits += found.low <= gain - loss <= found.high
    assert hits >= 930
