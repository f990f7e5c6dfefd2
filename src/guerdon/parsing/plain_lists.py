"""Points, sets, intervals and matrices of whole numbers, which most lists are."""

from __future__ import annotations

import re
from functools import lru_cache

from guerdon.parsing.tokens import LONGEST_EXPRESSION

_WHOLE = r"\s{0,3}-?[0-9]{1,18}\s{0,3}"
_LIST = re.compile(
    rf"(?:\\left\s?)?([(\[]|\\\{{)((?:{_WHOLE},){{1,40}}{_WHOLE})(?:\\right\s?)?([)\]]|\\\}})"
)
_THOUSANDS = re.compile(r"[0-9],[0-9]{3}(?![0-9])")
_ROW = rf"{_WHOLE}(?:&{_WHOLE}){{1,20}}"
_MATRIX = re.compile(rf"\\begin\{{([pbB]?matrix)\}}({_ROW}(?:\\\\{_ROW}){{1,20}})\\end\{{\1\}}")

Rows = tuple[tuple[int, ...], ...]


def same_plain_lists(one: str, two: str) -> bool | None:
    r"""Whether two lists of whole numbers are equal, as `same_expression` would say; None where
    one of them is anything else, or may be.

    >>> same_plain_lists("(1, 2)", "(1,2)"), same_plain_lists(r"\{1, 2\}", r"\{2, 1\}")
    (True, True)
    """
    if one[-1:] not in _ENDS or two[-1:] not in _ENDS:
        return None
    if len(one) > LONGEST_EXPRESSION or len(two) > LONGEST_EXPRESSION:  # only short ones are kept
        return None
    left, right = _read(one), _read(two)
    if left is None or right is None:
        return None
    (kind, rows, doubtful), (other, others, also) = left, right
    if kind != other and ({kind, other} != {"()", "[]"} or len(rows[0]) < 3):
        return None if doubtful or also else False
    equal = (
        sorted(rows[0]) == sorted(others[0]) if kind == r"\{\}" else rows == others
    )  # a comma may stand inside a number: (1,000, 2)
    return True if equal else None if doubtful or also else False


_ENDS = frozenset((")", "]", "}"))


@lru_cache(maxsize=8192)
def _read(text: str) -> tuple[str, Rows, bool] | None:
    """Its brackets, its rows, and whether a comma of it may stand inside a number."""
    found = _LIST.fullmatch(text)
    if found is None:
        matrix = _MATRIX.fullmatch(text)
        if matrix is None:
            return None
        lines = matrix[2].split(r"\\")
        return "matrix", tuple([tuple(map(int, line.split("&"))) for line in lines]), False
    items = tuple(map(int, found[2].split(",")))
    kind = found[1] + found[3]
    if not (kind in _BRACKETS or (kind in ("(]", "[)") and len(items) == 2)):
        return None
    return kind, (items,), bool(_THOUSANDS.search(text))


_BRACKETS = ("()", "[]", r"\{\}")
