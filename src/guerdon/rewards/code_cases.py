"""Tests of programs, split: what the sandbox evaluates, and what is expected, which stays here."""

from __future__ import annotations

import ast
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

_BUILDERS: Mapping[str, Any] = {
    "set": set,
    "frozenset": frozenset,
    "tuple": tuple,
    "list": list,
    "dict": dict,
    "sorted": sorted,
}


@dataclass(frozen=True)
class CodeCase:
    """One test: ``given`` goes to the sandbox, ``expected`` never does.

    ``given`` has "expression" (Python, evaluated after the program) or "stdin" (the program
    runs on it, and what it prints is expected). ``tolerance`` is relative, for numbers.
    """

    given: Mapping[str, str]
    expected: Any
    tolerance: float = 0.0
    truth: bool = False


def read_case(test: Any) -> CodeCase:
    """One entry of a task's column ``tests``.

    Forms: ``{"stdin", "stdout"}``; ``{"expression", "expected"}``; ``{"call", "args",
    "kwargs"?, "expected"}``, each with ``"tolerance"``?; or the text of an assertion (see
    `read_assertion`). Raises ValueError for anything else.
    """
    if isinstance(test, str):
        return read_assertion(test)
    if not isinstance(test, Mapping):
        raise ValueError(f"{test!r:.80} is no test")
    tolerance = float(test.get("tolerance", 0.0))
    if "stdin" in test and "stdout" in test:
        return CodeCase({"stdin": str(test["stdin"])}, str(test["stdout"]))
    if "expected" in test and "expression" in test:
        return CodeCase({"expression": str(test["expression"])}, test["expected"], tolerance)
    if "expected" in test and "call" in test:
        arguments = f"*{list(test.get('args', ()))!r}, **{dict(test.get('kwargs', {}))!r}"
        return CodeCase({"expression": f"{test['call']}({arguments})"}, test["expected"], tolerance)
    raise ValueError(
        f"a test needs stdin and stdout, or expected with expression or call: {test!r:.80}"
    )


def read_assertion(text: str) -> CodeCase:
    """``assert EXPRESSION == LITERAL`` (or the other way round), ``is`` alike.

    Also ``assert f(..)`` and ``assert not f(..)``, whose truth is expected, and ``assert
    math.isclose(EXPRESSION, LITERAL, rel_tol=..)``. A literal may stand in set(), frozenset(),
    tuple(), list(), dict() or sorted(). Raises ValueError for other assertions: they would be
    decided inside the sandbox, where the program decides them as it likes.
    """
    try:
        (statement,) = ast.parse(text.strip()).body
        assert isinstance(statement, ast.Assert)
    except (SyntaxError, ValueError, AssertionError):
        raise ValueError(f"{text!r:.80} is no assertion") from None
    test = statement.test
    if isinstance(test, ast.Compare) and isinstance(test.ops[0], ast.Eq | ast.Is):
        sides = [test.left, *test.comparators]
        for asked, given in (sides, reversed(sides)) if len(sides) == 2 else ():
            try:
                return CodeCase({"expression": ast.unparse(asked)}, _literal(given))
            except ValueError:
                continue
    if isinstance(test, ast.Call) and ast.unparse(test.func) in ("math.isclose", "isclose"):
        return _close(test)
    if isinstance(test, ast.Call):
        return CodeCase({"expression": ast.unparse(test)}, True, truth=True)
    match test:
        case ast.UnaryOp(op=ast.Not(), operand=ast.Call() as operand):
            return CodeCase({"expression": ast.unparse(operand)}, False, truth=True)
    raise ValueError(
        f"{text!r:.80} can't be decided outside the sandbox; write it as "
        "assert expression == literal"
    )


def _close(call: ast.Call) -> CodeCase:
    settings = {k.arg: _literal(k.value) for k in call.keywords}
    if len(call.args) != 2 or not settings.keys() <= {"rel_tol"}:
        raise ValueError(f"{ast.unparse(call)!r:.80}: only rel_tol is read")
    asked, given = call.args
    return CodeCase(
        {"expression": ast.unparse(asked)}, _literal(given), float(settings.get("rel_tol", 1e-9))
    )


def _literal(node: ast.expr) -> Any:
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and not node.keywords:
        build = _BUILDERS.get(node.func.id)
        if build is not None and len(node.args) <= 1:
            return build(*(ast.literal_eval(one) for one in node.args))
    return ast.literal_eval(node)


def passes(case: CodeCase, line: Any) -> bool:
    """Whether what the sandbox wrote for a case is what was expected. ``line`` may be anything."""
    if not isinstance(line, Mapping) or "error" in line:
        return False
    try:
        if "stdin" in case.given:
            return _printed(str(line.get("output"))) == _printed(case.expected)
        value = _decoded(line["value"])
        if case.truth:
            return bool(value) is bool(case.expected)
        return same_value(value, case.expected, case.tolerance)
    except (KeyError, TypeError, ValueError, OverflowError, RecursionError):
        return False


def same_value(got: Any, expected: Any, tolerance: float = 0.0) -> bool:
    """Equal as Python values; lists equal tuples, since data files have no tuples.

    Numbers within the relative ``tolerance`` are equal too (NaN equals nothing).
    """
    if isinstance(got, list | tuple) and isinstance(expected, list | tuple):
        pairs = zip(got, expected, strict=False)
        return len(got) == len(expected) and all(same_value(a, b, tolerance) for a, b in pairs)
    if isinstance(got, dict) and isinstance(expected, dict):
        return got.keys() == expected.keys() and all(
            same_value(got[key], expected[key], tolerance) for key in got
        )
    numbers = isinstance(got, int | float) and isinstance(expected, int | float)
    if tolerance and numbers:
        return math.isclose(got, expected, rel_tol=tolerance)
    return bool(got == expected)


def _decoded(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    ((kind, inside),) = value.items()
    if kind == "float":
        return float(inside)
    if kind == "dict":
        return {_decoded(key): _decoded(one) for key, one in inside}
    return {"list": list, "tuple": tuple, "set": set}[kind](_decoded(one) for one in inside)


def _printed(text: str) -> list[str]:
    """Lines without what stands blank at their ends and at the text's."""
    return [line.rstrip() for line in text.rstrip().split("\n")]
