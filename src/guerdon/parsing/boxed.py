r"""``\boxed{...}`` answers."""

from __future__ import annotations

import re

# An escaped character never opens or closes a group, so "\{" is read as one token.
_TOKEN = re.compile(r"\\(?:boxed|fbox|framebox)\s*\{|\\.|[{}]", re.DOTALL)
_FIRST = re.compile(r"(?<!\\)\\++(?:boxed|fbox|framebox)\s*+\{")  # from its run of backslashes on
_BARE = re.compile(r"\\boxed\s+([0-9A-Za-z]{1,40})(?![\w{])")
_JOINT = re.compile(
    r"\}[$*\s]{0,8}(?:,\s?)?(?:\\text\s?\{\s?)?([,;]|or|and)(?:\s?\})?[$*\s]{0,8}"
    r"\\(?:boxed|fbox|framebox)\s{0,8}\{"
)


def boxed_spans(text: str) -> list[tuple[int, int]]:
    r"""Where the inside of every balanced ``\boxed{...}`` begins and ends, by its beginning.

    ``\fbox`` and ``\framebox`` are boxes too. One pass with a stack: linear in the text. A box
    whose braces never close is none of these; the balanced boxes inside it still are.
    """
    return _spans(text)[0]


def _spans(text: str) -> tuple[list[tuple[int, int]], int | None]:
    """Balanced boxes, and where the inside of the last one that never closes begins."""
    first = _FIRST.search(text)
    if first is None:
        return [], None
    opened: list[int] = []
    spans = []
    # Groups that were opened before the first box close after whatever is opened from here on.
    for token in _TOKEN.finditer(text, first.start()):
        mark = token.group()
        if mark == "}":
            start = opened.pop() if opened else -1
            if start >= 0:
                spans.append((start, token.start()))
        elif mark == "{":
            opened.append(-1)
        elif mark[-1] == "{" and len(mark) > 2:
            opened.append(token.end())
    unclosed = [start for start in opened if start >= 0]
    return sorted(spans), unclosed[-1] if unclosed else None


def last_boxed(text: str) -> str | None:
    r"""The inside of the ``\boxed{...}`` that begins last, stripped; None if none.

    ``\boxed{\boxed{3}}`` gives ``3``. An empty box counts only where no other does. A box that
    is cut off, the last thing in its line, holds what stands there; ``\boxed 3`` holds 3.

    >>> last_boxed(r"\boxed{1}, no: \boxed{ \frac{1}{2} }")
    '\\frac{1}{2}'
    """
    found = _last_boxes(text)
    return found[-1] if found else None


def boxed_answer(text: str) -> str | None:
    r"""What `last_boxed` finds, with the boxes that a comma, "or" or "and" joins to it.

    >>> boxed_answer(r"\boxed{1}. Then $\boxed{2}$ or $\boxed{3}$")
    '2 or 3'
    """
    found = _last_boxes(text)
    return "".join(found) if found else None


def _last_boxes(text: str) -> list[str]:
    """The last box, after those joined to it and what joins them."""
    if "box" not in text:
        return []
    spans, unclosed = _spans(text)
    bare = None if spans or unclosed is not None else _BARE.search(text)
    if bare:
        return [bare.group(1)]
    if unclosed is not None and (not spans or unclosed > spans[-1][0]):
        return [text[unclosed:].partition("\n")[0].rstrip(" $.*")]
    found: list[str] = []
    start = 0
    while spans:
        joint = _JOINT.fullmatch(text, spans[-1][1], start) if found else None
        if found and not joint:
            break
        (start, end) = spans.pop()
        inside = text[start:end].strip()
        if joint:
            found[:0] = [inside, f" {joint.group(1)} ".replace(" ,", ",").replace(" ;", ";")]
        elif inside or not spans:
            found = [inside]
    return found
