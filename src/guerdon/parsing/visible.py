"""Text of models and data files for a terminal, which would obey some of its characters."""

from __future__ import annotations

import unicodedata

_OBEYED = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
"""Unicode's categories of control characters, of signs that reorder or hide others, of half
surrogate pairs (no terminal can be sent one) and of other line ends."""

_KEPT = frozenset("\n\t\u200c\u200d")
"""Line ends, tabs, and the joiners that Persian, Hindi and emoji are written with."""


def visible(text: object) -> str:
    """``text`` with every character that a terminal would obey, or hide, as its number.

    Escape sequences then show as ``⟨U+001B⟩[31m`` and do nothing. Markup such as ``[red]`` is left
    as it is: it goes to `rich` as a ``Text``, or with ``markup=False``.
    """
    said = str(text)
    if said.isascii() and said.isprintable():
        return said
    return "".join(
        c if c in _KEPT or unicodedata.category(c) not in _OBEYED else f"⟨U+{ord(c):04X}⟩"
        for c in said
    )
