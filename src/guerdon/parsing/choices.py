"""Letters of multiple-choice answers."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from guerdon.parsing.stated import stated_answer, undecorated

LETTERS = "ABCDEFG"
"""The letters of DianJin-R1 (arXiv 2504.15716)."""

CHOICES = "ABCDEFGHIJ"
"""The letters that are read where nothing else is said: as many as the widest public sets offer."""

_WRAPPED = re.compile(r"\\(?:text|textbf|mathrm|mathbf|rm|boxed)\s*\{\s*([^{}\\]{0,64})\}")
_SPACING = re.compile(r"\\[ ,;:!]|\\q?quad(?![a-zA-Z])|~")
_BULLET = re.compile(r"(?m)^[ \t]{0,8}(?:[-*•]|\d{1,2}[.)])[ \t]+(?=\S)")
_SEPARATOR = re.compile(r"[\s,;/&、，；]+")
_DECORATION = "().[]{}:$*_`\"'（）。"
_LONGEST = 200
_NARROW = {code: code - 0xFEE0 for code in range(0xFF01, 0xFF5F)}

_OPEN, _CLOSE = r"[(\[{*_\"'$<]{0,4}", r"[)\]}*_\"'$>]{0,4}"
_LEADING = re.compile(
    rf"\s*{_OPEN}(?:([A-Z]){_CLOSE}(?:(?=\s*(?:\Z|\n|[.:;,!)][*_]{{0,2}}(?:\s|\Z)))"
    r"|(?=[*_]{0,2}\s+[-–—(:]\s?\S)|(?=,?\s+(?:because|since|as\s(?:it|the|they)|due to"
    rf"|is\s(?:the\s)?(?:right|correct|best|answer|true))\b))|([a-z])(?:[).:][*_]{{0,2}}(?![\w.])|{_CLOSE}\s*\Z))"
)
_TOLD = re.compile(
    r"\A(?:so |thus |therefore,? |hence )?"
    r"(?:I(?:['’]ll|['’]d| would| will)? (?:choose|pick|select|go with|say) "
    r"|(?:it|that) (?:is|must be|has to be) |(?:it|that)['’]s )?"
    r"(?:the |my )?(?:final |right |correct |best )?(?:answer|choice|option)?"
    r"(?: is| would be| must be| has to be|:)?:? ?(?:not [a-j],? but )?(?:option |choice )?"
    rf"{_OPEN}([a-z]){_CLOSE}(?![\w+#'’-]|\.\w)"
    r"(?!\s*(?:or\b|(?:is|seems|looks) (?!(?:the )?(?:right|correct|best|answer|true|only))))"
    r"(?=\s*(?:\Z|[.,:;!\n]|[-–—(]|because\b|since\b|not\b|(?:is|seems|looks)\b))",
    re.IGNORECASE,
)
_CONCLUDED = re.compile(
    r"(?i)\b(?:(?:so|thus|therefore|hence|consequently)\b,?|no,)\s+(?=[^.!?\n]{1,80}[.!]?[*_]{0,2}\s*\Z)"
)
_ARTICLE = re.compile(r"(?:\A|(?:is|be|:)\s)[aA]\s+[a-z]")
_LISTED = re.compile(r"(?:\A|[,;&\n]\s*|\band\s+)[(\[*]{0,3}([A-Z])[)\].:*]{1,3}\s*(?=[^\s,;])")
_AND = re.compile(
    r"(?i)\A(?:both |all of )?(?:the )?"
    r"(?:(?:final |right |correct )?(?:answers?|options?|choices?) (?:are|is) )?"
    r"|\band\b|\bonly\b"
    r"|\bare (?:all |both )?(?:the )?(?:right|correct|true)(?: (?:answers|options|choices))?\Z"
)


def choice_letters(text: str, letters: str = LETTERS) -> str:
    """Every letter that occurs anywhere in the text, once, in the order of ``letters``.

    The released rule of DianJin-R1: "B, D" gives "BD", "DB" gives "BD", "none" gives "" —
    and "Answer: B" gives "AB", because of the capital of its first word.
    """
    return "".join(letter for letter in letters if letter in text)


def separated_choice_letters(text: str, letters: str = LETTERS) -> str:
    r"""The letters of a text that holds nothing but separated letters; "" for any other text.

    Letters are separated by white space, commas, semicolons or slashes (ASCII or full-width)
    and may stand in brackets or in ``\text{...}``. "B, D" gives "BD"; "Answer: B", "CFA" and
    "DB" give "", since a word may be spelt with choice letters.
    """
    plain = _WRAPPED.sub(r"\1", text)
    tokens = [token.strip(_DECORATION) for token in _SEPARATOR.split(plain)]
    tokens = [token for token in tokens if token]
    if any(len(token) != 1 or token not in letters for token in tokens):
        return ""
    return "".join(letter for letter in letters if letter in tokens)


def chosen_letters(text: str, letters: str = CHOICES) -> str:
    """The letters that an answer chooses: one with what is said of it, or several and no more.

    "B", "b", "(B)", "B. Dog", "B) Dog", "B - Dog", "Option B", "It's B.", "B, because A is wrong"
    and "The answer is B. Note that A is not" choose B. "So it must be D." at the end
    concludes. "B, D", "B and D", "(B) (D)", "BD" (its letters are capitals in their order), lines
    of a list and "B) Dog, D) Hen" choose both. Words choose nothing:
    "A dog" (its first word may be an article), "None", "Don't know", "C++", "BAD"; nor do "A or
    B", "not B" and "B is wrong". Letters outside ``letters`` choose nothing.
    """
    plain = text[: 4 * _LONGEST].translate(_NARROW)
    if "\\" in plain or "~" in plain:
        plain = _WRAPPED.sub(r"\1", _WRAPPED.sub(r"\1", _SPACING.sub(" ", plain)))
    plain = _BULLET.sub("", plain).strip()
    listed = _AND.sub(" ", plain.removesuffix(".")) if len(plain) < _LONGEST else ""
    several = separated_choice_letters(listed.upper(), letters)
    labelled = {token.rstrip(",;")[-1:] in (")", ".", ":") for token in listed.split()}
    if several and len(labelled) == 1:
        return several
    row = plain.strip(_DECORATION)
    if row and row == "".join(letter for letter in letters if letter in row):
        return row
    found = _LISTED.findall(plain) if len(plain) < _LONGEST else []
    if len(found) > 1:
        known = all(letter in letters for letter in found)
        return "".join(letter for letter in letters if letter in found) if known else ""
    stated = stated_answer(plain)
    told = _leading(plain) or _leading(plain, _TOLD) or (_leading(stated, _TOLD) if stated else "")
    letter = (told or _concluded(text)).upper()
    return letter if letter and letter in letters else ""


def _concluded(text: str) -> str:
    """What the last sentence concludes: "B and C are wrong, so it must be D"."""
    end = text[-_LONGEST:]
    found = list(_CONCLUDED.finditer(end))
    return _leading(end[found[-1].end() :], _TOLD) if found else ""


def _leading(text: str, pattern: re.Pattern[str] = _LEADING) -> str:
    found = pattern.match(text)
    if found is None or _ARTICLE.search(text, 0, found.end() + 3):
        return ""
    return next((group for group in found.groups() if group), "")


def reference_letters(text: str, letters: str = CHOICES) -> str:
    """The right letters of a reference, read as answers are (`chosen_letters`).

    A row of different capital letters in any order is several choices too: "DB" gives "BD".
    """
    row = text.strip()
    if row and len(set(row)) == len(row) and all(letter in letters for letter in row):
        return "".join(letter for letter in letters if letter in row)
    return chosen_letters(undecorated(text), letters)


def options_of(held: Any) -> dict[str, str]:
    """The options of a question, label to text; none where it holds none.

    From a list of texts (MMLU: labels are A, B, ...), a mapping of labels to texts, or a mapping of
    "text" and "label" to lists (ARC).
    """
    if isinstance(held, Mapping) and isinstance(held.get("text"), list | tuple):
        labels, texts = held.get("label") or (), held["text"]
        if len(labels) == len(texts):
            return {str(label): str(text) for label, text in zip(labels, texts, strict=True)}
        held = texts
    if isinstance(held, Mapping):
        return {str(letter): str(text) for letter, text in held.items()}
    if isinstance(held, list | tuple):
        return {chr(ord("A") + place): str(text) for place, text in enumerate(held)}
    return {}
