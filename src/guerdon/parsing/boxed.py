r"""``\boxed{...}`` answers."""

from __future__ import annotations

import re

# An escaped character never opens or closes a group, so "\{" is read as one token.
_TOKEN = re.compile(r"\\boxed\s*\{|\\.|[{}]", re.DOTALL)


def boxed_spans(text: str) -> list[tuple[int, int]]:
    r"""Where the inside of every balanced ``\boxed{...}`` begins and ends, by its beginning.

    One pass with a stack: linear in the text. A box whose braces never close is no box; the
    balanced boxes inside it still are.
    """
    opened: list[int] = []
    spans = []
    for token in _TOKEN.finditer(text):
        mark = token.group()
        if mark == "}":
            start = opened.pop() if opened else -1
            if start >= 0:
                spans.append((start, token.start()))
        elif mark == "{":
            opened.append(-1)
        elif mark[-1] == "{" and len(mark) > 2:
            opened.append(token.end())
    return sorted(spans)


def last_boxed(text: str) -> str | None:
    r"""The inside of the balanced ``\boxed{...}`` that begins last, stripped; None if none.

    ``\boxed{\boxed{3}}`` gives ``3``.

    >>> last_boxed(r"\boxed{1}, no: \boxed{ \frac{1}{2} }")
    '\\frac{1}{2}'
    """
    if "\\boxed" not in text:
        return None
    spans = boxed_spans(text)
    return text[slice(*spans[-1])].strip() if spans else None
