from itertools import combinations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from guerdon.evaluation import consistency, majority, mean_at_k, pass_at_k


def test_pass_at_k_by_hand():
    # 1 - C(3, 2) / C(5, 2) = 1 - 3/10.
    assert pass_at_k(5, 2, 2) == pytest.approx(0.7)
    # 1 - C(3, 2) / C(4, 2) = 1 - 3/6.
    assert pass_at_k(4, 1, 2) == pytest.approx(0.5)
    assert pass_at_k(10, 3, 1) == pytest.approx(0.3)
    assert pass_at_k(4, 0, 4) == 0.0
    assert pass_at_k(4, 1, 4) == 1.0


@given(st.integers(1, 8), st.data())
@settings(max_examples=40, deadline=None)
def test_pass_at_k_counts_subsets(n, data):
    correct = data.draw(st.integers(0, n))
    k = data.draw(st.integers(1, n))
    subsets = list(combinations([True] * correct + [False] * (n - correct), k))
    assert pass_at_k(n, correct, k) == pytest.approx(sum(map(any, subsets)) / len(subsets))


@pytest.mark.parametrize(("n", "correct", "k"), [(0, 0, 1), (3, 4, 1), (3, 1, 4), (3, 1, 0)])
def test_pass_at_k_refuses(n, correct, k):
    with pytest.raises(ValueError, match="pass_at_k"):
        pass_at_k(n, correct, k)


def test_mean_at_k_leaves_invalid_out():
    rows = [[True, False, True], [None, True, False], [None, None, True]]
    assert mean_at_k(rows, 2) == pytest.approx((0.5 + 1.0) / 2)
    with pytest.raises(ValueError, match="task 0"):
        mean_at_k(rows, 4)
    with pytest.raises(ValueError, match="no valid"):
        mean_at_k([[None]], 1)


def test_votes():
    assert majority(["b", "a", "a", None, None, None]) == "a"
    assert majority(["b", "a"]) == "b"
    assert majority([None]) is None
    # Counts 2 and 1 of three: one equal pair of three.
    assert consistency(["a", "a", "b"]) == pytest.approx(1 / 3)
    with pytest.raises(ValueError, match="two answers"):
        consistency(["a", None])
