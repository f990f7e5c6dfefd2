"""What a part's author wrote below each of its settings."""

from __future__ import annotations

import ast
import inspect
import textwrap
from functools import cache
from itertools import pairwise


@cache
def documented(kind: type) -> dict[str, str]:
    """Each setting of a dataclass that has a text below it, with that text on one line.

    A setting of a base class brings its own; a class whose source can't be read has none.

    >>> from guerdon.overlong import SoftOverlong
    >>> documented(SoftOverlong)["limit"]
    'Tokens from which the penalty is whole.'
    """
    found: dict[str, str] = {}
    for base in reversed(kind.__mro__):
        if not base.__module__.startswith(("builtins", "typing")):
            found |= _below_each(base)
    return found


def _below_each(kind: type) -> dict[str, str]:
    try:
        body = ast.parse(textwrap.dedent(inspect.getsource(kind))).body[0]
    except (OSError, TypeError, SyntaxError, IndexError):
        return {}
    lines = body.body if isinstance(body, ast.ClassDef) else []
    return {
        one.target.id: " ".join(two.value.value.split())
        for one, two in pairwise(lines)
        if isinstance(one, ast.AnnAssign)
        and isinstance(one.target, ast.Name)
        and isinstance(two, ast.Expr)
        and isinstance(two.value, ast.Constant)
        and isinstance(two.value.value, str)
    }
