"""Boxes with balanced braces; letters of multiple-choice answers (dianjin-r1 unit checks)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guerdon.parsing import boxed_spans, choice_letters, last_boxed, separated_choice_letters

BALANCED = st.recursive(
    st.text(st.characters(blacklist_characters="{}\\"), max_size=5),
    lambda inner: st.lists(inner.map(lambda s: "{" + s + "}"), max_size=3).map("".join),
    max_leaves=8,
)


@given(BALANCED, st.text(max_size=20))
def test_a_balanced_box_is_read_whatever_stands_before(inside: str, before: str) -> None:
    # A backslash just before the box would escape it.
    assert last_boxed(before.rstrip("\\") + " \\boxed{" + inside + "}") == inside.strip()


@pytest.mark.parametrize(
    ("text", "inside"),
    [
        (r"\boxed{1} then \boxed{2}", "2"),
        (r"\boxed{\frac{1}{2}}", r"\frac{1}{2}"),
        (r"\boxed{\text{C}}", r"\text{C}"),
        (r"\boxed {7}", "7"),
        (r"\boxed{\{1,2\}}", r"\{1,2\}"),
        (r"\boxed{\boxed{3}}", "3"),
        (r"{ \boxed{3}", "3"),
        (r"\boxed{4} \boxed{5", "5"),
        ("\\boxed{4} \\boxed{5$.\nnext", "5"),
        (r"\boxed{4} \boxed{\frac{1}{2}", r"\frac{1}{2}"),
        (r"\boxed{a \boxed{6}", "6"),
        (r"} \boxed{}", ""),
        (r"\boxed{x", "x"),
        (r"\boxed 3", "3"),
        (r"\fbox{\frac{1}{2}}", r"\frac{1}{2}"),
        (r"\boxed{7} as asked in \boxed{}", "7"),
        (r"box of 3", None),
        ("", None),
    ],
)
def test_last_boxed(text: str, inside: str | None) -> None:
    assert last_boxed(text) == inside


def test_spans_are_in_the_order_of_their_beginning() -> None:
    text = r"\boxed{a\boxed{b}}\boxed{c}"
    assert [text[a:b] for a, b in boxed_spans(text)] == [r"a\boxed{b}", "b", "c"]


@pytest.mark.parametrize(
    ("text", "letters"),
    [
        ("B、D", "BD"),
        ("B, D", "BD"),
        ("DB", "BD"),
        ("none", ""),
        ("Answer: B", "AB"),
        (r"\text{C", "C"),
        ("H", ""),
    ],
)
def test_released_letters(text: str, letters: str) -> None:
    assert choice_letters(text) == letters


@pytest.mark.parametrize(
    ("text", "letters"),
    [
        ("B、D", "BD"),
        ("D, B", "BD"),
        ("(A) (C).", "AC"),
        (r"\text{C}", "C"),
        ("B B", "B"),
        ("Answer: B", ""),
        ("CFA", ""),
        ("DB", ""),
        ("b", ""),
        ("", ""),
    ],
)
def test_separated_letters(text: str, letters: str) -> None:
    assert separated_choice_letters(text) == letters


@given(st.sets(st.sampled_from("ABCDEFG"), min_size=1), st.sampled_from([", ", " ", ";", "、"]))
def test_both_rules_agree_on_separated_letters(letters: set[str], separator: str) -> None:
    text = separator.join(sorted(letters, reverse=True))
    assert choice_letters(text) == separated_choice_letters(text) == "".join(sorted(letters))
