"""Unicode mathematics in the characters of LaTeX, and what counts as a digit."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guerdon.parsing.characters import latex_characters, one_script


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        ("–5", "-5"),
        ("−5", "-5"),
        ("½", r"\frac{1}{2}"),
        ("2¾", r"2\frac{3}{4}"),
        ("x²", "x^{2}"),
        ("10⁻³", "10^{-3}"),
        ("101₂", "101_{2}"),
        ("√12", r"\sqrt{12}"),
        ("3√x", r"3\sqrt{x}"),
        ("√(x+1)", r"\sqrt (x+1)"),
        ("2×3", r"2\times 3"),
        ("１２", "12"),
        ("٣٫٥", "3.5"),
        ("۱۲", "12"),
        ("1２", "1２"),
        ("٣۳", "٣۳"),
        ("④", "④"),
        ("५", "५"),
        ("𝟒", "𝟒"),
        ("1\u202f234", "1 234"),
        ("(１，２)", "(1,2)"),
    ],
)
def test_characters(text: str, plain: str) -> None:
    assert latex_characters(text) == plain


@given(st.text(max_size=40))
def test_no_text_breaks_it_and_twice_is_once(text: str) -> None:
    once = one_script(text)
    assert len(once) == len(text)
    assert one_script(once) == once
    assert latex_characters(latex_characters(text)) == latex_characters(text)
