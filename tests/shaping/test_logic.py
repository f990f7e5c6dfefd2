"""Statements about rewards: AND, OR and NOT against numbers worked by hand."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from making import make_rollouts, make_scores

from guerdon.records import Progress
from guerdon.shaping import And, FixedReferences, Good, LogProbability, Not, Or, Weighted

NOW = Progress()
AT_ZERO = FixedReferences((0.0,))
A, B = Good("a", AT_ZERO), Good("b", AT_ZERO)
GAPS = st.floats(-30, 30, width=32)


def log_p(statement, a=0.0, b=0.0):
    scores = make_scores([a + b], parts={"a": torch.tensor([a]), "b": torch.tensor([b])})
    return LogProbability(statement)(scores, make_rollouts([0]), NOW).value.item()


@pytest.mark.parametrize(
    ("statement", "a", "b", "expected"),
    [
        (And((A, B)), 0.0, 0.0, math.log(0.25)),
        (And((A, B)), 2.0, -2.0, -2.2539),
        (Or((A, B)), 0.0, 0.0, math.log(0.75)),
        (Not(A), 2.0, 0.0, -2.1269),
        (Not(Not(A)), 2.0, 0.0, -0.1269),
        (And(()), 0.0, 0.0, 0.0),
        (A, -1000.0, 0.0, -1000.0),
        (Not(A), 1000.0, 0.0, -1000.0),
        (Or((A, B)), -1000.0, -1001.0, -1000 + math.log1p(math.exp(-1))),
        (Not(And((A, B))), 1000.0, 1000.0, -1000 + math.log(2)),
        (Weighted(A, 2.0), 0.0, 0.0, math.log(0.25)),
        (Not(Weighted(A, 2.0)), 0.0, 0.0, math.log(0.75)),
        (Not(Weighted(A, 2.0)), 1000.0, 0.0, -1000 + math.log(2)),
        (And((Weighted(A, 0.5), B)), -4.0, 0.0, -0.5 * 4.01815 - 0.69315),
    ],
)
def test_worked_values(statement, a, b, expected):
    assert log_p(statement, a, b) == pytest.approx(expected, abs=1e-4)


def test_balance_beats_the_same_sum():
    assert log_p(And((A, B)), 2.0, -2.0) < log_p(And((A, B)), 0.0, 0.0)


def test_several_references_average_probabilities():
    both = Good("a", FixedReferences((-1.0, 1.0)))
    assert log_p(both) == pytest.approx(math.log(0.5))
    assert log_p(Good("a", FixedReferences()), 2.0) == pytest.approx(-0.1269, abs=1e-4)


@settings(deadline=None)
@given(GAPS, GAPS)
def test_the_laws_of_probability(a, b):
    p, q = (1 / (1 + math.exp(-x)) for x in (a, b))
    assert log_p(And((A, B)), a, b) == pytest.approx(math.log(p * q), abs=1e-4, rel=1e-4)
    neither = log_p(And((Not(A), Not(B))), a, b)
    assert log_p(Not(Or((A, B))), a, b) == pytest.approx(neither, abs=1e-4, rel=1e-4)
    total = math.exp(log_p(Or((A, B)), a, b)) + math.exp(neither)
    assert total == pytest.approx(1.0, abs=1e-5)
    assert log_p(And((A, B)), a, b) <= log_p(Or((A, B)), a, b) + 1e-6


@settings(deadline=None)
@given(GAPS, st.floats(0.1, 5))
def test_powers_of_a_probability(a, weight):
    p = 1 / (1 + math.exp(-a))
    assert log_p(Weighted(A, weight), a) == pytest.approx(weight * math.log(p), abs=1e-4, rel=1e-4)
    complement = math.log(-math.expm1(weight * -math.log1p(math.exp(-a))))
    assert log_p(Not(Weighted(A, weight)), a) == pytest.approx(complement, abs=2e-3, rel=1e-3)


@pytest.mark.parametrize(("gamma", "expected"), [(1.0, [0.8, 0.2]), (0.5, [0.9412, 0.0588])])
def test_the_aligned_policy_is_the_prior_given_good(gamma, expected):
    logits = torch.tensor([0.8, 0.2]).logit()
    scores = make_scores(logits.tolist())
    u = LogProbability(Good("", AT_ZERO))(scores, make_rollouts([0, 0]), NOW).value
    assert (u / gamma).softmax(0).tolist() == pytest.approx(expected, abs=1e-4)


def test_a_part_that_is_not_finite_makes_the_row_invalid():
    scores = make_scores([0.0, 0.0], parts={"a": torch.tensor([0.0, math.nan])})
    made = LogProbability(Not(A))(scores, make_rollouts([0, 0]), NOW)
    assert made.valid.tolist() == [True, False]


def test_errors_name_the_mend():
    with pytest.raises(ValueError, match=r"Good asks for 'absent'.*a, b"):
        log_p(Good("absent", AT_ZERO))
    with pytest.raises(ValueError, match="at least one statement"):
        Or(())
    with pytest.raises(ValueError, match="above 0"):
        Weighted(A, 0.0)
