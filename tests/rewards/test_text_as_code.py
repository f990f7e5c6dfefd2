"""Text that is judged is not run, whatever a library makes of it."""

from __future__ import annotations

from typing import Any

import pytest

from guerdon.rewards.programs.text_as_code import CodeInText, no_code


@pytest.mark.parametrize(
    "text",
    [
        "[1, -2, ['a', None]]",
        "{'a': (1.5, True)}",
        "2*(3 + 4)**2",
    ],
)
def test_values_and_arithmetic_are_evaluated(text: str) -> None:
    expected = eval(text)
    with no_code():
        assert eval(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "__import__('os')",
        "open('x')",
        "(1).__class__",
        "[x for x in (1,)]",
        "secret",
        "(lambda: 1)()",
        "'a' * 10**10",
        "[0] * 10**10",
        "f'{1}'",
        "(y := 1)",
        "sqrt.__globals__",
        "sqrt(1)(2)",
        "1 if 1 else 2",
        "(" * 500 + ")" * 500,
        "1" * 20_000,
    ],
)
def test_all_else_is_refused(text: str) -> None:
    scope: dict[str, Any] = {"secret": 1, "sqrt": abs}
    with no_code(), pytest.raises(CodeInText):
        eval(text, scope)


def test_statements_and_compiled_text_are_refused() -> None:
    with no_code():
        for compile_it in (exec, lambda text: compile(text, "x", "exec")):
            with pytest.raises(CodeInText):
                compile_it("import os")


def test_it_is_over_when_it_is_left() -> None:
    with pytest.raises(ZeroDivisionError), no_code():
        raise ZeroDivisionError
    assert eval("[n for n in (1,)]") == [1]


def test_sympy_reads_formulas_and_runs_nothing() -> None:
    sympy = pytest.importorskip("sympy")
    with no_code():
        assert sympy.parse_expr("24/(3 - 1) + sqrt(4) + x") == 14 + sympy.Symbol("x")
        for text in ("__import__('os').getcwd()", "preview(x)", "x.free_symbols"):
            with pytest.raises(CodeInText):
                sympy.parse_expr(text)


def test_modules_can_be_imported_inside(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "made_for_this.py").write_text("found = [n for n in eval('list((1, 2))')]\n")
    monkeypatch.syspath_prepend(tmp_path)
    with no_code():
        import made_for_this  # type: ignore[import-not-found]

        assert made_for_this.found == [1, 2]
