"""Which values a setting takes, said where it is declared and checked when the part is built.

    @dataclass(frozen=True)
    class Sampling:
        temperature: Annotated[float, at_least(0, "0 is greedy")] = 1.0
        max_tokens: PositiveInt = 48

        def __post_init__(self) -> None:
            check_ranges(self)

A type alone is a range too: whole numbers are not texts, and numbers are finite. So users' own
parts are checked as well, by the walk through the composition that a recipe makes. Where a number
belongs a schedule may stand (`guerdon.schedules`), if its ends are in the range.
"""

from __future__ import annotations

import dataclasses
import math
import types
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from numbers import Integral, Real
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

from typing_extensions import Doc

from guerdon.composition import ends_of, parts_in, within

_NUMBERS = {int: "a whole number", float: "a number"}
_WORDS = {bool: "true or false", str: "a text", type(None): "None"}
_LARGEST = 2**63 - 1
"""Whole numbers beyond it fit into no tensor and no generator."""


def _listed(names: Sequence[Any]) -> str:
    shown = [f"{name!r}".replace("'", '"') for name in names]
    return " or ".join([", ".join(shown[:-1]), shown[-1]] if len(shown) > 1 else shown)


class RangeError(ValueError):
    """A setting holds what it can't: where it stands, and what it is and should be."""

    def __init__(self, place: str, told: str) -> None:
        super().__init__(place, told)
        self.place, self.told = place, told

    def __str__(self) -> str:
        return f"{self.place} is {self.told}"


class Range(Doc):
    """Numbers from ``low`` to ``high``; both belong to it except where it is ``open`` there.

    Infinity never belongs to it unless ``infinite``, NaN never. ``note`` says what a special
    value means. Being a `Doc`, it is shown by the command line beside the setting.
    """

    def __init__(
        self,
        low: float = -math.inf,
        high: float = math.inf,
        *,
        open_low: bool = False,
        open_high: bool = False,
        infinite: bool = False,
        note: str = "",
    ) -> None:
        self.low, self.high, self.infinite = low, high, infinite
        self.open_low, self.open_high = open_low, open_high
        self.note = f" ({note})" if note else ""
        super().__init__(self.phrase.removeprefix("of ") + self.note)

    def __eq__(self, other: object) -> bool:
        # By what it takes, not by its words: typing keeps equal annotations as one.
        return isinstance(other, Range) and vars(self) == vars(other)

    def __hash__(self) -> int:
        return hash(self.documentation)

    def takes(self, value: Any) -> bool:
        """Whether ``value`` belongs to it."""
        number = _as_float(value)
        if math.isnan(number) or (math.isinf(number) and not self.infinite):
            return False
        above = self.low < number if self.open_low else self.low <= number
        below = number < self.high if self.open_high else number <= self.high
        return above and below

    @property
    def phrase(self) -> str:
        """What follows "a number": "of 0 or more", "above 0 and at most 1"."""
        infinite = ", or infinity" if self.infinite else ""
        low, high = (str(x) if isinstance(x, int) else f"{x:g}" for x in (self.low, self.high))
        if math.isinf(self.low) and math.isinf(self.high):
            return "or infinity" if self.infinite else "that is finite"
        if math.isinf(self.high):
            return (f"above {low}" if self.open_low else f"of {low} or more") + infinite
        if math.isinf(self.low):
            return f"below {high}" if self.open_high else f"of {high} or less"
        if not self.open_low and not self.open_high:
            return f"from {low} to {high}"
        start = f"above {low}" if self.open_low else f"of {low} or more"
        return f"{start} and {'below' if self.open_high else 'at most'} {high}"


class OneOf(Doc):
    """One of these texts."""

    def __init__(self, *names: str) -> None:
        self.names = names
        super().__init__(_listed(names))

    def takes(self, value: str) -> bool:
        """Whether ``value`` is one of them."""
        return value in self.names


class NotEmpty(Doc):
    """A text of one character or more."""

    def __init__(self) -> None:
        super().__init__("a text that is not empty")

    def takes(self, value: str) -> bool:
        """Whether there is anything in ``value``."""
        return bool(value)


def at_least(low: float, note: str = "") -> Range:
    """``low`` or more."""
    return Range(low, note=note)


def above(low: float, note: str = "") -> Range:
    """More than ``low``."""
    return Range(low, open_low=True, note=note)


def between(low: float, high: float, note: str = "") -> Range:
    """``low`` to ``high``, both included."""
    return Range(low, high, note=note)


Finite = Annotated[float, Range()]
Unbounded = Annotated[float, Range(infinite=True)]
Positive = Annotated[float, above(0)]
NonNegative = Annotated[float, at_least(0)]
Share = Annotated[float, between(0, 1)]
Decay = Annotated[float, Range(0, 1, open_high=True)]
WholeNumber = Annotated[int, Range()]
PositiveInt = Annotated[int, at_least(1)]
Count = Annotated[int, at_least(0)]
Seed = Annotated[int, between(0, 2**32 - 1)]
"""What every generator here can be seeded with, also after a run has mixed its step in."""
Seconds = Annotated[float, Range(0, 1_000_000, open_low=True)]
"""A limit of time: what systems can wait for in one call, which is days and not years."""
Filled = Annotated[str, NotEmpty()]
FloatType = Annotated[str, OneOf("float32", "bfloat16", "float16", "float64")]
"""torch's types of numbers that weights can be held and trained in."""

_later: ContextVar[bool] = ContextVar("checked later", default=False)


@contextmanager
def checked_later() -> Iterator[None]:
    """Inside, parts are built unchecked: a walk over the whole follows, which names places."""
    token = _later.set(True)
    try:
        yield
    finally:
        _later.reset(token)


def are_checked_now() -> bool:
    """Whether parts are checked as they are built: everywhere but in `checked_later`."""
    return not _later.get()


def check_ranges(part: Any) -> None:
    """The ``__post_init__`` of a part. Raises RangeError naming setting, value and range."""
    if are_checked_now():
        _check_settings(part, type(part).__name__)


def check_composition(whole: Any, place: str = "") -> None:
    """`check_ranges` of all dataclasses in a composition, each named by its place in it."""
    if are_checked_now():
        for where, part in parts_in(whole, place):
            _check_settings(part, where)


def check_value(place: str, value: Any, hint: Any) -> None:
    """Raises RangeError where ``value`` is nothing that ``hint`` (a type, Annotated) allows."""
    bare, ranges = _bare(hint)
    origin = get_origin(bare)
    if bare in _NUMBERS:
        fits = _fits_number(value, bare, ranges)
    elif bare in _WORDS:
        fits = isinstance(value, bare) and all(one.takes(value) for one in ranges)
    elif origin is Literal:
        fits = value in get_args(bare)
    elif origin in (Union, types.UnionType):
        fits = _fits_one(place, value, _members(hint))
    elif origin is tuple or bare is tuple:
        fits = _fits_tuple(place, value, get_args(bare))
    elif origin in (list, Sequence):
        fits = isinstance(value, Sequence) and not isinstance(value, str)
        for i, one in enumerate(value if fits else ()):
            check_value(f"{place}[{i}]", one, get_args(bare)[0])
    elif origin in (dict, Mapping):
        fits = isinstance(value, Mapping)
        for key, one in (value if fits else {}).items():
            check_value(within(place, key), one, get_args(bare)[1])
    else:
        fits = _fits_part(value, bare)
    if not fits:
        raise RangeError(place, f"{_shown(value)}; give {expected(hint)}{_not_this(value, bare)}")


def expected(hint: Any) -> str:
    """What a type and its ranges allow, in words."""
    bare, ranges = _bare(hint)
    origin, inner = get_origin(bare), get_args(bare)
    if origin is Literal:
        return _listed(inner)
    if bare is str and ranges:
        return " and ".join(one.documentation for one in ranges)
    if bare in _NUMBERS:
        phrases = [one.phrase + one.note for one in ranges or [Range()]]
        words = f"{_NUMBERS[bare]} {' and '.join(phrases)}"
        return words.removesuffix(" that is finite") if bare is int else words
    if bare in _WORDS:
        return _WORDS[bare]
    if origin in (Union, types.UnionType):
        return " or ".join(expected(one) for one in _members(hint))
    if origin in (tuple, list, Sequence):
        if origin is tuple and inner[-1:] != (...,):
            return f"{len(inner)} values"
        return f"several values, each {expected(inner[0])}"
    if origin in (dict, Mapping):
        return f"names, each with {expected(inner[1])}"
    return "a function" if origin is Callable else f"a part ({getattr(bare, '__name__', bare)})"


def _check_settings(part: Any, place: str) -> None:
    kind: Any = type(part)
    for name, hint in settings_of(kind):
        check_value(within(place, name), getattr(part, name), hint)


@cache
def settings_of(kind: Any) -> tuple[tuple[str, Any], ...]:
    """A dataclass's settings with their types; none where a type's name can't be found.

    That is so for classes inside functions and names that only type checkers import.
    """
    try:
        hints = get_type_hints(kind, include_extras=True)
    except (NameError, TypeError, AttributeError):
        return ()
    return tuple((f.name, hints[f.name]) for f in dataclasses.fields(kind) if f.init)


def is_whole(kind: Any, name: str) -> bool:
    """Whether a dataclass's setting of that name is declared as a whole number."""
    hints = dict(settings_of(kind))
    return name in hints and _bare(hints[name])[0] is int


def _bare(hint: Any) -> tuple[Any, list[Any]]:
    """A type without Annotated, and the ranges that stood there."""
    if get_origin(hint) is not Annotated:
        return hint, []
    bare, *marks = get_args(hint)
    return bare, [mark for mark in marks if isinstance(mark, Range | OneOf | NotEmpty)]


def _members(hint: Any) -> list[Any]:
    """The types of a union; ranges that stand at the whole are those of its plain ones."""
    bare, ranges = _bare(hint)
    plain = (*_NUMBERS, str)
    return [Annotated[one, *ranges] if ranges and one in plain else one for one in get_args(bare)]


def _is_number(value: Any, kind: Any) -> bool:
    if isinstance(value, bool):
        return False
    if kind is float:
        return isinstance(value, Real)
    return isinstance(value, Integral) and -_LARGEST <= int(value) <= _LARGEST


def _fits_number(value: Any, kind: Any, ranges: Sequence[Any]) -> bool:
    """Whether a number is in range; a schedule, with ``ends``, is where both of these are."""
    if (ends := ends_of(value)) is not None:
        return all(one.takes(end) for one in ranges or [Range()] for end in ends)
    return _is_number(value, kind) and all(one.takes(value) for one in ranges or [Range()])


def _fits_one(place: str, value: Any, kinds: Sequence[Any]) -> bool:
    """Whether one of several types takes it; what is wrong inside of several values is said."""
    inside = None
    for kind in kinds:
        try:
            check_value(place, value, kind)
            return True
        except RangeError as error:
            inside = error if error.place != place else inside
    if inside is not None:
        raise inside
    return False


def _fits_tuple(place: str, value: Any, kinds: Sequence[Any]) -> bool:
    if not isinstance(value, tuple | list):
        return False
    if kinds and kinds[-1] is ...:
        kinds = [kinds[0]] * len(value)
    if kinds and len(kinds) != len(value):
        return False
    for i, (one, kind) in enumerate(zip(value, kinds, strict=False)):
        check_value(f"{place}[{i}]", one, kind)
    return True


def _fits_part(value: Any, kind: Any) -> bool:
    """Whether a part may stand there: only plain values are known to be none."""
    if get_origin(kind) is Callable:
        return callable(value)
    if not isinstance(value, bool | int | float | str | tuple | list | dict | types.NoneType):
        return True
    if kind is Any or not isinstance(kind, type):
        return True
    try:
        return isinstance(value, kind)
    except TypeError:  # a protocol that can't be asked, which plain values don't follow
        return False


def _as_float(value: Any) -> float:
    try:
        return float(value)
    except OverflowError:
        return math.inf if value > 0 else -math.inf


def _shown(value: Any) -> str:
    """A value as it is written, cut short."""
    try:
        text = repr(value)
    except ValueError:  # Python writes no whole number of more than 4,300 digits
        return "a number of thousands of digits"
    return text if len(text) <= 60 else f"{text[:57]}..."


def _not_this(value: Any, kind: Any) -> str:
    """What a value of the wrong type is, where a number is due."""
    if kind not in _NUMBERS:
        return ""
    if isinstance(value, bool):
        return ", not true or false"
    if isinstance(value, str):
        # YAML reads 1e-3 as a text, which nobody expects.
        try:
            return f", not a text (write {kind(value)!r})"
        except ValueError:
            return ", not a text"
    if kind is int and isinstance(value, float) and value.is_integer():
        return ", without a point"
    return ""
