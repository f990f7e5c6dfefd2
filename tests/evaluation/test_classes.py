from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guerdon.evaluation import macro_f1


def test_macro_f1_by_hand() -> None:
    """Class 0: 1 of 2 found, nothing else: 2/3. Class 1: both found, and one too many: .8."""
    assert macro_f1([0, 0, 1, 1], [0, None, 1, 1]) == pytest.approx((2 / 3 + 0.8) / 2)
    assert macro_f1([0, 0, 1, 1], [0, 1, 1, 1]) == pytest.approx(0.7333, abs=1e-4)
    # Three classes: a is found once of twice, and given once; b once too often; c never.
    assert macro_f1(["a", "a", "b", "c"], ["a", None, "b", "b"]) == pytest.approx(
        (2 / 3 + 2 / 3 + 0) / 3
    )


def test_an_unread_answer_spares_nothing_where_there_are_two_classes() -> None:
    """Without the rule it would be (2/3 + 1) / 2."""
    silent = macro_f1([0, 0, 1, 1], [0, None, 1, 1])
    assert silent == macro_f1([0, 0, 1, 1], [0, "neither", 1, 1]) < (2 / 3 + 1) / 2


def test_degenerate_answers() -> None:
    assert macro_f1([1, 1], [1, 1]) == 1.0
    assert macro_f1([1, 1], [None, 2]) == 0.0
    assert macro_f1([0, 1], [1, 0]) == 0.0
    for right, answers in (([], []), ([1], []), ([None], [1])):
        with pytest.raises(ValueError, match="macro_f1"):
            macro_f1(right, answers)


@given(st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from("abcd")), min_size=1))
def test_macro_f1_is_a_share_and_knows_no_order(pairs: list[tuple[str, str]]) -> None:
    right, answers = zip(*pairs, strict=True)
    value = macro_f1(right, answers)
    assert 0 <= value <= 1
    turned = macro_f1(right[::-1], answers[::-1])
    assert value == pytest.approx(turned)
    assert macro_f1(right, right) == 1.0
