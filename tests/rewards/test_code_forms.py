"""Which forms of tests are read, which are refused, and how values are compared."""

from __future__ import annotations

import ast
import contextlib
import copy
import math
import random
import time
from typing import Any

import pytest

from guerdon.rewards.programs.code_cases import CodeCase, passes, read_assertion, read_case
from guerdon.rewards.programs.code_values import decoded, same_value

PAIRS = "assert all(x == y for x, y in zip(f(2), [17, 18]))"

GRADED: dict[str, tuple[str, Any, Any]] = {
    # what the program is asked, a right value, a wrong one
    "assert f(2) == 17": ("f(2)", 17, 18),
    "assert 17 == f(2), 'told'": ("f(2)", 17, "17"),
    "assert f(2) is None": ("f(2)", None, False),
    "assert f(2) is not None": ("f(2)", 1, None),
    "assert (f(2) == 17) == True": ("f(2)", 17, True),
    "assert (f(2) == 17) is not False": ("f(2)", 17, 1),
    "assert bool(f(2) == 17)": ("f(2)", 17, 18),
    "assert all([f(2) == 17, 3 == 3])": ("f(2)", 17, 18),
    "assert not any([f(2) != 17])": ("f(2)", 17, 18),
    "assert any(x == 17 for x in [f(2)])": ("", None, None),
    "assert f(2) == 17 or f(2) == 18": ("f(2)", 17, 19),
    "assert abs(f(2) - 17) < 0.1": ("f(2)", 17.05, 17.2),
    "assert len(f(2)) == 2": ("f(2)", [1, 2], [1]),
    "assert f(2) in (17, 18)": ("f(2)", 18, 19),
    "assert f(2) not in [True]": ("f(2)", 1, True),
    "assert 1 <= f(2) <= 3": ("f(2)", 2, 4),
    "assert f(2) == 17 == 17": ("f(2)", 17, 18),
    "assert f(2) != 3": ("f(2)", 4, 3),
    PAIRS: ("f(2)", (17, 18), [17]),
    "assert not any(x != y for x, y in zip(f(2), [17, 18]))": ("f(2)", [17, 18], []),
    "assert all(abs(x - y) < 1e-6 for x, y in zip(f(2), [1.0, 2]))": ("f(2)", [1, 2], [1, 3]),
    "assert sum(abs(x - y) for x, y in zip(f(2), [1.0, 2])) < 0.1": ("f(2)", [1, 2], [1, 3]),
    "assert all(p == q for a, b in zip(f(2), [[1], [2]]) for p, q in zip(a, b))": (
        "f(2)",
        [[1], [2]],
        [[1], []],
    ),
    "assert all(f(k) == 2 * k for k in range(3) if k > 1)": ("(lambda k: f(k))(2)", 4, 5),
    "assert {k: f(k) for k in [2]} == {2: 17}": ("(lambda k: f(k))(2)", 17, 18),
    "assert list(map(f, [2])) == [17]": ("(lambda given_0: f(given_0))(2)", 17, 18),
    "assert [f(2)] == [17]": ("f(2)", 17, 18),
    "assert (1, f(2)) == (1, 17)": ("f(2)", 17, 18),
    "assert {'a': f(2)}['a'] == 17": ("f(2)", 17, 18),
    "assert set(f(2)) == {17, 18}": ("f(2)", [18, 17, 17], [17]),
    "assert sorted(f([2]), reverse=True) == [3, 1]": ("f([2])", [1, 3], [1, 2]),
    "assert f(2) == set((1, 2))": ("f(2)", frozenset({1, 2}), [1, 2]),
    "assert f(2) == [k * k for k in range(3)]": ("f(2)", [0, 1, 4], (0, 1, 4)),
    "assert f(2) == [0] * 3 + [1]": ("f(2)", [0, 0, 0, 1], [0, 0, 0, True]),
    "assert f(2) == 2 ** 70": ("f(2)", 2**70, 2**70 + 1),
    "assert f(2) == b'a'": ("f(2)", b"a", "a"),
    "assert f(2) == range(3)": ("f(2)", range(3), [0, 1, 2]),
    "assert isinstance(f(2), int)": ("f(2)", 17, True),
    "assert isinstance(f(2), (str, set))": ("f(2)", frozenset(), b""),
    "assert type(f(2)) == list": ("f(2)", [], ()),
    "assert f(2)": ("f(2)", True, 1),
    "assert not f(2)": ("f(2)", False, 0),
    "assert f(2) and not g(2)": ("f(2)", None, None),
    "assert Solution().f(2)[0].x == 17": ("Solution().f(2)[0].x", 17, 18),
    "assert f(2).startswith('17')": ("f(2)", "175", "71"),
    "assert f(2).lower() == 'a'": ("f(2).lower()", "a", "A"),
    "assert ', '.join(f(2)) == 'a, b'": ("f(2)", ["a", "b"], ["a"]),
    "assert str(f(2)) == '[1, 2]'": ("f(2)", [1, 2], (1, 2)),
    "assert math.isclose(f(2), math.pi, rel_tol=0.01)": ("f(2)", 3.14, 3.2),
    "assert math.isnan(f(2))": ("f(2)", math.nan, 1.0),
    "assert round(f(2), 2) == 3.14": ("f(2)", math.pi, 3.15),
    "assert max(f(2)) == 17": ("f(2)", [1, 17], [18]),
    "assert f(2)[1:] == 'b'": ("f(2)[1:]", "b", "ab"),
    "assert sorted(f(2))[-1] == 17": ("f(2)", [17, 1], [1, True]),
}

REFUSED = (
    "f(1) == 2",
    "assert (",
    "assert f(2) == 17; x = 1",
    "assert True",
    "assert f(2) == 17 or True",
    "assert any([f(2) == 17, 1 == 1])",
    "assert 17 in [f(2), 17]",
    "assert len([f(2)]) == 1",
    "assert (f(2), 17)[1] == 17",
    "assert f(1) == g(1)",
    "assert f(1) in [g(1)]",
    "assert f(2) - g(2) == 0",
    "assert (17 == f(2)) == (g(2) == 3)",
    "assert math.isclose(f(2), g(2))",
    "assert f(2) == float('nan')",
    "assert f(2) == 1 / 0",
    "assert f(2) == Fraction(1, 2)",
    "assert f(2).__eq__(17)",
    "assert 17 .__eq__(f(2))",
    "assert f(2).equals(17)",
    "assert f(2).a.__class__ == 1",
    "assert eval('f(2) == 17')",
    "assert getattr(f(2), 'x') == 1",
    "assert next(f(2)) == 1",
    "assert operator.eq(f(2), 17)",
    "assert np.allclose(f(2), [17])",
    "assert (lambda r: r == 17)(f(2))",
    "assert (r := f(2)) == 17",
    "assert f(2) == 17 if True else True",
    'assert f"{f(2)}" == "17"',
    "assert [*f(2)] == [17]",
    "assert {**f(2)} == {1: 2}",
    "assert all(*f(2))",
    "assert all(x in (17, 18) for x in f(2))",
    "assert all(x == 17 for x in sorted(f(2)))",
    "assert all(x == y for x, y in zip(f(2), [17]) if x)",
    "assert all(x == x for x, y in zip(f(2), [17]))",
    "assert all(g(x) == y for x, y in zip(f(2), [17]))",
    "assert all(x == y for x, y in zip(f(2), g(2)))",
    "assert all(f(x) == 1 for x in [])",
    "assert all(f(2))",
    "assert any(f(2))",
    "assert all(map(lambda r: r == 17, [f(2)]))",
    "assert [x for x in f(2) if x != 17] == []",
    "assert sum(x != y for x, y in zip(f(2), [17])) == 0",
    "assert set(f(2)) <= {17, 18}",
    "assert f(2) <= {17, 18}",
    "assert set(f(2)) - {17} == set()",
    "assert {17, 18}.issuperset(f(2))",
    "assert f(2).issubset({17})",
    "assert zip(f(2), [17])",
    "assert len(f(2))",
    "assert not len(f(2))",
    "assert (f(2) == 17, 1)",
    "assert [f(2) == 17].count(True) == 1",
    "assert not (f(2) - 17)",
    "assert sorted(f(2), key=lambda x: x) == [1]",
    "assert math.isclose(f(2), 17, rel_tol=1)",
    "assert math.isclose(f(2), 17, rel_tol=0.1, odd=1)",
    "assert f(2) ^ 17 == 0",
    "assert f(2).endswith(('17',))",
    "assert os.path.samefile(f(2), 'a')",
    "assert ~f(2) == 1 and (yield)",
    "assert all(f(x) == 1 for x in range(10**9))",
    "assert all(f(x) == 1 for x in range(5000))",
    "assert f(2) == 10 ** 10 ** 10",
    "assert f(2) == [0] * 10 ** 9",
    "assert f(2) == 'x' * 10 ** 9",
    "assert f(2) == sum([k for k in range(9 ** 5) for j in range(9 ** 5)])",
    "assert f(2) == sorted([[0] * 90000] * 1000)",
    "assert f(2) == [''.join(['ab' * 40000 for k in range(5000)])]",
    "assert f(2) == " + "[" * 90 + "]" * 90,
    "assert f(2) == " + "-" * 9000 + "1",
    "assert f(2) == " + "1+" * 9000 + "1",
    "assert f(2) == " + "9" * 200_000,
)


def line(value: Any) -> dict[str, Any]:
    """What the sandbox writes for a value."""
    from guerdon.rewards.programs.sandbox.program import _Encoder

    return {"value": _Encoder(10**7).encode(value)}


class Unknown:
    """A value of no plain type."""

    def __repr__(self) -> str:
        return "unknown"


UNKNOWN = Unknown()


@pytest.mark.parametrize("text", [text for text, row in GRADED.items() if row[0]])
def test_assertions_are_taken_apart(text: str) -> None:
    asked, right, wrong = GRADED[text]
    case = read_assertion(text)
    assert case.given[0] == {"expression": asked}
    if len(case.given) > 1:
        return
    assert passes(case, [line(right)])
    assert not passes(case, [line(wrong)])
    for nothing in (None, {}, {"error": "x"}, {"value": {"odd": 3}}, {"value": {"set": 3}}):
        assert not passes(case, [nothing])


def test_an_assertion_may_ask_several_values() -> None:
    case = read_assertion("assert f(2) and not g(2) and h(1) + h(2) == 5")
    assert [one["expression"] for one in case.given] == ["f(2)", "g(2)", "h(1)", "h(2)"]
    assert passes(case, [line(one) for one in (True, False, 2, 3)])
    for wrong in ((True, True, 2, 3), (True, False, 2, True), (1, False, 2, 3)):
        assert not passes(case, [line(one) for one in wrong])


@pytest.mark.parametrize("text", REFUSED, ids=lambda text: str(text)[:60])
def test_what_can_be_passed_for_nothing_is_refused(text: str) -> None:
    began = time.monotonic()
    with pytest.raises(ValueError, match=r"assertion|decided outside|at most"):
        read_assertion(text)
    assert time.monotonic() - began < 5


def test_other_forms_of_tests() -> None:
    call = read_case({"call": "f", "args": [1, "a"], "kwargs": {"k": None}, "expected": 3})
    assert call.given == ({"expression": "f(*[1, 'a'], **{'k': None})"},)
    assert read_case({"expression": "f()", "expected": 1, "tolerance": 0.1}).tolerance == 0.1
    truth = read_case({"expression": "f(2) == 17", "expected": True})
    assert truth.given == ({"expression": "f(2)"},)
    assert passes(truth, [line(17)])
    assert not passes(truth, [line(True)])
    data = read_case({"call": "f", "expected": [1, [2, 3.0]]})
    assert passes(data, [line((1, (2, 3)))])
    assert not passes(data, [line((True, (2, 3)))])


@pytest.mark.parametrize(
    "bad",
    [
        3,
        {},
        {"stdin": "x"},
        {"stdin": "x", "stdout": 3},
        {"expected": 1},
        {"expression": "f()", "call": "f", "expected": 1},
        {"call": "f", "args": "ab", "expected": 1},
        {"call": "f", "args": [math.inf], "expected": 1},
        {"call": "f", "args": [UNKNOWN], "expected": 1},
        {"call": "f() == 3 or f", "expected": True},
        {"call": "len", "args": [[1]], "expected": 1},
        {"call": 3, "expected": 1},
        {"call": "f", "args": [], "expected": math.nan},
        {"call": "f", "args": [], "expected": UNKNOWN},
        {"call": "f", "args": [], "expected": 1, "tolerence": 0.1},
        {"call": "f", "args": [], "expected": 1, "tolerance": 1},
        {"call": "f", "args": [], "expected": 1, "tolerance": "0.1"},
        {"call": "f", "args": [], "expected": 1, "tolerance": math.inf},
        {"expression": "3", "expected": 3},
        {"expression": "len([f(2)])", "expected": 1},
        {"expression": "f(", "expected": 3},
    ],
    ids=str,
)
def test_bad_forms_are_refused(bad: Any) -> None:
    with pytest.raises(ValueError, match=r"."):
        read_case(bad)


SAME = [
    (3, 3.0),
    (0.0, -0.0),
    ([1, (2, 3)], (1, [2, 3])),
    ({"a": 1.0}, {"a": 1}),
    ({1: 2}, {1.0: 2}),
    (frozenset({1, "a", None}), {None, "a", 1.0}),
    ({(1, 2): [3]}, {(1, 2): [3]}),
    (10**400, 10**400),
    (1j, 1j),
]
APART = [
    (True, 1),
    (1, True),
    (False, 0.0),
    ([True], [1]),
    ({1: 1}, {True: 1}),
    ({"a": True}, {"a": 1}),
    (frozenset({1}), {True}),
    (frozenset({(1, True)}), {(1, 1)}),
    ({1}, [1]),
    (b"a", "a"),
    ("1", 1),
    (None, False),
    (math.nan, math.nan),
    ([math.nan], [math.nan]),
    (1 + 0j, 1),
    ([1], [1, 2]),
    ({"a": 1}, {"b": 1}),
    (10**400, 1e308),
    (2**53 + 1, float(2**53)),
    (range(3), [0, 1, 2]),
    ((), frozenset()),
    ({}, []),
]


def test_values_are_compared_by_type_and_value() -> None:
    for got, expected in SAME:
        assert same_value(got, expected), (got, expected)
        assert same_value(expected, got), (got, expected)
    for got, expected in APART:
        assert not same_value(got, expected), (got, expected)
        assert not same_value(expected, got), (got, expected)
    assert same_value([0.333], [1 / 3], 0.01)
    assert not same_value(10**400, 1.0, 0.5)
    assert not same_value(math.nan, math.nan, 0.9)
    assert not same_value([1], (1,), tuples_apart=True)

    class Text(str):
        pass

    class Equal:
        def __eq__(self, other: object) -> bool:
            return True

        __hash__ = object.__hash__

    for other in (Text("a"), Equal()):
        assert not same_value(other, "a")
        assert not same_value("a", other)


def test_values_survive_the_way_out() -> None:
    for value in ([1, "ä\ud800", None, True, -0.0, 1e300, math.inf], {1: (2,)}, 10**6000, b"\x00"):
        got = decoded(line(value)["value"])
        assert same_value(got, value, tuples_apart=True)
    assert list(decoded(line({"a": 1}.items())["value"])) == [("a", 1)]


def colliding(count: int) -> list[int]:
    """Numbers of one hash."""
    return [k * (2**61 - 1) for k in range(1, count + 1)]


def test_colliding_numbers_take_no_time() -> None:
    case = CodeCase(({"expression": "f()"},), {1}, read_assertion("assert f() == {1}").rest)
    several = [colliding(12_000), [(k, k) for k in colliding(6000)], [float(2**61 * 2)] * 9000]
    began = time.monotonic()
    for numbers in several:
        inside = line(numbers)["value"]["list"]
        for hostile in ({"set": inside}, {"dict": [[key, 1] for key in inside]}):
            assert not passes(case, [{"value": hostile}])
        for text in ("assert set(f()) == {1}", "assert len(set(f())) == 3"):
            assert not passes(read_assertion(text), [line(numbers)])
    assert time.monotonic() - began < 5
    # a few may well have one hash, and a list many of one value
    assert same_value(decoded(line(set(colliding(60)))["value"]), set(colliding(60)))
    assert passes(read_assertion("assert set(f()) == {1}"), [line([1] * 5000)])


def test_hostile_lines_pass_nothing_and_take_no_time() -> None:
    deep: Any = 1
    for _ in range(900):
        deep = {"list": [deep]}
    # what is only said not to be something, or to be of a kind, much else is
    weak = ("!= 3", "not in", "is not None", "isinstance", "type(")
    texts = [text for text, row in GRADED.items() if row[0] and not any(w in text for w in weak)]
    began = time.monotonic()
    for value in (
        deep,
        {"int": "f" * 200_000},
        {"int": 3},
        {"bytes": "x"},
        {"complex": []},
        {"range": ["0x0", "0x0", "0x0"]},
        {"range": ["0x0", hex(10**30), "0x1"]},
        {"float": []},
        {"float": "x"},
        {"list": 3},
        {"dict": [[1, 2], [True, 2]]},
        {"set": [{"list": []}]},
        {"iterator": {}},
        [1],
        {"a": 1, "b": 2},
        {"list": [1] * 60_000},
        "x" * 200_000,
    ):
        for text in texts:
            case = read_assertion(text)
            assert not passes(case, [{"value": value}] * len(case.given)), (text, value)
    assert time.monotonic() - began < 60


def test_random_lines_never_raise() -> None:
    draw = random.Random(9)
    leaves = [None, True, 0, 1, 17, -0.5, "", "a", [], {}, "0x0", "nan", 10**30]
    kinds = [
        "list",
        "tuple",
        "set",
        "dict",
        "iterator",
        "range",
        "int",
        "float",
        "bytes",
        "complex",
    ]

    def some(depth: int) -> Any:
        if depth == 0 or draw.random() < 0.2:
            return draw.choice(leaves)
        inside: Any = [some(depth - 1) for _ in range(draw.randrange(4))]
        if draw.random() < 0.3:
            inside = [[some(depth - 1), some(depth - 1)] for _ in range(3)]
        return {draw.choice(kinds): inside} if draw.random() < 0.9 else inside

    cases = [read_assertion(text) for text, row in GRADED.items() if row[0]]
    cases += [read_assertion("assert {type(f(2))} == {int}")]
    cases += [read_case({"call": "f", "expected": {"a": [1, {"b": (2,)}]}, "tolerance": 0.1})]
    for _ in range(4000):
        case, value = draw.choice(cases), some(4)
        assert passes(case, [{"value": value}] * len(case.given)) in (True, False)


def test_random_expressions_are_read_or_refused() -> None:
    draw = random.Random(7)
    texts = [text.removeprefix("assert ") for text in (*GRADED, *REFUSED) if len(text) < 200]
    trees = []
    for text in texts:
        with contextlib.suppress(SyntaxError):
            trees.append(ast.parse(text, mode="eval").body)
    pool = [one for tree in trees for one in ast.walk(tree) if isinstance(one, ast.expr)]

    class Mix(ast.NodeTransformer):
        def generic_visit(self, node: ast.AST) -> ast.AST:
            if isinstance(node, ast.expr) and draw.random() < 0.12:
                return copy.deepcopy(draw.choice(pool))
            return super().generic_visit(node)

    read = 0
    for _ in range(3000):
        mixed = Mix().visit(copy.deepcopy(draw.choice(trees)))
        try:
            text = f"assert {ast.unparse(mixed)}"
        except ValueError:
            continue
        try:
            case = read_assertion(text)
        except ValueError:
            continue
        read += 1
        for value in (17, [17, 18], "ab", True, None, math.nan, {"a": 1}):
            passes(case, [line(value)] * len(case.given))
        assert not passes(case, [{"error": "x"}] * len(case.given)), text
    assert read > 300


@pytest.mark.parametrize(
    "test",
    [
        "assert all(f(a) == b for a in range(100000) for b in range(100000) if a < 0)",
        "assert not any(f(a) != b for a in range(100000) for b in range(100000) if b < 0)",
        "assert all(f(k) == [j for j in range(5000)] for k in range(999))",
        f"assert all(f(k, {', '.join(['1'] * 30_000)}) == 1 for k in range(999))",
        f"assert all(f(x) == 1 for x in [[{', '.join(['1'] * 30_000)}]] * 900)",
        f"assert list(map(f, [[{', '.join(['1'] * 30_000)}]] * 900)) == 1",
    ],
    ids=lambda test: test[:30],
)
def test_a_test_that_never_ends_is_refused(test: str) -> None:
    """Tests are data, and taken apart outside any sandbox, in the process that trains."""
    began = time.process_time()
    with pytest.raises(ValueError, match="takes too much work"):
        read_case(test)
    assert time.process_time() - began < 30
