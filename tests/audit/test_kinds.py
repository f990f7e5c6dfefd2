"""The right answer as people write it, and values that are nearly it: none of these is equal."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guerdon.audit.kinds import dressed, near_misses
from guerdon.audit.numerals import number_of
from guerdon.examples import Probe, probe
from guerdon.records import Task


def of(right: str, **columns: object) -> Probe:
    return Probe(Task("t", "?", right, columns), right, ("?",))


@given(st.decimals(-(10**6), 10**6, places=2) | st.integers(-(10**6), 10**6))
def test_no_near_miss_of_a_number_is_it(number: object) -> None:
    right = str(number)
    missed = [text.strip("*") for text in near_misses(of(right))]
    assert len(missed) >= 4
    assert all(Fraction(text) != Fraction(right) for text in missed)


@given(st.integers(1, 999), st.integers(1, 999))
def test_no_near_miss_of_a_fraction_is_it(above: int, below: int) -> None:
    for right in (f"{above}/{below}", rf"\frac{{{above}}}{{{below}}}"):
        missed = [text.strip("*") for text in near_misses(of(right))]
        assert all(Fraction(text) != Fraction(above, below) for text in missed)


def test_a_number_is_missed_by_a_step_a_sign_a_place_and_a_turn() -> None:
    missed = set(near_misses(of("4.25")))
    assert {"4.26", "4.24", "-4.25", "42.5", "0.425", "4.255"} <= missed
    assert "52" in set(near_misses(of("25")))
    assert "**1,235**" not in missed


def test_the_right_answer_is_dressed_by_its_kind() -> None:
    assert {"**42**", "$42$", r"\(42\)", "The answer is 42.", "x = 42"} <= set(dressed(of("42")))
    assert {"3/4", r"\dfrac{3}{4}", "3 / 4"} <= set(dressed(of(r"\frac{3}{4}")))
    assert {"**Paris**", "Paris."} <= set(dressed(of("Paris")))
    chosen = probe("c", "?", "B", ["A"], choices="AB", form="{answer}")
    chosen = chosen.with_columns(choices={"A": "cat", "B": "dog"})
    assert {"(B)", "B)", "B. dog"} <= set(dressed(chosen))
    assert {"A, because B is wrong", "A. cat"} <= set(near_misses(chosen))


@pytest.mark.parametrize("right", ["SELECT 1", '{"a": 1}', "def f():\n  pass", "a b c d e", ""])
def test_what_has_no_such_form_is_left_alone(right: str) -> None:
    assert not list(dressed(of(right)))
    assert not list(near_misses(of(right)))
    assert number_of(right) is None
