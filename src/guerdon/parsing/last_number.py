"""The number that a text ends in, if it settles on one."""

from __future__ import annotations

import re

from guerdon.parsing.numbers import GROUPED, MINUS, MONEY, SEPARATOR, plain_digits
from guerdon.parsing.units import is_unit

TAIL = 4000
"""Characters from the end in which the last number is looked for."""

# What holds digits and is no number: clock times and ratios, versions and dates.
_OTHER = (
    r"[0-9]++(?::[0-9]++)+|[0-9]++(?:\.[0-9]++){2,}|[0-9]++(?:/[0-9]++){2,}"
    r"|[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}(?![0-9])"
)
_MONTH = (
    r"(?:Jan(?:uary)?|Feb(?:ruary)?|Mar(?:ch)?|Apr(?:il)?|May|June?|July?|Aug(?:ust)?|Sept?(?:ember)?"
    r"|Oct(?:ober)?|Nov(?:ember)?|Dec(?:ember)?)\.?"
)
_DAY = r"[0-3]?[0-9](?:st|nd|rd|th)?"
_LONG_DATE = re.compile(
    rf"\b(?:{_DAY}(?: of)? {_MONTH}|{_MONTH} {_DAY}),? [12][0-9]{{3}}(?![\w.,]\w)(?!\w)"
)
_LONGEST_DATE = 24
# fmt: off
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
# fmt: on
_BRACED = r"\s?(?:\{\s?-?[0-9]++\s?\}|[0-9])"
_SIZE = rf"(?:(?:{GROUPED}|[0-9]++)(?:\.[0-9]++)?|\.[0-9]++)"
_TOKEN = re.compile(
    rf"(?=[{MINUS}+{MONEY}0-9.\\])(?:(?P<other>(?<![\d.])(?:{_OTHER}))"
    rf"|(?:(?<![\w.)\]}}])[{MINUS}+])?[{MONEY}]?(?:(?<=[{MONEY}])[{MINUS}])?"
    rf"(?:(?:[0-9]++\s?)?\\[dtc]?frac{_BRACED}{_BRACED}"
    rf"|(?<![0-9])[0-9]++ [0-9]++\s?/\s?[0-9]++(?![0-9])"
    rf"|{_SIZE}\s?(?:[x×*·]|\\times|\\cdot)\s?10\s?(?:\^\s?\{{?\s?[-−]?[0-9]{{1,3}}\s?\}}?"
    r"(?![\w.]\w)|[⁻⁰¹²³⁴-⁹]{1,4})"
    rf"|{_SIZE}(?:[eE][-+]?[0-9]{{1,4}}(?!\w))?(?:\s?/\s?[0-9]++(?![0-9]))?)(?:\s?\\?%)?)"
)
_ATTACHED = re.compile(
    r"(?:[mgshlL]|[mckn]m|[mk]?g|[mcd]l|kg|lbs?|oz|ft|in|yd|mi|min|hrs?|secs?|ms|mph|km/h|kph|[kMG]Hz"
    r"|k?Wh?|[kMGT]B|px|pts?|USD|EUR|GBP|years?|days?|hours?)(?![\w^({])"
)
_UNIT = re.compile(
    r"\s?(?!per\b)"
    r"(?P<words>(?:(?:square|cubic) )?[a-zA-Z]{1,12}(?:/[a-zA-Z]{1,12}| per [a-zA-Z]{1,12})?)"
    r"(?:\^\{?[23]\}?|[²³])?(?![\w/^²³*·-])(?! per\b)"
)
_SCALE = re.compile(r"\s?(?:hundred|thousand|million|billion|trillion|dozen)\b")
_OPERATOR = re.compile(
    r"(?:[0-9)\]}!%]|(?<![A-Za-z])[A-Za-z])\s*(?:[-+*/×÷·^−–±]|\\(?:times|cdot|div|pm)\s?)\s*\Z"
)
_NO_VALUE = re.compile(
    r"(?:[<>≤≥≠±^_{]|!=|\w[(\[]|\\(?:[lg]eq?|n?eq?|pm)\s?)\s*\Z"  # a bound, an index, an argument
)
_SIGNS = frozenset("-+*/×÷·^−–±<>≤≥≠=_{([")
"""What `_OPERATOR` and `_NO_VALUE` may end in, beside letters."""
_UNIT_POWER = re.compile(r"[a-zA-Zµ]\s?\^\s?\{?\s?[-−]?\Z")
_GOES_ON = re.compile(
    r"\s*(?:\^|[+*×÷·]\s*[\w(\\]|/\s*[\d(\\]|\\(?:times|cdot|div|pi|sqrt|pm)|±|[²³¹⁰-⁹])"
)
_JOIN = re.compile(r"(?:[\s,;/|&•*+−–$-]|(?i:\b(?:and|or|to|through|until|then|und|oder)\b)){1,40}")
_OR = re.compile(r"(?i)(?<!\w)(?:or|oder)(?!\w)")
# fmt: off
_DOUBTED = frozenset([
    "not", "never", "maybe", "perhaps", "possibly", "about", "around", "roughly", "nearly",
    "almost", "than", "either", "neither", "nor", "between", "unlike", "least", "most", "can't",
    "isn't", "wasn't", "won't", "doesn't", "aren't",
])
# fmt: on
_HEDGES = _DOUBTED | {"or", "and", "no", "more", "less", "fewer", "to", "if", "wrong", "unless"}
_UNSURE = ("doubt", "whether", "unsure", "not sure", "suppose")
_DENIED = re.compile(r"(?i)[^.!?\n]{0,40}\b(?:wrong|incorrect|false|not (?:right|correct))\b")
_DENIALS = ("wrong", "correct", "false", "not right")
"""One of them stands in what `_DENIED` matches."""
_ASKED = re.compile(r"[^.!?\n]{0,80}\?")
_LETTER = re.compile(r"[^\W\d_\u3040-\u9fff\uac00-\ud7af]")  # scripts without spaces join words
_UP_TO_STOP = re.compile(r"(?s)\A.*(?:[.!?] |\.\) |[\n。])")
_UP_TO_DIGIT = re.compile(r"(?s)\A.*[0-9]")
_SYNC = re.compile(r"[g-qsu-z]")  # a letter that no number holds: none goes on across it
_NEAR = (60, 400, TAIL)
"""Characters from the end that are cut into numbers: most texts are settled by few of them."""
_REMARK = re.compile(
    r"(?i)[\s(*_>-]{0,8}(?:(?:I|we)(?:['’]ve| have)? (?:(?:also|then|just|have) )?"
    r"(?:(?:re-?|double-?|cross-?) ?)?(?:check|verif|confirm|test)"
    r"|note\b|p\.?s\.?\b|(?:double-?|cross-?|re-?)?check(?:ed|ing)?\b|verif|confidence\b|sanity\b"
    r"|(?:this|that|it) took\b|let me know\b|(?:I )?hope (?:this|it|that)\b"
    r"|see (?:also|page|section)\b)"
)
_ASIDE = re.compile(r"\s\((?P<said>[^()=\n]{1,160})\)[.!*_\s]{0,6}\Z")
_NO_ASIDE = re.compile(
    r"(?i)\A(?:or|not|so|thus|i\.e|that is)\b|\b(?:total|altogether|answer|sum)\b"
)
_MEANT = re.compile(r"(?:\b(?:is|are|be)|=)\s?[*$]{0,3}\Z")
_RAISED = frozenset("⁰¹²³⁴⁵⁶⁷⁸⁹⁻")
_ANOTHER = re.compile(
    r"(?im)^[ \t#*]{0,8}(?:question|problem|exercise|q|human|user|instruction)"
    r"(?: ?\d{1,4})?\*{0,2}\s?[:：]"
)
_CODE = re.compile(
    r"```(?!(?:text|txt|plain|plaintext|math|latex|tex|markdown|md|answer|output)?[ \t]*\n)"
    r"[a-zA-Z][^`\n]*\n[^`]*(?:```|\Z)"
)
_REWORKED = re.compile(r"<<[^<>\n]{0,80}>>")  # GSM8K's calculator: 48+24=<<48+24=72>>72
_FIELD = re.compile(r"[\"'](\w{1,40})[\"']\s?:\s?\Z")
_ENDS = ("", ".", "!")
"""After these nothing can be said of the number before them."""

_ENDS_ARGUMENT = frozenset(")=:;")
_ASKED_FIELDS = frozenset(["answer", "final_answer", "result", "value", "solution", "output"])
_DIGIT = re.compile(r"\d")
_DIGITS = re.compile(r"\d+")
_OPERATION = re.compile(r"\d\s?[-+*/×÷·−–]")
_VARIABLE = re.compile(r"[\^\\_?]|(?<![a-zA-Z])[a-zA-Z](?![a-zA-Z])|=")
_LISTED = re.compile(r"[.)][ \t]+\S")
_CLAUSE = re.compile(r"[.!?\n]")
_OPENING = f"(*{MONEY}"
_WORD = re.compile(r"[^\W\d_]{2}")
_SIMPLE = re.compile(rf"-?[{MONEY}]?[0-9]{{1,40}}(?:\.[0-9]{{1,40}})?")
_SHORT = 200


def up_to_next_question(text: str, begin: int) -> str:
    """The text up to where, after ``begin``, it goes on with another question by itself.

    That is a line that begins with "Question:", "Q:", "Problem 2:", "Human:" or the like.
    """
    if text.find(":", begin) < 0 and text.find("：", begin) < 0:
        return text
    found = _ANOTHER.search(text, begin)
    return text[: found.start()] if found else text


def without_remarks(text: str) -> str:
    """The text without what ends it and is said of the work: "I checked this in 2 ways."

    The whole text where no digit would be left.
    """
    end = len(text.rstrip())
    while end > 0:
        start = min(_sentence(text, end), end - 1)
        if text[start:end].strip() and not _REMARK.match(text, start, end):
            return text if end == len(text.rstrip()) else text[:end]
        end = len(text[:start].rstrip())
        if not _DIGIT.search(text, 0, end):
            return text
    return text


def without_aside(text: str) -> str:
    """The text without brackets at its end that add to a number: "9 more (he has 15)".

    The whole text where they sum up or offer another, and where no other number stands before
    them in the sentence.
    """
    aside = _ASIDE.search(text, max(0, len(text) - 180))
    if aside is None or not _DIGIT.search(aside["said"]) or _NO_ASIDE.search(aside["said"]):
        return text
    if not (_WORD.search(aside["said"]) or _OPERATION.search(aside["said"])):
        return text
    end = aside.start()
    return text[:end] if _DIGIT.search(text, _sentence(text, end), end) else text


def _sentence(text: str, end: int) -> int:
    """Where the sentence begins that ends there."""
    found = _UP_TO_STOP.match(text, 0, end - 1)
    return found.end() if found else 0


def last_number(text: str) -> str | None:
    """The number that a text settles on at its end, as it is written there; None if none.

    It is the last one in the last `TAIL` characters, before remarks on the work
    (`without_remarks`), before brackets that add to it (`without_aside`) and before another
    question. Clock times, ratios, dates, versions, list numbers, the powers of units and digits at
    the end of words are passed over, and so are blocks of code and GSM8K's notes to a calculator
    (``<<48+24=72>>``); a ratio or time counts that ends the text as what something is ("it is
    3:2"). There is none where the last one is an operand (3-4, 2^10, 3x), stands in a call or an
    object (f(2, 0), {"failed": 0}), is one of several in a row ("75 or 85", "3 4 5"), in doubt,
    denied or asked ("about 5", "not 5", "5?"). Linear time.

    >>> last_number("3 apples and 4.5, so 7.5")
    '7.5'
    """
    found = _last(text)
    return found and found[0][found[1] : found[2]]


def last_amount(text: str) -> str | None:
    """What `last_number` finds, with the unit that is known and follows it: "3 km", "50 cents".

    >>> last_amount("So it is 3 km away."), last_amount("So there are 3 in all.")
    ('3 km', '3')
    """
    found = _last(text)
    if found is None:
        return None
    tail, start, end = found
    if tail[start] in MONEY or not tail[end : end + 2].strip()[:1].isalpha():
        return tail[start:end]
    unit = _UNIT.match(tail, end)
    return tail[start : unit.end() if unit and is_unit(unit["words"]) else end]


def _last(text: str) -> tuple[str, int, int] | None:
    """The text that is looked at, in ASCII digits, and where its last number is in it."""
    tail = text[-TAIL:]
    if len(text) > TAIL:  # a number that is cut in two is none
        tail = tail.partition(" ")[2]
    tail = plain_digits(tail)
    if "```" in tail:
        tail = _CODE.sub("", tail)
    if "\\" in tail or "{" in tail:
        tail = SEPARATOR.sub(",", tail)
    if "<<" in tail:
        tail = _REWORKED.sub("", tail)
    first = _DIGIT.search(tail)
    if first is None:
        return None
    if "\n" in tail:
        tail = up_to_next_question(tail, first.end())
    tail = without_remarks(tail)
    if ")" in tail[-8:]:
        tail = without_aside(tail)
    quick = _quick(tail)
    if quick is not None and not _ends_a_date(tail, *quick):
        return (tail, *quick) if _settled(tail, *quick) else None
    if any(month in tail for month in _MONTHS):
        tail = _LONG_DATE.sub("date", tail)
    for near in _NEAR:
        begin = _place_to_begin(tail, near)
        tokens = list(_TOKEN.finditer(tail, begin))
        while tokens:
            token = tokens.pop()
            if ":" in token.group() and _is_meant(tail, *token.span()):
                return (tail, *token.span())
            if token["other"] or _numbers_a_line(tail, token) or _within_a_word(tail, token):
                continue
            if not _settled(tail, *token.span()):
                return None
            if not tokens and begin:
                break  # whether another stands before it is not seen from here
            return (tail, *token.span()) if _alone(tail, tokens, token.start()) else None
        if not begin:
            break
    return None


def _place_to_begin(tail: str, near: int) -> int:
    """A place near the end from which numbers can be read as from the beginning."""
    found = _SYNC.search(tail, len(tail) - near) if len(tail) > near else None
    return found.end() if found else 0


def _ends_a_date(tail: str, start: int, end: int) -> bool:
    """Whether a number is the year of "5 May 2024"."""
    if end - start != 4:
        return False
    return bool(_LONG_DATE.search(tail, max(0, end - _LONGEST_DATE), end))


def _quick(tail: str) -> tuple[int, int] | None:
    """Where the last number is, if it is a plain one in a sentence with no other beside it."""
    end = _last_digit(tail, len(tail)) + 1
    start = max(tail.rfind(" ", 0, end), tail.rfind("=", 0, end)) + 1
    if tail[end : end + 2].lstrip()[:1] in ("%", "\\", "/") or tail[end : end + 1] in _RAISED:
        return None
    if not _SIMPLE.fullmatch(tail, start, end) or "\\" in tail[max(0, start - 40) : start]:
        return None
    between = tail[_last_digit(tail, start) + 1 : start]
    return None if _JOIN.fullmatch(between) or _OR.search(between) else (start, end)


def _is_meant(tail: str, start: int, end: int) -> bool:
    """Whether a ratio or a clock time ends the text as what something is: "The ratio is 3:2."."""
    return not tail[end:].strip(" .*$") and bool(_MEANT.search(tail[max(0, start - 12) : start]))


def _last_digit(tail: str, end: int) -> int:
    found = _UP_TO_DIGIT.match(tail, 0, end)
    return found.end() - 1 if found else -1


def only_number(text: str) -> str | None:
    """The number of a short text that holds no other, in words: "There are 42 apples".

    Also what a sum comes to: "40 + 2 = 42". None for a number alone, and where `last_number`
    finds none.
    """
    if len(text) > _SHORT or not (" " in text or "=" in text):
        return None
    number = last_number(text)
    if number is None or not ("=" in text or _WORD.search(text)):
        return None
    if not _HEDGES.isdisjoint(text.lower().replace(",", " ").split()):
        return None
    plain = plain_digits(text)
    left, equals, right = plain.rpartition("=")
    if equals and right.strip(" .$") == number and not _VARIABLE.search(left):
        return number
    return number if len(_DIGITS.findall(plain.replace(number, "", 1))) == 0 else None


def _numbers_a_line(tail: str, token: re.Match[str]) -> bool:
    """Whether it stands before a line as in a list: "2. Then" or "2) Then"."""
    start, end = token.span()
    if tail[end : end + 1] not in (".", ")") or end - start > 2 or not _LISTED.match(tail, end):
        return False
    return not tail[tail.rfind("\n", 0, start) + 1 : start].strip()


def _within_a_word(tail: str, token: re.Match[str]) -> bool:
    """Whether digits end a word (B12) or raise a unit (cm^2)."""
    before = tail[max(0, token.start() - 8) : token.start()]
    return bool(_LETTER.match(before[-1:]) or _UNIT_POWER.search(before))


def _settled(tail: str, start: int, end: int) -> bool:
    """Whether nothing beside the number there makes it part of something else, or doubts it."""
    before, after = tail[max(0, start - 80) : start], tail[end : end + 100]
    if _touches(before[-1:]) or _touches(after[:1]):
        return False
    if after[:1] not in _ENDS and _is_taken_up(after):
        return False
    return not (_is_part(before) or _is_argument(before) or _in_doubt(before))


def _is_taken_up(after: str) -> bool:
    """Whether what follows a number scales it, reckons on, denies it or asks."""
    if _LETTER.match(after) and not _ATTACHED.match(after):
        return True
    if _SCALE.match(after) or _GOES_ON.match(after):
        return True
    low = after.lower()
    if any(word in low for word in _DENIALS) and _DENIED.match(after):
        return True
    return "?" in after and bool(_ASKED.match(after))


def _is_argument(before: str) -> bool:
    """Whether a number stands in a call or an object: f(2, 0), {"failed": 0}, but as its answer."""
    line = before[before.rfind("\n") + 1 :]
    field = _FIELD.search(line) if ":" in line[-2:] else None
    if field is not None:
        return field[1].lower() not in _ASKED_FIELDS
    if "(" not in line:
        return False
    name, _, inside = line.rpartition("(")
    return bool(name) and (name[-1].isalnum() or name[-1] == "_") and not _ENDS_ARGUMENT & {*inside}


def _is_part(before: str) -> bool:
    """Whether what stands before a number makes it an operand, a bound, an index, an argument."""
    bare = before.rstrip()
    last = bare[-1:]
    if last == "=":
        return bare.endswith("!=")
    if last.isalnum() or last in ":,.;)":  # the quick way, for prose
        if "\\" not in before[-12:]:
            return False
    elif last not in _SIGNS:
        return False
    return bool(_OPERATOR.search(before) or _NO_VALUE.search(before))


def _in_doubt(before: str) -> bool:
    """Whether one of the two words before a number doubts, bounds or denies it."""
    low = before.lower()
    if "’" in low:
        low = low.replace("’", "'")
    words = low.rsplit(None, 2)[-2:] if low[-1:].isspace() or low[-1:] in _OPENING else []
    if not _DOUBTED.isdisjoint(words) or words == ["up", "to"]:
        return True
    unsure = [word for word in _UNSURE if word in low]
    return bool(unsure) and any(word in _CLAUSE.split(low)[-1] for word in unsure)


def _touches(sign: str) -> bool:
    """Whether a sign beside a number makes junk of it: other digits, control characters."""
    return sign == "_" or sign.isnumeric() or not (sign.isprintable() or sign.isspace())


def _alone(tail: str, earlier: list[re.Match[str]], start: int) -> bool:
    """Whether a number is not the last of several that stand beside one another."""
    if not earlier:
        return True
    between = tail[earlier[-1].end() : start]
    if _OR.search(between[:120]):
        return False
    # What follows the result of a sum is no list with it.
    return not _JOIN.fullmatch(between) or tail[: earlier[-1].start()].rstrip().endswith("=")
