"""Exact numbers, the last number of a text, and sums that hold."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guerdon.parsing import MAX_DIGITS, MAX_EXPONENT, last_number, parse_number, sums_hold


@given(st.integers(-(10**30), 10**30))
def test_integers_with_and_without_separators(n: int) -> None:
    assert parse_number(str(n)) == n
    assert parse_number(f"{n:,}") == n
    assert parse_number(f" ${n}$ ") == n


@given(st.decimals(allow_nan=False, allow_infinity=False, places=4, min_value=-(10**9)))
def test_decimals_are_exact(x: object) -> None:
    assert parse_number(f"{x:f}") == Fraction(f"{x:f}")


@given(st.floats(allow_nan=False, allow_infinity=False, min_value=-1e200, max_value=1e200))
def test_floats_read_as_they_are_printed(x: float) -> None:
    if x == 0 or abs(x) > 1e-200:
        assert parse_number(repr(x)) == Fraction(repr(x))


@given(st.integers(-999, 999), st.integers(1, 999))
def test_fractions(a: int, b: int) -> None:
    assert parse_number(f"{a}/{b}") == Fraction(a, b)
    assert parse_number(rf"\frac{{{a}}}{{{b}}}") == Fraction(a, b)


@given(st.text(max_size=40))
def test_any_text_is_a_number_or_none(text: str) -> None:
    assert isinstance(parse_number(text), Fraction | None)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("50%", Fraction(1, 2)),
        (r"12.5\%", Fraction(1, 8)),
        ("-$1,200.50", Fraction(-2401, 2)),
        ("$-3", -3),
        ("−7", -7),
        ("+7", 7),
        ("42.", 42),
        (".5", Fraction(1, 2)),
        ("1e-2", Fraction(1, 100)),
        (r"\(3\)", 3),
        (r"-\dfrac{1}{2}", Fraction(-1, 2)),
        ("1{,}000", 1000),
        ("1,23", None),
        ("1,2345", None),
        ("1/0", None),
        (r"\frac18", Fraction(1, 8)),
        (r"-\dfrac1{8}", Fraction(-1, 8)),
        (r"\frac{12}5", Fraction(12, 5)),
        (r"\frac123", None),
        (r"\frac10", None),
        (r"\frac{1}{0}", None),
        ("+-3", None),
        ("3 4", None),
        ("3 apples", None),
        ("²", None),
        ("nan", None),
        ("inf", None),
        ("$", None),
        ("", None),
        ("9" * MAX_DIGITS, int("9" * MAX_DIGITS)),
        ("9" * (MAX_DIGITS + 1), None),
        (f"1e{MAX_EXPONENT}", 10**MAX_EXPONENT),
        (f"1e{MAX_EXPONENT + 1}", None),
        ("1e99999999", None),
    ],
)
def test_parse_number(text: str, value: Fraction | int | None) -> None:
    assert parse_number(text) == value


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("3 + 4 = 7", "7"),
        ("3-4", None),
        ("it is -4.", "-4"),
        ("from 1,000 to 2,500.", None),
        ("takes 2,500.", "2,500"),
        ("1,2345", None),
        ("is 3/4", "3/4"),
        ("up 5%!", "5%"),
        ("1.5e3 J", "1.5e3"),
        ("x2", None),
        ("none", None),
        ("", None),
    ],
)
def test_last_number(text: str, number: str | None) -> None:
    assert last_number(text) == number


@given(st.text(max_size=30), st.integers(-(10**9), 10**9))
def test_the_number_at_the_end_is_found(before: str, n: int) -> None:
    assert last_number(f"{before} = {n}") == str(n)


@pytest.mark.parametrize(
    ("text", "holds"),
    [
        ("7+8=15", True),
        ("3+4+1=8, carry 0", True),
        ("12-7-1=5", False),
        ("12-7+1=6", True),
        ("2+2=4;3+3=7", False),
        ("<think>carry:", True),
        ("1=1", True),
        ("1+" * 100_000 + "=2", True),
        ("9" * 1_000_000, True),
    ],
)
def test_written_sums_are_checked(text: str, holds: bool) -> None:
    assert sums_hold(text) is holds
