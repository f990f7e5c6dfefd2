"""What of a completion is prose: neither code, nor formulas, nor tags."""

from __future__ import annotations

import re

# Every run ends at the next opening or closing mark, so that no text takes more than linear time.
_CODE = re.compile(r"```.*?(?:```|\Z)|`[^`\n]{0,400}`", re.DOTALL)
_FORMULA = re.compile(
    r"\$\$[^$]{0,1000}\$\$|\$[^$\n]{0,400}\$"
    r"|\\\[(?:(?!\\\[).){0,1000}?\\\]|\\\((?:(?!\\\().){0,400}?\\\)|\\[a-zA-Z]+",
    re.DOTALL,
)
_TAG = re.compile(r"<[^<>\n]{0,40}>|https?://[^\s<>]{0,400}")


def prose(text: str) -> str:
    """The text with code, formulas, LaTeX commands, tags and addresses as spaces.

    Code is fenced blocks (an unclosed one runs to the end, as in Markdown) and what stands
    between single backticks on a line. Formulas stand between dollar signs, ``\\( \\)`` or
    ``\\[ \\]``. What stands between tags is kept.
    """
    for pattern in (_CODE, _FORMULA, _TAG):
        text = pattern.sub(" ", text)
    return text
