"""Equality of short answers: what the fast exact paths settle, and what they leave open."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guerdon.parsing import plain_answer, same_expression
from guerdon.rewards.answers.equality import same_answer

FOUR = r"\begin{pmatrix}1&2\\3&4\end{pmatrix}"


@pytest.mark.parametrize(
    ("answer", "gold", "equal"),
    [
        ("x=5", "5", True),
        ("5", "x = 5", True),
        ("x=5", "y=5", False),
        ("5\\text{ cm}", "5", True),
        ("5 cm", "5\\text{ cm}", True),
        ("5 cm", "5 m", False),
        ("5\\text{ square cm}", "5", True),
        ("5\\mathrm{ m}^2", "5", True),
        ("5 million", "5", False),
        ("5\\text{ million dollars}", "5", False),
        ("5\\text{ or 6}", "5", False),
        ("5\\text{ or six}", "5", False),
        ("5 or", "5", False),
        ("90^\\circ", "90", True),
        ("\\$5.00", "5", True),
        ("50\\%", "50", True),
        ("50%", "0.5", True),
        ("0.5", "50%", True),
        ("50", "0.5", False),
        ("3\\frac{1}{2}", "3.5", True),
        ("-3\\frac{1}{2}", "-\\frac72", True),
        ("5.0 \\times 10^{3}", "5000", True),
        ("\\dfrac{1}{2}", "\\frac12", True),
        ("\\frac{\\sqrt{2}}{2}", "\\frac{1}{\\sqrt{2}}", True),
        ("\\sqrt{8}", "2\\sqrt2", True),
        ("x^2+2x+1", "(x+1)^2", True),
        ("x^2+2x+1", "(x-1)^2", False),
        ("\\frac{1}{x+1}", "\\frac{x-1}{x^2-1}", True),
        ("\\sqrt{x^2}", "x+0", False),
        ("|x-1|", "|1-x|", True),
        ("(1,2)", "(2,1)", False),
        ("1,2", "2, 1", True),
        ("\\{1,2\\}", "\\{2,1\\}", True),
        ("\\{1,2\\}", "\\{1,2,2\\}", False),
        ("[1,2)", "(1,2)", False),
        ("1", "(1,2)", False),
        ("\\{1+x\\}", "x+1", True),
        ("[1,2)", "\\left[\\frac22, 2\\right)", True),
        (FOUR, r"\begin{pmatrix} 1 & 2 \\ 3 & 4 \end{pmatrix}", True),
        (FOUR, r"\begin{pmatrix}1&2\\3&5\end{pmatrix}", False),
        ("e^{i\\pi}+x", "x-1", True),
        ("1\\pm\\sqrt{19}", "1+\\sqrt{19},1-\\sqrt{19}", True),
        ("\\sqrt{2}", "sqrt(2)", True),
        ("\\sqrt{2}", "1.41421356\\cdot 1", False),
        ("10^10+x", "x+1", False),
        ("\\text{Evelyn}", "Evelyn", True),
        ("2^{10}", "1024", True),
        ("1024", "2^{10}", True),
        ("2^{10}", "1025", False),
        ("3+4", "7", False),  # not worked out
        ("2\\cdot 512", "1024", False),
        ("7", "3+4", True),
    ],
)
def test_verdicts(answer: str, gold: str, equal: bool | None) -> None:
    assert same_answer(answer, gold) is equal


def test_names_and_units_are_taken_apart() -> None:
    plain = plain_answer("$x = 5\\,\\text{cm}$.")
    assert (plain.name, plain.body, plain.unit) == ("x", "5", "cm")
    assert plain_answer("a == b").name == ""
    assert plain_answer("y" * 900).body == "y" * 900


polynomials = st.lists(st.integers(-9, 9), min_size=2, max_size=4)


def _written(coefficients: list[int]) -> str:
    return "+".join(f"({c})x^{k}" for k, c in enumerate(coefficients))


def _product(one: list[int], two: list[int]) -> list[int]:
    out = [0] * (len(one) + len(two) - 1)
    for i, a in enumerate(one):
        for j, b in enumerate(two):
            out[i + j] += a * b
    return out


@given(polynomials, polynomials, st.integers(0, 6))
def test_a_product_equals_its_expansion_and_not_its_neighbour(
    one: list[int], two: list[int], at: int
) -> None:
    expanded = _product(one, two)
    factored = f"({_written(one)})({_written(two)})"
    assert same_expression(factored, _written(expanded)) is not False
    expanded[at % len(expanded)] += 1
    assert same_expression(factored, _written(expanded)) is not True


@pytest.mark.parametrize(
    "text",
    [
        "9^{9^{9^{9}}}",
        "9**9**9",
        "\\frac{" * 5000,
        "(" * 150 + ")" * 150,
        "\\sqrt" * 60,
        "-" * 299 + "1",
        "\\begin{pmatrix}" * 15,
        "\\sin" * 70 + "x",
        "1" * 1_000_000,
        "\\text{" * 100_000,
        "\\write18{rm -rf /}",
        "__import__('os').system('ls')",
        "\ud800\x00^\u202e",
    ],
)
def test_hostile_text_is_settled_or_left_open_at_once(text: str) -> None:
    start = time.monotonic()
    assert same_answer(text, "x^2+1") is not True
    assert same_answer(text, "7") is False
    assert same_answer("x^2+1", text) is not True
    assert time.monotonic() - start < 1
