r"""Mathematics written in Unicode, brought to the characters of LaTeX: one rule for all readers.

What counts as a digit is decided here. Digits of one script alone are digits: ASCII, full-width,
Arabic-Indic and its Persian form. Digits of two scripts in one text, circled, superscript and any
other digits are none, so that no value is read out of decoration.
"""

from __future__ import annotations

import re

_SCRIPTS = (0xFF10, 0x0660, 0x06F0)
"""Where the ten digits of each script begin that is read beside ASCII."""

_MINUS = "−–‐‑‒﹣－"
_SPACES = "\u00a0\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u202f\u205f\u3000"
# fmt: off
_COMMANDS = {
    "×": r"\times", "·": r"\cdot", "⋅": r"\cdot", "∙": r"\cdot", "÷": r"\div", "±": r"\pm",
    "∓": r"\mp", "≤": r"\le", "≥": r"\ge", "⩽": r"\le", "⩾": r"\ge", "≠": r"\ne", "∞": r"\infty",
    "∪": r"\cup", "∩": r"\cap", "∈": r"\in", "∅": r"\emptyset", "∖": r"\setminus",
    "ℝ": r"\mathbb{R}", "⟨": r"\langle", "⟩": r"\rangle", "π": r"\pi", "α": r"\alpha",
    "β": r"\beta", "γ": r"\gamma", "θ": r"\theta", "λ": r"\lambda", "φ": r"\phi", "ω": r"\omega",
    "°": r"^\circ", "≈": r"\approx", "∛": r"\sqrt[3]", "∜": r"\sqrt[4]",
}
_FRACTIONS = {
    "½": (1, 2), "⅓": (1, 3), "⅔": (2, 3), "¼": (1, 4), "¾": (3, 4), "⅕": (1, 5), "⅖": (2, 5),
    "⅗": (3, 5), "⅘": (4, 5), "⅙": (1, 6), "⅚": (5, 6), "⅐": (1, 7), "⅛": (1, 8), "⅜": (3, 8),
    "⅝": (5, 8), "⅞": (7, 8), "⅑": (1, 9), "⅒": (1, 10),
}
# fmt: on
_LATEX = str.maketrans(
    {
        **dict.fromkeys(_MINUS, "-"),
        **dict.fromkeys(_SPACES, " "),
        **{sign: command + " " for sign, command in _COMMANDS.items()},
        **{sign: rf"\frac{{{a}}}{{{b}}}" for sign, (a, b) in _FRACTIONS.items()},
        **{chr(0xFF01 + k): chr(0x21 + k) for k in range(94) if not chr(0x21 + k).isdigit()},
        "⁄": "/",
        "∕": "/",
        "∗": "*",
        "٫": ".",
        "٬": ",",
    }
)
_RAISED = "⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻⁽⁾ⁿ"
_LOWERED = "₀₁₂₃₄₅₆₇₈₉"
_RAISED_RUN = re.compile(f"[{_RAISED}]+")
_LOWERED_RUN = re.compile(f"[{_LOWERED}]+")
_PLAIN = str.maketrans(_RAISED + _LOWERED, "0123456789+-()n0123456789")
_ROOT = re.compile(r"√\s?(\d+(?:\.\d+)?|[a-zA-Z])", re.ASCII)


def one_script(text: str) -> str:
    """The text with its digits as ASCII digits where all are of one script that is read.

    Digits of two scripts stand as they are: a reader of ASCII digits then finds no number.

    >>> one_script("１２"), one_script("٣٫٥"), one_script("1２")
    ('12', '3٫5', '1２')
    """
    if text.isascii():
        return text
    begins = [_begin(c) for c in text if c.isdecimal()]
    if not begins or begins[0] in (0, None) or any(b != begins[0] for b in begins):
        return text
    return "".join(str(ord(c) - begins[0]) if c.isdecimal() else c for c in text)


def _begin(digit: str) -> int | None:
    """Where the digit's script begins: 0 for ASCII, None for one that is not read."""
    return 0 if digit.isascii() else next((b for b in _SCRIPTS if 0 <= ord(digit) - b < 10), None)


def latex_characters(text: str) -> str:
    r"""Unicode mathematics in the characters of LaTeX: digits (`one_script`), minus signs, spaces,
    fractions, powers, roots and signs. Linear time.

    >>> latex_characters("−1½"), latex_characters("√2·x²"), latex_characters("x≤5")
    ('-1\\frac{1}{2}', '\\sqrt{2}\\cdot x^{2}', 'x\\le 5')
    """
    if text.isascii():
        return text
    text = one_script(text).translate(_LATEX)
    text = _ROOT.sub(r"\\sqrt{\1}", text).replace("√", "\\sqrt ")
    text = _RAISED_RUN.sub(lambda run: f"^{{{run.group().translate(_PLAIN)}}}", text)
    return _LOWERED_RUN.sub(lambda run: f"_{{{run.group().translate(_PLAIN)}}}", text)
