"""Text that is judged is never run, although libraries that judge it call ``eval``.

Scorers of other packages read lists by ``eval`` and formulas by sympy's ``parse_expr``, which is
``eval`` too. Whatever they would compile is looked at first, by an audit hook, so a new version
that evaluates more is held as well.
"""

from __future__ import annotations

import ast
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

MAX_CHARS = 10_000
"""Longest text that is compiled."""

_FORMULA_NAMES = frozenset(
    [
        *("Integer", "Float", "Rational", "Symbol", "Add", "Mul", "Pow", "sqrt", "cbrt", "root"),
        *("exp", "log", "ln", "sin", "cos", "tan", "cot", "sec", "csc", "asin", "acos", "atan"),
        *("acot", "asec", "acsc", "sinh", "cosh", "tanh", "asinh", "acosh", "atanh", "Abs", "sign"),
        *("floor", "ceiling", "Min", "Max", "factorial", "binomial", "erf", "pi", "oo"),
    ]
)
"""What a formula may name or call beside single letters: sympy's names that only compute."""

_BY_SYMPY = "from sympy import *"
"""What sympy itself compiles before every formula."""

_PLAIN = (ast.List, ast.Tuple, ast.Set, ast.Dict, ast.Constant, ast.Load, ast.UnaryOp, ast.USub)
_FORMULA = (ast.BinOp, ast.operator, ast.UnaryOp, ast.unaryop, ast.Load, ast.keyword)


class CodeInText(ValueError):
    """A text would have been run as code."""


@contextmanager
def no_code() -> Iterator[None]:
    """Inside, this thread compiles no text but plain lists and values, and formulas.

    Anything else raises `CodeInText` where it would be compiled. Imports are left alone.
    """
    _install()
    before = getattr(_watched, "on", False)
    _watched.on = True
    try:
        yield
    finally:
        _watched.on = before


_watched = threading.local()
_installed = threading.Lock()


def _install() -> None:
    """An audit hook stays for good, so one serves the whole process."""
    if _installed.acquire(blocking=False):  # never released: it says that the hook is there
        sys.addaudithook(_look)


def _look(event: str, arguments: tuple[Any, ...]) -> None:
    if event != "compile" or not getattr(_watched, "on", False):
        return
    _watched.on = False  # to look is to parse, which is compiling too
    try:
        allowed = _is_harmless(arguments[0]) or _importing()
    finally:
        _watched.on = True
    if not allowed:
        raise CodeInText(f"this text is code and is not run: {arguments[0]!r:.80}")


def _is_harmless(source: Any) -> bool:
    if isinstance(source, ast.AST):
        return _is_plain(source) or _is_formula(source)
    try:
        text = source.decode() if isinstance(source, bytes) else str(source)
        if text == _BY_SYMPY:
            return True
        if len(text) > MAX_CHARS:
            return False
        tree = ast.parse(text.strip(), mode="eval")
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False
    return _is_plain(tree) or _is_formula(tree)


def _is_plain(tree: ast.AST) -> bool:
    """Whether there are only values, and lists and dictionaries of them."""
    body = getattr(tree, "body", tree)
    return isinstance(body, ast.AST) and all(isinstance(node, _PLAIN) for node in ast.walk(body))


def _is_formula(tree: ast.AST) -> bool:
    """Whether there is only arithmetic with known names; text is only what a call is given."""
    pending = [getattr(tree, "body", tree)]
    while pending:
        node = pending.pop()
        if isinstance(node, ast.Call):
            if not (isinstance(node.func, ast.Name) and node.func.id in _FORMULA_NAMES):
                return False
            pending += [one for one in node.args if not isinstance(one, ast.Constant)]
            pending += [keyword.value for keyword in node.keywords]
        elif isinstance(node, ast.Name):
            if len(node.id) > 1 and node.id not in _FORMULA_NAMES:
                return False
        elif isinstance(node, ast.Constant):
            if not isinstance(node.value, int | float):
                return False
        elif isinstance(node, _FORMULA):
            pending += ast.iter_child_nodes(node)
        else:
            return False
    return True


def _importing() -> bool:
    """Whether a module is being imported: its code is installed, and no text that is judged."""
    frame = sys._getframe()
    while frame is not None:
        if frame.f_code.co_filename.startswith("<frozen importlib"):
            return True
        frame = frame.f_back  # type: ignore[assignment]
    return False
