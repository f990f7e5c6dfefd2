"""End tokens that chat models write and some decoders keep."""

from __future__ import annotations

import re

END_TOKEN = r"(?:<\|[a-z_]{1,24}\|>|</s>|<eos>|<end_of_turn>)"
"""The pattern of one end token."""

_LONGEST = 32
_LAST = re.compile(rf"{END_TOKEN}\Z")


def without_end_tokens(text: str) -> str:
    """The text without the end tokens and the white space at its end.

    >>> without_end_tokens("42<|im_end|>\\n")
    '42'
    """
    end = len(text.rstrip())
    while found := _LAST.search(text, max(0, end - _LONGEST), end):
        end = found.start()
        while end and text[end - 1].isspace():
            end -= 1
    return text[:end]
