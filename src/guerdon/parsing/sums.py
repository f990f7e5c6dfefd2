"""Written sums, checked."""

from __future__ import annotations

import re

_SUM = re.compile(r"(\d{1,9}(?:[-+]\d{1,9}){1,3})=(\d{1,12})")
_TERM = re.compile(r"[-+]?\d+")


def sums_hold(text: str) -> bool:
    """False where a sum written in the text, such as ``12-7+1=6``, is wrong.

    A sum has two to four terms of up to nine digits, ``+`` or ``-`` between them and no spaces.
    A text without one says nothing wrong.
    """
    return all(sum(map(int, _TERM.findall(s))) == int(n) for s, n in _SUM.findall(text))
