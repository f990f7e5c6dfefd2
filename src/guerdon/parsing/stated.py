r"""Answers that a text states: "The answer is 42", "Answer: 42", ``#### 42``."""

from __future__ import annotations

import re

from guerdon.parsing.last_number import up_to_next_question

_LONGEST = 400
"""Characters that are read of what is stated."""

_STATED = re.compile(
    r"(?i:\b(?:answers?|final (?:result|value|solution)))[*_]{0,3}"
    r"(?:\s(?:to|for|of|in)\s[^.:=\n]{1,80}?)?"
    r"(?:\s?(?:=|:|：)|\s(?i:is|are|was|would be|should be|must be|will be|equals)(?=[\s:：*$\\])"
    r"\s?[:：]?)"
    r"|答案(?:是|为|為|：|:)"
)
_HEADING = re.compile(r"(?im)^[#*_ \t]{0,8}(?:final )?answer[*_]{0,3}[ \t]{0,8}\n")
_BEGIN = re.compile(
    r"[\s:：}]*(?i:(?:therefore|thus|hence|simply|just|indeed|then|exactly|clearly|approximately)\b,?\s*)?"
)
_SUPPOSED = re.compile(
    r"(?i)\b(?:if|whether|doubt|unless|suppos\w{1,4}|assum\w{1,4}|unlikely|maybe|perhaps"
    r"|not sure|(?:might|may|could|would) (?:think|say|guess|expect|assume|believe))\s"
    r"(?:that\s)?(?:(?:the|my|this|its|your)\s)?(?:(?:final|correct|right|best|true)\s)?\Z"
)
_RETRACTED = re.compile(
    r"(?i)(?:^|[.!?\n])[\s*_]{0,8}"
    r"(?:wait|hmm|oops|actually|correction|scratch that|no\b(?=[,.!:])|sorry)\b"
    r"|\b(?:that|this|it)(?:['’]s| is| was| seems) (?:wrong|incorrect|not right|a mistake)\b"
    r"|\bI made (?:a|an) (?:mistake|error)\b|\blet me (?:re|correct)"
)
_FORMULA = re.compile(
    r"\$\$([^$]{1,300})\$\$|\$(?!\s)([^$\n]{1,300})\$(?!\d)|\\\(((?:(?!\\\)).){1,300})\\\)"
    r"|\\\[((?:(?!\\\]).){1,300})\\\]",
    re.DOTALL,
)
_BOLD = re.compile(r"\*\*([^*\n]{1,300})\*\*|__([^_\n]{1,300})__")
_END = re.compile(
    r"[.!。！](?=[\s*_\"')}\]$]|\Z)|[?？](?=\s|\Z)|[\n]|，因|\s[—–]\s"
    r"|,\s(?=and not\b|not\b|which\b|so\b)"
    r"|,?\s(?=(?:because|since|as|where|given|so that)\s)"
    r"|\s\((?=\d[\d.,]{0,20}\s?[-+*/×÷·−–=])"
    r"|\s\((?=because|since|as |i\.e|e\.g|see |I |we |check|rounded|verified|in \d)"
)
_LEAD = re.compile(
    r"(?i)(?:(?:so|thus|hence|therefore|then),?\s)?(?:(?:it|this|that)(?:['’]s|\sis|\sequals)\s|=\s?)"
)
_CALL = re.compile(r"[a-zA-Z_][\w.'\"]*(?:\(.*\)[\w.'\"]*)+", re.DOTALL)
_DECORATED = re.compile(r"""[*$"“'`«]|__|\\[(\[]""")
_QUOTES = {'"': '"', "“": "”", "'": "'", "`": "`", "«": "»"}
_HASH = re.compile(r"####[ \t]{0,8}([^\n#]{1,200})")
_LIST_NUMBER = re.compile(r"[0-9]{1,2}[.)]\s+\S")
_HASHED = re.compile(
    r"(?:[+−–-]?[$£€¥₹]?[−-]?"
    r"(?:[0-9][0-9,_'’]*(?:[ \u00a0\u2009\u202f][0-9]{3}(?![0-9]))*(?:\.[0-9]+)?|\.[0-9]+)"
    r"(?: [0-9]+(?=/))?(?:\s?/\s?[0-9]+)?\s?%?)(?![\w.,/^])"
)
_OTHERS = re.compile(r"\b(?:or|and|to)\b|[,;/|&±]|^\s*[-–*+×÷=^<>]")


def undecorated(text: str) -> str:
    r"""A short text without what emphasises or encloses it: ``**42**``, ```42```, ``$72$ clips``.

    Bold, italics, code, quotes around the whole, and the signs of formulas go, and what stands in
    them stays. Texts that are no short answers come back stripped.
    """
    plain = text.strip()
    if len(plain) > _LONGEST or not _DECORATED.search(plain):
        return plain
    for _ in range(4):
        before = plain
        plain = _FORMULA.sub(_inside, _BOLD.sub(_inside, plain)).strip()
        if len(plain) > 2 and (_QUOTES.get(plain[0]) == plain[-1] or plain[0] == plain[-1] == "*"):
            inside = plain[1:-1].strip()
            plain = inside if plain[0] not in inside else plain
        if plain == before:
            break
    return plain


def _inside(found: re.Match[str]) -> str:
    return next(group for group in found.groups() if group is not None)


def stated_answer(text: str) -> str | None:
    """What a text says its answer is, in words like "the answer is"; None where it does not.

    The last such statement counts, up to the end of its sentence or to its reason ("because",
    ", not 43"), without emphasis. One that is supposed ("if the answer is 41") or taken back
    ("Wait, that is wrong") is none, and so is what follows where the text goes on with another
    question. A heading "Answer" states the line below it. Linear time.

    >>> stated_answer("So the answer is **42**, since 6 * 7 = 42. I checked this in 2 ways.")
    '42'
    """
    if "nswer" not in text and "NSWER" not in text and "inal " not in text and "答案" not in text:
        return None
    found = None
    end = len(text)
    for one in sorted(
        [*_STATED.finditer(text), *_HEADING.finditer(text)], key=lambda match: match.end()
    ):
        if one.start() >= end:
            break
        if _SUPPOSED.search(text, max(0, one.start() - 60), one.start()):
            continue
        phrase, stop = _phrase(text, one.end())
        if phrase:
            found = (phrase, stop)
            end = min(end, len(up_to_next_question(text, stop)))
    if found is None or _RETRACTED.search(text, found[1], end):
        return None
    return found[0]


def lone_answer(text: str) -> str | None:
    """A text that is one short line, as an answer: without "So it is" before it, and emphasis.

    >>> lone_answer("So it is **Oslo**.")
    'Oslo'
    """
    plain = text.strip()
    if not plain or len(plain) > _LONGEST or "\n" in plain or _CALL.fullmatch(plain):
        return None
    lead = _LEAD.match(plain)
    return undecorated(plain[lead.end() :] if lead else plain).removesuffix(".") or None


def _phrase(text: str, start: int) -> tuple[str, int]:
    """What is stated at a place, and where that ends."""
    begin = _BEGIN.match(text, start)
    start = begin.end() if begin else start
    while text[start : start + 1] in ("*", "_") and not _BOLD.match(text, start):
        start += 1
    piece = text[start : start + _LONGEST]
    whole = _FORMULA.match(piece) or _BOLD.match(piece)
    close = _END.search(piece, whole.end() if whole else 0)
    said = piece[: close.start()] if close else piece
    if close and close.group() in "?？":
        said += "?"  # asked, not stated
    return undecorated(undecorated(said).rstrip("*_ ")), start + len(said)


def hashed_answer(text: str) -> str | None:
    """What stands after ``####``, the form of GSM8K's solutions; None without it.

    The first such line that holds an answer counts: a number, with units or a remark after it, or
    any text that is the last of all. Headings ("#### 1. Add", "#### Step 2") are none. Linear
    time.

    >>> hashed_answer("6 * 7 = 42\\n#### 42\\nI checked this in 2 ways.")
    '42'
    """
    if "####" not in text:
        return None
    for found in _HASH.finditer(text):
        said = undecorated(found.group(1)).rstrip()
        number = _HASHED.match(said) or _HASHED.match(said.removesuffix("."))
        last = not text[found.end() :].strip()
        if number is None or (_LIST_NUMBER.match(said) and not last):
            if last and number is None:
                return said
            continue
        return said if _OTHERS.search(said[number.end() :]) else number.group().strip()
    return None
