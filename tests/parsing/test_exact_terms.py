"""Sums of terms and plain lists: the exact, fast ways say what the slower ones say."""

from __future__ import annotations

import math
import time
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guerdon.parsing import same_expression
from guerdon.parsing.exact import _squarefree, same_terms
from guerdon.parsing.plain_lists import same_plain_lists
from guerdon.parsing.reading import read_tree


def same(one: str, two: str) -> bool | None:
    left, right = read_tree(one), read_tree(two)
    assert left is not None
    assert right is not None
    return same_terms(left, right)


@pytest.mark.parametrize(
    ("one", "two", "equal"),
    [
        (r"\sqrt{8}", r"2\sqrt{2}", True),
        (r"\sqrt2\sqrt6", r"2\sqrt3", True),
        (r"\frac{6}{\sqrt{3}}", r"2\sqrt3", True),
        (r"\sqrt{\frac{1}{2}}", r"\frac{\sqrt2}{2}", True),
        (r"(1+\sqrt2)^2", r"3+2\sqrt2", True),
        (r"(\sqrt3-1)(\sqrt3+1)", "2", True),
        (r"\sqrt2+\sqrt3", r"\sqrt5", False),
        (r"\sqrt2", "1.41421356237309504880168872420969807856967187537694", False),
        (r"\frac{2\pi}{4}", r"\frac{\pi}{2}", True),
        (r"\pi", r"\frac{22}{7}", False),
        ("(x+1)(x-1)", "x^2-1", True),
        ("(x+1)^2", "x^2+1", False),
        ("x^2/x", "x", True),
        ("x-x", "0", True),
        ("xy", "yx", True),
        (r"\sqrt{x^2}", "x", None),
        (r"\frac{1}{1+x}", "1", None),
        ("1/0", "1", None),
        ("0^0", "1", None),
        (r"\sqrt{-4}", "2i", None),
        (r"\sqrt[3]{8}", "2", None),
        ("2^{1000}", "2^{1001}", None),
        ("e", "e", None),
    ],
)
def test_terms_by_hand(one: str, two: str, equal: bool | None) -> None:
    assert same(one, two) is same(two, one) is equal


@given(st.integers(1, 10**9))
def test_a_number_is_a_square_times_a_squarefree_one(n: int) -> None:
    whole, free = _squarefree(n)
    assert whole**2 * free == n
    assert all(free % d**2 for d in range(2, 1001))


SURDS = st.tuples(st.integers(-9, 9), st.integers(1, 9), st.integers(1, 50))


@given(st.lists(SURDS, min_size=1, max_size=4), st.lists(SURDS, min_size=1, max_size=4))
def test_sums_of_roots_are_equal_where_their_values_are(
    one: list[tuple[int, int, int]], two: list[tuple[int, int, int]]
) -> None:
    def written(terms: list[tuple[int, int, int]]) -> str:
        return "+".join(rf"\frac{{{a}}}{{{b}}}\sqrt{{{n}}}" for a, b, n in terms)

    def value(terms: list[tuple[int, int, int]]) -> Fraction:
        """To 60 places; unequal sums of so few small roots differ long before."""
        roots = (Fraction(math.isqrt(n * 10**120), 10**60) * Fraction(a, b) for a, b, n in terms)
        return sum(roots, Fraction(0))

    close = abs(value(one) - value(two)) < Fraction(1, 10**50)
    assert same(written(one), written(two)) is close
    assert same(written(one), written(one[::-1])) is True


@pytest.mark.parametrize(
    "text", ["(x+1)^{30}" * 15, "(a+b+c+d+f)^9" * 20, r"\sqrt{999999937}" * 12, "9^{30}" * 40]
)
def test_no_expression_takes_long(text: str) -> None:
    tree = read_tree(text)
    assert tree is not None
    begun = time.process_time()
    same_terms(tree, tree)
    assert time.process_time() - begun < 1


@pytest.mark.parametrize(
    ("one", "two", "equal"),
    [
        ("(1, 2)", "(1,2)", True),
        (r"\left(1, 2\right)", "(1,2)", True),
        ("(1,2)", "(2,1)", False),
        ("[1,2)", "[1,2]", False),
        ("[1,2,3]", "(1,2,3)", True),
        ("[1,2]", "(1,2)", False),
        (r"\{1,2\}", r"\{2, 1\}", True),
        (r"\{1,1,2\}", r"\{1,2\}", False),
        ("(12,345)", "(12, 345)", True),
        ("(12,345)", "(1,345)", None),
        ("(1,000)", "(1000)", None),
        (
            r"\begin{pmatrix}1&2\\3&4\end{pmatrix}",
            r"\begin{bmatrix}1 & 2\\3 & 4\end{bmatrix}",
            True,
        ),
        (r"\begin{pmatrix}1&2\\3&4\end{pmatrix}", r"\begin{pmatrix}1&2\\4&3\end{pmatrix}", False),
        (r"\begin{vmatrix}1&2\\3&4\end{vmatrix}", r"\begin{pmatrix}1&2\\3&4\end{pmatrix}", None),
        ("(1,x)", "(1,2)", None),
    ],
)
def test_plain_lists(one: str, two: str, equal: bool | None) -> None:
    assert same_plain_lists(one, two) is same_plain_lists(two, one) is equal


BRACKETS = [("(", ")"), ("[", "]"), (r"\{", r"\}"), ("(", "]"), ("[", ")")]


@given(st.data())
def test_plain_lists_are_compared_as_trees_are(data: st.DataObject) -> None:
    def drawn() -> str:
        items = data.draw(st.lists(st.integers(-3, 3), min_size=1, max_size=3))
        left, right = data.draw(st.sampled_from(BRACKETS))
        return left + data.draw(st.sampled_from([",", ", "])).join(map(str, items)) + right

    one, two = drawn(), drawn()
    verdict = same_plain_lists(one, two)
    assert verdict is None or verdict is same_expression(one, two)
