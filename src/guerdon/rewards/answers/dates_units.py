"""Dates, and amounts with units: read by dateutil and pint, compared by what they mean."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from itertools import pairwise
from typing import Any, ClassVar

from guerdon.examples import Example, probe
from guerdon.extras import install
from guerdon.parsing import parse_number, plain_answer
from guerdon.parsing.characters import one_script
from guerdon.parsing.units import WRAPPED
from guerdon.ranges import NonNegative, check_ranges
from guerdon.records import Progress, Rollouts, Scores
from guerdon.rewards.answers.answer import Boxed, Extractor, Tagged, WholeText, first_found
from guerdon.rewards.running.rows import Judged, Ungradable, accepted_answers, gather

_LONGEST_DATE = 48
_LONGEST_SENTENCE = 400
_FIELDS = ("year", "month", "day", "hour", "minute", "second")
# Two days that differ in every field: what a text leaves open comes out differently.
_DEFAULTS = (datetime(2001, 1, 1, 1, 1, 1), datetime(2002, 2, 2, 2, 2, 2))
_READERS: tuple[Extractor, ...] = (Tagged(), Boxed(), WholeText())

_MONTH = (
    r"(?:jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?|"
    r"sept?(?:ember)?|oct(?:ober)?|nov(?:ember)?|dec(?:ember)?)\.?"
)
_DATED = re.compile(
    rf"{_MONTH}|(?:19|20)\d{{6}}|\d{{1,4}}([-/.])\d{{1,2}}(?:\1\d{{1,4}})?(?:t\d{{2}}:\d{{2}}(?::\d{{2}})?z?)?"
    rf"|\d{{1,2}}-{_MONTH}-\d{{2,4}}|\d{{4}}-{_MONTH}(?:-\d{{1,2}})?",
    re.ASCII | re.IGNORECASE,
)
"""A word that makes a date of what stands beside it."""

_BESIDE = re.compile(
    r"\d{1,2}(?:st|nd|rd|th)?|\d{4}|'\d{2}|\d{1,2}:\d{2}(?::\d{2})?(?:[ap]m)?|[ap]m|[ap]\.m\.|utc|z"
    r"|(?:mon|tues?|wed(?:nes)?|thu(?:rs)?|fri|sat(?:ur)?|sun)(?:day)?|of|at|on|the",
    re.ASCII | re.IGNORECASE,
)
_YEAR = re.compile(r"[12]\d{3}", re.ASCII)
_YEARS = re.compile(r"\d{4}|'\d{2}", re.ASCII)
_DAY = re.compile(r"\d{1,2}(?:st|nd|rd|th)?", re.ASCII | re.IGNORECASE)
_NAMED = re.compile(_MONTH, re.IGNORECASE)
_BLANKS = re.compile(r"[ \t\r\n]+")
_JOINING = frozenset(["of", "at", "on", "the"])
_STRANGE = frozenset(["Cc", "Cf", "Cn", "Co", "Cs", "Nd", "Nl", "No"])
_RANGE = frozenset(["and", "or", "to", "until", "through", "-"])
# fmt: off
_UNSAID = frozenset((
    "not", "never", "before", "after", "until", "around", "about", "circa", "approximately",
    "near", "than",
))
# fmt: on
"""Words before a date that make another answer of it."""
_AROUND = ",;()\"*{}[]:'"
_DOTTED = re.compile(r"\d{1,2}\.\d{1,2}\.\d{2,4}", re.ASCII)
_CHARACTERS = re.compile(r"(\d{4})年(\d{1,2})月(\d{1,2})[日号號]", re.ASCII)
_DASHES = str.maketrans(dict.fromkeys("‐‑‒–—−", "-"))


def date_fields(text: str, day_first: bool = False) -> dict[str, int] | None:
    """The fields that a date says: "May 2024" gives year and month. None where it is no date.

    A date in a sentence of at most 400 characters is read where it is the only one there; a year
    alone counts where no other date stands. ``day_first`` reads 05/01/2024 as 5 January; with full
    stops the day is always first. Time zones are not looked at. None of a text with control
    characters or digits that are not read (see `guerdon.parsing.characters`), no date with digits
    beside it that are no part of it ("17.05.2024.12", "5 to 7 May"), and none that is denied or
    bounds another ("not 5 May 2024", "before 5 May 2024").
    """
    plain = _CHARACTERS.sub(r"\1-\2-\3", one_script(text.strip()).translate(_DASHES))
    if len(plain) > _LONGEST_SENTENCE or _is_strange(plain):
        return None
    found = [_date_fields(one, day_first) for one in _dates_in(plain)]
    different = [one for k, one in enumerate(found) if one not in found[:k]]
    return different[0] if len(different) == 1 else None


def _is_strange(text: str) -> bool:
    """Whether there are characters that show nothing, or digits that are none."""
    return any(
        c not in "\t\r\n" and unicodedata.category(c) in _STRANGE
        for c in text
        if not (c.isascii() and c.isprintable())
    )


def _dates_in(text: str) -> list[str]:
    """What stands in a text as a date: runs of words that make one, else years."""
    words = [w.strip(_AROUND).removesuffix(".") for w in _BLANKS.split(WRAPPED.sub(r"\1", text))]
    words = [word for word in words if word]
    fits = [bool(_DATED.fullmatch(w) or _BESIDE.fullmatch(w)) for w in words]
    dates, end = [], 0
    while end < len(words):
        begin = end
        while end < len(words) and fits[end]:
            end += 1
        run = words[begin:end]
        end += end == begin
        said = [word for word in run if word.lower() not in _JOINING]
        if any(c.isdigit() for c in "".join(run)) and any(map(_DATED.fullmatch, said)):
            alone = _is_one(said, words[:begin], words[begin + len(run) :])
            dates.append(" ".join(said) if alone else "")
    years = [k for k, word in enumerate(words) if _YEAR.fullmatch(word)]
    unsaid = [k for k in years if k and words[k - 1].lower() in _UNSAID]
    return dates or ["" if k in unsaid else words[k] for k in years]


def _is_one(run: Sequence[str], before: Sequence[str], after: Sequence[str]) -> bool:
    """Whether a run of words is one date, and no digits stand beside it."""
    if before and before[-1].lower() in _UNSAID:
        return False
    if after and after[0].lower().replace(".", "") in ("bc", "bce"):
        return False
    if before and before[-1].lower() in _RANGE:
        before = before[:-1]
        if before and _DATED.fullmatch(before[-1]):
            return False
    after = after[1:] if after and after[0].lower() in _RANGE else after
    if any(c.isdigit() for word in (*before[-1:], *after[:1]) for c in word):
        return False
    named = [word for word in run if _NAMED.fullmatch(word)]
    dated = [word for word in run if word not in named and _DATED.fullmatch(word)]
    days = [word for word in run if _DAY.fullmatch(word)]
    years = [word for word in run if _YEARS.fullmatch(word)]
    times = [word for word in run if ":" in word and word not in dated]
    if dated:
        return len(dated) == 1 and not (named or days or years) and len(times) < 2
    return len(named) == 1 and max(len(days), len(years), len(times)) < 2


@lru_cache(maxsize=4096)
def _date_fields(plain: str, day_first: bool) -> dict[str, int] | None:
    from dateutil import parser

    if len(plain) > _LONGEST_DATE:
        return None
    if _YEAR.fullmatch(plain):
        # A lone number is a year or nothing: dateutil would make it a day of this month.
        return {"year": int(plain)}
    day_first = day_first or bool(_DOTTED.fullmatch(plain))
    try:
        one, two = (parser.parse(plain, dayfirst=day_first, default=d) for d in _DEFAULTS)
    except Exception:  # dateutil raises errors of several families for a text that is no date
        return None
    return {f: getattr(one, f) for f in _FIELDS if getattr(one, f) == getattr(two, f)} or None


@dataclass(frozen=True)
class DateMatch:
    """1 where the answer is the reference date, however it is written, else 0.

    Every field that the reference says must be the same: for "May 2024" the answer
    "2024-05-17" is right, for "2024-05-17" the answer "May 2024" is wrong. The answer is what
    the first of ``extract`` finds. ``day_first``: how 05/01/2024 is read, on both sides.

    Value and part "date": float[N] of 0 and 1. No date in the answer: 0; no readable date in
    the reference: invalid.
    """

    name: ClassVar[str] = "date-match"

    day_first: bool = False
    """Whether 05/01/2024 is in January."""
    extract: tuple[Extractor, ...] = _READERS
    """Where the answer is looked for, the first that finds one."""

    scope: ClassVar[str] = "completion"
    range: ClassVar[tuple[float, float]] = (0.0, 1.0)

    def __call__(self, rollouts: Rollouts, progress: Progress) -> Scores:
        rows: list[Judged | Ungradable] = []
        for text, gold in zip(rollouts.texts, accepted_answers(rollouts), strict=True):
            if isinstance(gold, Ungradable):
                rows.append(gold)
                continue
            wanted = [w for w in (date_fields(one, self.day_first) for one in gold) if w]
            if not wanted:
                rows.append(Ungradable("the task's answer is no date"))
                continue
            given = date_fields(first_found(self.extract, text) or "", self.day_first) or {}
            value = float(any(one.items() <= given.items() for one in wanted))
            rows.append(Judged(value, {"date": value}))
        return gather(rows)

    @classmethod
    def example(cls) -> Example:
        probes = (
            probe(
                *("day", "When was it signed?", "2 December 2024"),
                ("3 December 2024", "December 2024", "2 December 2023", "2", "2024"),
                ("2024-12-02", "Dec 2, 2024", "12/02/2024", "2nd of December 2024"),
            ),
            probe(
                *("month", "In which month?", "May 2024", ("June 2024", "May 2023", "5", "May")),
                ("2024-05", "2024-05-17", "17 May 2024"),
            ),
        )
        return Example(cls(), probes)


# Factors with small exponents only: "m^9^9^9" never reaches the library's arithmetic.
_FACTOR = r"[a-zA-Zµμ°Ω%]{1,24}(?:\^?-?\d)?"
_UNIT = re.compile(rf"{_FACTOR}(?: ?[*/ ] ?{_FACTOR}){{0,5}}", re.ASCII)
_LONGEST_AMOUNT = 100
_NUMERAL = r"[-+]?\d+/\d+|[-+]?(?:\d{1,3}(?: \d{3})+(?![\d.,])|[\d.,]+(?:[eE][-+]?\d{1,3})?)"
_AMOUNT = re.compile(rf"({_NUMERAL}) ?([!-~°Ωµμ][ -~°Ωµμ]*)?", re.ASCII)
_PART = r"\d+(?:\.\d+)? ?[a-zA-Z]{1,12}"
_COMPOUND = re.compile(rf"{_PART}(?:(?:,? and |,? ?){_PART}){{1,3}}", re.ASCII)
_PARTS = re.compile(_PART, re.ASCII)
_SAID = re.compile(
    r"(?:[A-Za-z][A-Za-z' ]{0,80}\s(?:is|was|are|equals|=)|=)\s+(?=[-+.\d])", re.ASCII
)
"""What leads to an amount in a sentence."""


@dataclass(frozen=True)
class QuantityMatch:
    """1 where the answer is the reference amount in any unit of its kind, else 0.

    "5 km" equals "5000 m" and "5\\\\text{ km}", "1 h 30 min" equals "90 min"; a relative difference
    up to ``tolerance`` is accepted. An answer without a unit is wrong where the reference has one.
    Needs the package pint (extra ``metrics``; ImportError names the command that installs it).

    Value and part "quantity": float[N] of 0 and 1. An unreadable answer is 0; a reference that
    is no amount makes its rows invalid.
    """

    name: ClassVar[str] = "quantity-match"
    extra: ClassVar[str] = "metrics"

    tolerance: NonNegative = 1e-6
    """The relative difference that is accepted."""
    extract: tuple[Extractor, ...] = _READERS
    """Where the answer is looked for, the first that finds one."""

    scope: ClassVar[str] = "completion"
    range: ClassVar[tuple[float, float]] = (0.0, 1.0)

    def __post_init__(self) -> None:
        check_ranges(self)

    def __call__(self, rollouts: Rollouts, progress: Progress) -> Scores:
        rows: list[Judged | Ungradable] = []
        for text, gold in zip(rollouts.texts, accepted_answers(rollouts), strict=True):
            if isinstance(gold, Ungradable):
                rows.append(gold)
                continue
            wanted = [w for w in (_quantity(one) for one in gold) if w is not None]
            if not wanted:
                rows.append(Ungradable("the task's answer is no amount with a known unit"))
                continue
            given = _quantity(first_found(self.extract, text) or "")
            value = float(any(_near(given, one, self.tolerance) for one in wanted))
            rows.append(Judged(value, {"quantity": value}))
        return gather(rows)

    @classmethod
    def example(cls) -> Example:
        probes = (
            probe(
                *("distance", "How far is it?", "5 km", ("5 m", "5", "5 kg", "6 km", "50 km")),
                ("5000 m", r"5\text{ km}", "5.0 km", "500000 cm"),
            ),
        )
        return Example(cls(), probes)


@lru_cache(maxsize=1)
def _registry() -> Any:
    try:
        import pint
    except ImportError as error:
        raise ImportError(f"QuantityMatch needs pint: {install('metrics')}") from error
    return pint.UnitRegistry()


def _quantity(text: str) -> Any:
    if len(text) > 4 * _LONGEST_AMOUNT:
        return None
    said = _SAID.match(text.strip())
    plain = plain_answer(text.strip()[said.end() :] if said else text)
    amount = f"{plain.body} {plain.unit}".strip()
    if len(amount) > _LONGEST_AMOUNT:
        return None
    made = _read_quantity(amount)
    return _compound(amount) if made is None and _COMPOUND.fullmatch(amount) else made


def _compound(amount: str) -> Any:
    """The sum of amounts of one kind whose units get smaller: "1 h 30 min". None for others."""
    parts = [_read_quantity(part) for part in _PARTS.findall(amount)]
    try:
        units = [1 * part.units for part in parts]
        falling = all(a > b for a, b in pairwise(units))
        return sum(parts[1:], parts[0]) if falling else None
    except Exception:  # no amounts, or of kinds that can't be compared
        return None


@lru_cache(maxsize=4096)
def _read_quantity(amount: str) -> Any:
    """An amount that pint can compare with others; None for anything else."""
    registry = _registry()
    found = _AMOUNT.fullmatch(amount)
    number = parse_number(found[1]) if found else None
    if found is None or number is None:
        return None
    unit = (found[2] or "").strip()
    if unit and not _UNIT.fullmatch(unit):
        return None
    try:
        made = registry.Quantity(float(number), registry.parse_units(_spelt(unit)))
        # Some units can be read and not be compared: a logarithmic one divided by another.
        return made if made.dimensionality is not None else None
    except Exception:  # pint raises errors of several families for a text that is no unit
        return None


def _spelt(unit: str) -> str:
    return unit.replace("°C", "degC").replace("°F", "degF").replace("°", "degree")


def _near(given: Any, wanted: Any, tolerance: float) -> bool:
    if given is None or given.dimensionality != wanted.dimensionality:
        return False
    try:
        value, target = float(given.to(wanted.units).magnitude), float(wanted.magnitude)
    except Exception:  # of one kind, and yet without a way from one to the other
        return False
    return abs(value - target) <= tolerance * abs(target)
