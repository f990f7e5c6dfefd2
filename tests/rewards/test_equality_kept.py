"""What equality keeps: reflexive, symmetric, blind to how a value is written and not to which."""

from fractions import Fraction
from math import isqrt

from hypothesis import assume, given, settings
from hypothesis import strategies as st

from guerdon.rewards.answers.equality import same_answer

whole = st.integers(-(10**9), 10**9)
small = st.integers(1, 60)
rationals = st.fractions(max_denominator=10**6)


def _frac(x: Fraction) -> str:
    return rf"\frac{{{x.numerator}}}{{{x.denominator}}}"


@st.composite
def expressions(draw: st.DrawFn, depth: int = 2) -> str:
    """Expressions in LaTeX that have values: numbers, names, roots, powers, sums and quotients."""
    if depth == 0:
        return draw(st.sampled_from(["x", "y", r"\pi", "e", "2", "3", "7", r"\sqrt{2}", "0.5"]))
    one, two = draw(expressions(depth - 1)), draw(expressions(depth - 1))
    form = draw(st.sampled_from(["({0})+({1})", r"\frac{{{0}}}{{{1}}}", "({0})({1})", "({0})-{1}"]))
    return form.format(one, two)


@st.composite
def answers(draw: st.DrawFn) -> str:
    """Anything an answer may be: an expression, a tuple, an interval, a set, a relation."""
    one, two = draw(expressions(1)), draw(expressions(1))
    low, high = sorted(draw(st.tuples(small, small)))
    return draw(
        st.sampled_from(
            [
                one,
                f"({one}, {two})",
                rf"\{{{one}, {two}\}}",
                f"{one}, {two}",
                f"[{low}, {high})",
                rf"{low}\le x<{high}",
                rf"(-\infty,{low})\cup[{high},\infty)",
                f"{one}={two}",
                rf"\begin{{pmatrix}}{one}&{two}\\1&2\end{{pmatrix}}",
            ]
        )
    )


@given(answers())
@settings(max_examples=60)
def test_an_answer_equals_itself_however_it_is_set(answer: str) -> None:
    assert same_answer(answer, answer) is True
    spaced = answer.replace(",", r",\ ").replace("=", " = ")
    for written in (f"${answer}$", f" {answer}. ", rf"\({answer}\)", rf"\displaystyle {spaced}"):
        assert same_answer(written, answer) is True
        assert same_answer(answer, written) is True


@given(answers(), answers())
@settings(max_examples=100)
def test_comparing_is_symmetric(one: str, two: str) -> None:
    assert same_answer(one, two) is same_answer(two, one)


@given(rationals, rationals)
def test_different_rationals_are_never_equal(one: Fraction, two: Fraction) -> None:
    assert same_answer(_frac(one), _frac(two)) is (one == two)
    assert same_answer(f"1+{_frac(one)}+x", f"{_frac(two)}+x+1") is (one == two)
    assert same_answer(f"({_frac(one)}, 1)", f"({_frac(two)}, 1)") is (one == two)


@given(st.integers(2, 50), st.integers(-400, 400), st.integers(2, 50), st.integers(-400, 400))
def test_different_powers_are_never_equal(a: int, n: int, b: int, m: int) -> None:
    same = Fraction(a) ** n == Fraction(b) ** m
    assert same_answer(f"{a}^{{{n}}}", f"{b}^{{{m}}}") is same
    assert same_answer(f"{a}^{{{n}}}", f"{a}^{{{n + 1}}}") is False


@given(st.integers(2, 300), st.integers(2, 300))
def test_different_factorials_are_never_equal(n: int, m: int) -> None:
    assert same_answer(rf"\frac{{1}}{{{n}!}}", rf"\frac{{1}}{{{m}!}}") is (n == m)


@given(small, small, small)
def test_roots_are_equal_where_their_squares_are(a: int, b: int, c: int) -> None:
    assert same_answer(rf"{a}\sqrt{{{b}}}", rf"\sqrt{{{a * a * b}}}") is True
    assert same_answer(rf"{a}\sqrt{{{b}}}", rf"\sqrt{{{c}}}") is (a * a * b == c)


@given(st.integers(2, 10**6), st.integers(0, 60))
def test_no_decimal_that_is_written_is_an_irrational_number(n: int, digits: int) -> None:
    root = Fraction(n) * 10 ** (2 * digits)
    floor = isqrt(int(root))
    assume(floor * floor != int(root))
    decimal = f"{floor:0{digits + 1}d}"
    written = f"{decimal[: len(decimal) - digits]}.{decimal[len(decimal) - digits :] or 0}"
    assert same_answer(written, rf"\sqrt{{{n}}}") is False


@given(whole)
def test_writing_does_not_change_a_whole_number(n: int) -> None:
    grouped = f"{n:,}"
    for written in (
        grouped,
        grouped.replace(",", r",\!"),
        grouped.replace(",", "{,}"),
        f"{n}.0",
        f"x = {n}",
        rf"{n}\text{{ cm}}",
        str(n).replace("-", "−"),
        rf"\frac{{{2 * n}}}{{2}}",
    ):
        assert same_answer(written, str(n)) is True
        assert same_answer(str(n), written) is True
        assert same_answer(written, str(n + 1)) is False


@given(whole, st.integers(1, 99))
def test_per_cent_equals_the_number_and_its_hundredth(n: int, k: int) -> None:
    value = Fraction(n, k)
    shown = f"{value.numerator}/{value.denominator}"
    hundredth = str(value / 100)
    for other, same in ((shown, True), (hundredth, True), (str(value / 10), value == 0)):
        assert same_answer(f"{n}\\%", str(n)) is True
        assert same_answer(rf"{_frac(value)}\%", other) is same
        assert same_answer(other, rf"{_frac(value)}\%") is same


@given(st.integers(-50, 50), st.integers(1, 50), st.booleans(), st.booleans())
def test_an_inequality_equals_its_interval_and_no_other(
    low: int, width: int, closed_low: bool, closed_high: bool
) -> None:
    high = low + width
    signs = (r"\le" if closed_low else "<", r"\le" if closed_high else "<")
    relation = f"{low} {signs[0]} t {signs[1]} {high}"
    brackets = "[" if closed_low else "(", "]" if closed_high else ")"
    assert same_answer(relation, f"{brackets[0]}{low}, {high}{brackets[1]}") is True
    assert same_answer(f"{brackets[0]}{low}, {high}{brackets[1]}", relation) is True
    assert same_answer(relation, f"{brackets[0]}{low}, {high + 1}{brackets[1]}") is False
    other = ")" if closed_high else "]"
    assert same_answer(f"{brackets[0]}{low}, {high}{other}", relation) is False


@given(st.integers(2, 16), st.integers(2, 16), st.integers(10, 10**6))
def test_a_base_is_part_of_a_number(one: int, two: int, digits: int) -> None:
    assert same_answer(f"{digits}_{{{one}}}", rf"{digits}_{{\text{{ {one} }}}}") is True
    assert same_answer(f"{digits}_{{{one}}}", f"{digits}_{{{two}}}") is (one == two)
    assert same_answer(f"{digits}_{{{one}}}", f"{digits + 1}_{{{one}}}") is False
