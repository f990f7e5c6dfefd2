r"""A short answer without what does not change its meaning: LaTeX spacing, names, units."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

LONGEST_ANSWER = 800
"""Longer texts are no short answers and are left as they are."""

_REMOVED = re.compile(
    r"\\(?:left|right|[bB]ig[gl]?|displaystyle)(?![a-zA-Z])|(?<!\\)\\[,!;: ]|~|\\q?quad(?![a-zA-Z])"
)
_FRACTION = re.compile(r"\\[dtc]frac(?![a-zA-Z])")
_DEGREE = re.compile(r"\s?(?:\^\s?\\circ|\^\s?\{\s?\\circ\s?\}|°|\\degree)(?![a-zA-Z])")
_WRAPPED = re.compile(r"\\(?:text|textbf|textit|mathrm|mathbf|mbox|operatorname)\s?\{([^{}\\]*)\}")
_WRAPPED_END = re.compile(_WRAPPED.pattern + r"(?:\^\s?\{?\s?[23]\s?\}?)?\Z")
_NAME = re.compile(r"([a-zA-Z])(?:\([a-zA-Z]\))?\s?=(?![=])\s?")
_WORD_UNIT = re.compile(
    r"(?<=[\d}])\s([a-zA-Zµ]{2,}|[mgshLlNJWVAKCF])(?:/[a-zA-Z]{1,8})?(?:\^?[23])?\Z"
)
_MIXED = re.compile(r"(-?)\s?(\d{1,40})\s?\\frac\s?\{(\d{1,40})\}\s?\{(\d{1,40})\}")
_SCIENTIFIC = re.compile(
    r"(-?[\d.]{1,40})\s?(?:\\times|\\cdot|[*x×·])\s?10\s?\^\s?\{?\s?(-?\d{1,3})\s?\}?"
)
_BRACKETED = re.compile(r"\(([^()\[\],;|]*)\)")
_UNIT = re.compile(r"[a-zA-Zµ]{1,32}(?:[ /·-][a-zA-Z]{1,32}){0,3}")
_SCALES = frozenset(
    ["hundred", "thousand", "million", "billion", "trillion", "dozen", "percent", "times"]
)
_HEDGES = frozenset(["or", "and", "not", "no", "maybe", "than", "more", "less", "about", "wrong"])


@dataclass(frozen=True)
class Plain:
    """A short answer taken apart: ``name = body unit``; name and unit are "" where absent."""

    body: str
    unit: str = ""
    name: str = ""


def plain_answer(text: str) -> Plain:
    r"""A short answer with its LaTeX reduced to what matters.

    Enclosing ``$`` and brackets, ``\left``, spacing commands and a final full stop go;
    ``\dfrac`` becomes ``\frac``, ``\text{x}`` becomes x, a mixed number a fraction and
    ``5 \times 10^{3}`` 5e3. "x = 5" has the name x; "5\text{ cm}", "5 cm" and "5^\circ" have a
    unit; a word that scales (million, percent) is none. Texts longer than `LONGEST_ANSWER`
    come back as they are. Linear time, raises nothing.
    """
    # Only short texts are remembered: what is kept of hostile ones is bounded too.
    return _taken_apart(text) if len(text) <= LONGEST_ANSWER else Plain(text.strip())


@lru_cache(maxsize=8192)
def _taken_apart(text: str) -> Plain:
    body = _REMOVED.sub(" ", text.strip()).removesuffix(".").rstrip()
    for left, right in (("\\(", "\\)"), ("\\[", "\\]"), ("$$", "$$"), ("$", "$")):
        if len(body) > len(left) + len(right) and body.startswith(left) and body.endswith(right):
            body = body[len(left) : -len(right)]
            break
    body = _FRACTION.sub(r"\\frac", body.replace("\\$", "").replace("\\%", "%"))
    body = " ".join(body.split()).removesuffix(".").rstrip()
    body, unit = _without_unit(body)
    bracketed = _BRACKETED.fullmatch(body)
    body = _as_number(bracketed.group(1).strip() if bracketed else body)
    name = _NAME.match(body)
    if name and "=" not in body[name.end() :] and body[name.end() :]:
        return Plain(body[name.end() :], unit, name.group(1))
    return Plain(body, unit)


def _as_number(body: str) -> str:
    r"""Mixed numbers as a fraction, ``5 \times 10^{3}`` as 5e3; anything else as it is."""
    mixed = _MIXED.fullmatch(body)
    if mixed:
        sign, whole, above, below = mixed.groups()
        return f"{sign}{int(whole) * int(below) + int(above)}/{below}"
    scientific = _SCIENTIFIC.fullmatch(body)
    return f"{scientific.group(1)}e{scientific.group(2)}" if scientific else body


def _without_unit(body: str) -> tuple[str, str]:
    degree = _DEGREE.search(body)
    if degree and degree.end() == len(body):
        return body[: degree.start()].rstrip(), "°"
    wrapped = _WRAPPED_END.search(body)
    if wrapped and wrapped.start() and body[wrapped.start() - 1] not in "_^{(+-*/=":
        unit = _WRAPPED.sub(r"\1", wrapped.group())
        if _is_unit(unit):
            return body[: wrapped.start()].rstrip(), "".join(unit.split())
    body = _WRAPPED.sub(lambda found: found.group(1).strip(), body).strip()
    word = _WORD_UNIT.search(body)
    if word and _is_unit(word.group()):
        return body[: word.start()].rstrip(), word.group().strip()
    return body, ""


def _is_unit(text: str) -> bool:
    power = re.sub(r"\^?\s?\{?\s?[23]\s?\}?\Z", "", text.strip())
    words = re.split(r"[ /·-]", power.lower())
    return bool(_UNIT.fullmatch(power)) and not any(w in _SCALES | _HEDGES for w in words)
