"""Fenced blocks of a completion: ```` ```python ... ``` ````."""

from __future__ import annotations

from collections.abc import Sequence

FENCE = "```"


def last_fenced(text: str, languages: Sequence[str]) -> str | None:
    """The inside of the last closed fenced block of one of the languages; None if none.

    A block begins at a fence that its language follows directly ("" = none) and ends at the
    next fence. The language is the rest of that line, in any case. Linear time.
    """
    found = None
    start = text.find(FENCE)
    while start >= 0:
        line_end = text.find("\n", start)
        end = text.find(FENCE, line_end) if line_end >= 0 else -1
        if end < 0:
            break
        if text[start + len(FENCE) : line_end].strip().lower() in languages:
            found = text[line_end + 1 : end]
        start = text.find(FENCE, end + len(FENCE))
    return found
