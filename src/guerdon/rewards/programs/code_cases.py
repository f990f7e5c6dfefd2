"""Tests of programs, split: what the sandbox evaluates, and what is expected, which stays here."""

from __future__ import annotations

import ast
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from guerdon.rewards.programs.code_forms import written
from guerdon.rewards.programs.code_pure import FAILURES, OPAQUE, evaluate
from guerdon.rewards.programs.code_split import Split, place, split
from guerdon.rewards.programs.code_values import check_plain, decoded, same_value

_MAX_TEXT = 100_000
_MAX_DEPTH = 60
_NUMBER = re.compile(
    r"[-+]?(?:[0-9]{1,40}(?:\.[0-9]{0,40})?|\.[0-9]{1,40})(?:[eE][-+]?[0-9]{1,2})?"
)
_FORMS = (
    {"stdin", "stdout", "tolerance"},
    {"expression", "expected", "tolerance"},
    {"call", "args", "kwargs", "expected", "tolerance"},
)


@dataclass(frozen=True)
class CodeCase:
    """One test: ``given`` goes to the sandbox, ``rest`` and ``expected`` never do.

    Each of ``given`` has "expression" (Python, evaluated after the program) or "stdin" (the
    program runs on it, and what it prints is expected; ``rest`` is None). ``rest`` is computed
    here from the values of ``given`` and must be ``expected``. ``tolerance`` is relative, for
    numbers, those among printed words too. ``exact`` tells lists from tuples.
    """

    given: tuple[Mapping[str, str], ...]
    expected: Any
    rest: ast.expr | None = None
    tolerance: float = 0.0
    exact: bool = False


def read_case(test: Any) -> CodeCase:
    """One entry of a task's column ``tests``.

    Forms: ``{"stdin", "stdout"}``; ``{"expression", "expected"}``; ``{"call", "args",
    "kwargs"?, "expected"}``, each with ``"tolerance"``?; or the text of an assertion (see
    `read_assertion`). Raises ValueError for anything else, and for what a
    program could pass without the answer.
    """
    if isinstance(test, str):
        return read_assertion(test)
    if not isinstance(test, Mapping):
        raise ValueError(f"{test!r:.80} is no test")
    form = next((form for form in _FORMS if test.keys() <= form and _complete(test)), None)
    if form is None:
        raise ValueError(
            "a test needs stdin and stdout, or expected with expression or call, args, kwargs, "
            f"any with tolerance, and nothing else: {test!r:.80}"
        )
    tolerance = test.get("tolerance", 0.0)
    if type(tolerance) not in (int, float) or not 0 <= tolerance < 1:
        raise ValueError(f"tolerance is {tolerance!r:.40}; it is relative, from 0 to below 1")
    if "stdin" in form:
        if not isinstance(test["stdin"], str) or not isinstance(test["stdout"], str):
            raise ValueError(f"stdin and stdout must be text: {test!r:.80}")
        return CodeCase(({"stdin": test["stdin"]},), test["stdout"], tolerance=float(tolerance))
    check_plain(test["expected"])
    parts = _asked(test) if "call" in test else _taken_apart(test["expression"], test["expected"])
    return CodeCase(_given(parts), test["expected"], parts.rest, float(tolerance))


def _complete(test: Mapping[str, Any]) -> bool:
    return {"stdin", "stdout"} <= test.keys() or (
        "expected" in test and ("expression" in test) is not ("call" in test)
    )


def _asked(test: Mapping[str, Any]) -> Split:
    args, kwargs = test.get("args", []), test.get("kwargs", {})
    if not isinstance(args, list | tuple) or not isinstance(kwargs, Mapping):
        raise ValueError(f"args must be a list and kwargs a mapping: {test!r:.80}")
    given = f"*{written(list(args))}, **{written(dict(kwargs))}"
    parts = _taken_apart(f"{test['call']}({given})", test["expected"])
    if not isinstance(parts.rest, ast.Name):
        raise ValueError(
            f"call is {test['call']!r:.60}; it must name one of the program's functions"
        )
    return parts


def _given(parts: Split) -> tuple[Mapping[str, str], ...]:
    return tuple({"expression": call} for call in parts.calls)


def read_assertion(text: str) -> CodeCase:
    """An assertion, taken apart: the program is asked for values, and the rest is computed here.

    ``assert f(2) == 17``, ``assert abs(f(2) - 1) < 0.1``, ``assert all(f(k) == 2 * k for k in
    range(9))``, ``assert f("x")`` (a bool) and the like; ``docs/sandbox.md`` has the whole list
    and what each form gives away. Raises ValueError for what can't be decided outside the
    sandbox, where the program decides as it likes.
    """
    statements = _parsed(text, "exec").body  # type: ignore[attr-defined]
    if len(statements) != 1 or not isinstance(statements[0], ast.Assert):
        raise ValueError(f"{text!r:.80} is no assertion")
    try:
        parts = split(statements[0].test, decides=True)
    except ValueError as error:
        raise ValueError(
            f"{text!r:.80} can't be decided outside the sandbox: {error}; write it as "
            "assert expression == literal"
        ) from None
    return CodeCase(_given(parts), True, parts.rest, exact=True)


def _taken_apart(text: Any, wanted: Any) -> Split:
    return split(_parsed(text, "eval").body, wanted)  # type: ignore[attr-defined]


def _parsed(text: Any, mode: str) -> ast.AST:
    if not isinstance(text, str) or len(text) > _MAX_TEXT:
        raise ValueError(f"a test is text of at most {_MAX_TEXT} characters: {text!r:.60}")
    try:
        tree = ast.parse(text.strip(), mode=mode)
        _check_depth(tree)
        return tree
    except (SyntaxError, ValueError, MemoryError, RecursionError):
        what = "assertion" if mode == "exec" else "expression"
        raise ValueError(f"{text!r:.80} is no {what}") from None


def _check_depth(tree: ast.AST) -> None:
    """Taking apart looks at each node once for every level above it."""
    level, depth = [tree], 0
    while level:
        level = [child for node in level for child in ast.iter_child_nodes(node)]
        depth += 1
    if depth > _MAX_DEPTH:
        raise ValueError("nested too deep")


def passes(case: CodeCase, lines: Sequence[Any]) -> bool:
    """Whether what the sandbox wrote, a line for each of ``given``, is what was expected.

    Any line may be anything.
    """
    if case.rest is None:
        printed = lines[0].get("output") if _came_out(lines[0]) else None
        return isinstance(printed, str) and _same_print(printed, case.expected, case.tolerance)
    names = {place(number): _value(line) for number, line in enumerate(lines)}
    try:
        value = evaluate(case.rest, names)
        return same_value(value, case.expected, case.tolerance, tuples_apart=case.exact)
    except FAILURES:
        return False


def _came_out(line: Any) -> bool:
    return isinstance(line, Mapping) and "error" not in line


def _value(line: Any) -> Any:
    try:
        return decoded(line["value"]) if _came_out(line) else OPAQUE
    except FAILURES:
        return OPAQUE


def _same_print(printed: str, expected: str, tolerance: float) -> bool:
    """Line by line; with a tolerance word by word, and words that are numbers may differ by it."""
    one, two = _printed(printed), _printed(expected)
    if one == two or not tolerance:
        return one == two
    return len(one) == len(two) and all(
        len(mine) == len(theirs)
        and all(_near(a, b, tolerance) for a, b in zip(mine, theirs, strict=True))
        for mine, theirs in ((a.split(), b.split()) for a, b in zip(one, two, strict=True))
    )


def _near(word: str, expected: str, tolerance: float) -> bool:
    if word == expected:
        return True
    if not (_NUMBER.fullmatch(word) and _NUMBER.fullmatch(expected)):
        return False
    return math.isclose(float(word), float(expected), rel_tol=tolerance)


def _printed(text: str) -> list[str]:
    """Lines without what stands blank at their ends and at the text's."""
    return [line.rstrip() for line in text.rstrip().split("\n")]
