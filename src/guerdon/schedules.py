"""Numbers that change over a run. Any number of a part may be a schedule.

    KL(coefficient=Linear(0.1, 0.0))          # over the whole run
    Scale(high=Steps((1.0, 3.0), at=(30,)))   # from step 30 on
    --optimiser.lr cosine:3e-4,0              # on the command line

A part need not know: `at` puts numbers where schedules stand, each step, before the part is called.
The first value holds at step 0 and the last one is reached at the last step; a run of one step has
the first, and what comes after the end has the last.
"""

from __future__ import annotations

import copy
import dataclasses
import math
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING, Any, TypeVar

from guerdon.composition import places
from guerdon.ranges import (
    Count,
    Filled,
    Finite,
    NonNegative,
    Positive,
    Share,
    check_ranges,
    is_whole,
)

if TYPE_CHECKING:
    from guerdon.records import Progress

    _Number = float
    """To type checkers a schedule is a number, for it may stand where one is declared."""
else:
    _Number = object

Part = TypeVar("Part")


class Schedule(ABC, _Number):
    """A number for every step: ``__call__(progress)``, and the ``ends`` that it keeps between.

    One that learns from the run overrides `follows` and `adapt`, and has ``state_dict`` and
    ``load_state_dict`` as everything that remembers.
    """

    @property
    def follows(self) -> str | None:
        """The figure of the run that it goes by; None for the many that go by the step alone."""
        return None

    @property
    @abstractmethod
    def ends(self) -> tuple[float, float]:
        """The least and the greatest value it takes."""

    @abstractmethod
    def __call__(self, progress: Progress) -> float:
        """The number of this step."""

    def adapt(self, figures: Mapping[str, float]) -> None:
        """Take in the figures of the step that is done, all that is logged of it."""


@dataclass(frozen=True)
class Constant(Schedule):
    """``value`` at every step."""

    value: Finite

    def __post_init__(self) -> None:
        check_ranges(self)

    @property
    def ends(self) -> tuple[float, float]:
        return self.value, self.value

    def __call__(self, progress: Progress) -> float:
        return self.value


@dataclass(frozen=True)
class Linear(Schedule):
    """From ``first`` to ``last`` in a straight line.

    ``begin`` and ``end`` are the shares of the run between which it moves; where they are equal it
    jumps. With ``steps`` they are shares of that many steps, whatever the run's length: ``last`` is
    reached at step ``steps`` then.

    >>> from guerdon.records import Progress
    >>> [Linear(1.0, 0.0)(Progress(step, 5)) for step in range(5)]
    [1.0, 0.75, 0.5, 0.25, 0.0]
    """

    first: Finite
    last: Finite
    begin: Share = 0.0
    end: Share = 1.0
    steps: Count = 0

    def __post_init__(self) -> None:
        check_ranges(self)
        if self.begin > self.end:
            raise ValueError(
                f"{type(self).__name__} needs begin <= end, not begin {self.begin}, end {self.end}"
            )

    @property
    def ends(self) -> tuple[float, float]:
        return min(self.first, self.last), max(self.first, self.last)

    def __call__(self, progress: Progress) -> float:
        done = self.bend(self._done(progress))
        return self.last if done == 1 else self.first + (self.last - self.first) * done

    def bend(self, done: float) -> float:
        """Share of the way that is behind, at this share of the time; both in [0, 1]."""
        return done

    def _done(self, progress: Progress) -> float:
        length = self.steps or progress.total - 1
        now = progress.step / length if length > 0 else 0.0
        if now >= self.end:
            return 1.0
        return max(0.0, now - self.begin) / (self.end - self.begin) if now > self.begin else 0.0


@dataclass(frozen=True)
class Cosine(Linear):
    """From ``first`` to ``last`` along half a cosine: slow at both ends. See `Linear`."""

    def bend(self, done: float) -> float:
        return 0.5 * (1 - math.cos(math.pi * done))


@dataclass(frozen=True)
class Exponential(Linear):
    """From ``first`` to ``last`` by equal factors: ``first (last / first)^done``. See `Linear`.

    Both are above 0.
    """

    first: Positive
    last: Positive

    def __call__(self, progress: Progress) -> float:
        done = self._done(progress)
        return self.last if done == 1 else self.first * (self.last / self.first) ** done


@dataclass(frozen=True)
class Steps(Schedule):
    """``values`` one after another, each from the step that ``at`` names for it (not the first).

    Without ``at`` the run is cut into equal parts.

    >>> from guerdon.records import Progress
    >>> [Steps((2, 5), at=(3,))(Progress(step, 9)) for step in (0, 2, 3, 8)]
    [2, 2, 5, 5]
    """

    values: tuple[Finite, ...]
    at: tuple[Count, ...] = ()

    def __post_init__(self) -> None:
        check_ranges(self)
        if not self.values:
            raise ValueError("Steps needs at least one value")
        if self.at and len(self.at) != len(self.values) - 1:
            raise ValueError(
                f"Steps has {len(self.values)} values, and so needs {len(self.values) - 1} steps "
                f"in at, not {len(self.at)}"
            )
        if any(a >= b for a, b in pairwise(self.at)):
            raise ValueError(f"Steps.at is {self.at}; give steps that increase")

    @property
    def ends(self) -> tuple[float, float]:
        return min(self.values), max(self.values)

    def __call__(self, progress: Progress) -> float:
        if self.at:
            return self.values[sum(progress.step >= step for step in self.at)]
        place = progress.step * len(self.values) // max(progress.total, 1)
        return self.values[min(place, len(self.values) - 1)]


@dataclass(frozen=True)
class Adaptive(Schedule):
    """A coefficient that holds a figure of the run near ``target``: proportional control.

    After each step it is multiplied by ``1 + error / horizon``, where ``error`` is
    ``figure / target - 1`` held within +-0.2, and kept within ``low`` and ``high``. ``figure`` is
    any that the run logs. With a KL coefficient and "kl" this is the controller of 1909.08593
    (section 2.2): there a step of n completions counts ``n / horizon``, so a horizon of 10,000 and
    512 completions a step are 20 here, where ``horizon`` counts steps. A step without the figure,
    or with one that is not finite, changes nothing.
    """

    start: NonNegative
    target: Positive
    figure: Filled = "kl"
    horizon: Positive = 10.0
    low: NonNegative = 0.0
    high: NonNegative = 1e6
    memory: dict[str, float] = field(default_factory=dict, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        check_ranges(self)
        if not self.low <= self.start <= self.high:
            raise ValueError(
                f"Adaptive.start is {self.start}; give a number from low ({self.low}) to high "
                f"({self.high})"
            )

    @property
    def follows(self) -> str:
        return self.figure

    @property
    def ends(self) -> tuple[float, float]:
        return self.low, self.high

    def __call__(self, progress: Progress) -> float:
        return self.memory.get("value", self.start)

    def adapt(self, figures: Mapping[str, float]) -> None:
        """Move by this step's ``figure``."""
        found = figures.get(self.figure, math.nan)
        if math.isfinite(found):
            error = min(max(found / self.target - 1, -0.2), 0.2)
            now = self.memory.get("value", self.start) * (1 + error / self.horizon)
            self.memory["value"] = min(max(now, self.low), self.high)

    def state_dict(self) -> dict[str, Any]:
        return dict(self.memory)

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self.memory.clear()
        self.memory.update(state)


NAMES: Mapping[str, type[Schedule]] = {
    "constant": Constant,
    "linear": Linear,
    "cosine": Cosine,
    "exponential": Exponential,
    "steps": Steps,
    "adaptive": Adaptive,
}


def named(text: str) -> Schedule | None:
    """The schedule that ``NAME:V,V`` names, such as ``linear:1,0``; None for any other text.

    Values are its settings in their order; ``steps`` takes all of them as its values. Raises
    ValueError for a schedule of that name that can't be made of them.
    """
    name, colon, rest = text.partition(":")
    if not colon or name not in NAMES:
        return None
    kind: Any = NAMES[name]
    known = [f for f in dataclasses.fields(kind) if f.init]
    needed = [f.name for f in known if f.default is dataclasses.MISSING]
    given = rest.split(",")
    try:
        if kind is Steps:
            return Steps(tuple(map(_number, given)))
        settings = {f.name: _number(one) for f, one in zip(known, given, strict=False)}
        if len(given) <= len(known) and all(one in settings for one in needed):
            made: Schedule = kind(**settings)
            return made
    except ValueError as error:
        raise ValueError(f"{text!r:.100} is no schedule: {error}") from error
    raise ValueError(
        f"{text!r:.100} is no schedule: {name} takes {', '.join(f.name for f in known)}, "
        f"at least {', '.join(needed)}"
    )


def _number(text: str) -> Any:
    """A number; what is none stays text, which the setting's range has its say on."""
    for read in (int, float):
        with suppress(ValueError):
            return read(text)
    return text


def ends(number: float) -> tuple[float, float]:
    """What a number stays between: itself twice, where it is no schedule."""
    return number.ends if isinstance(number, Schedule) else (number, number)


def schedules_in(part: Any, where: str = "") -> Iterator[tuple[str, Schedule]]:
    """All schedules of a composition, each with its place."""
    return (found for found in places(part, where) if isinstance(found[1], Schedule))


def adapt(part: Any, figures: Mapping[str, float]) -> set[str]:
    """Show every schedule of a composition that follows the run what its step came to.

    Returns a line for each whose figure is not among these.
    """
    lacking = set()
    for place, schedule in schedules_in(part):
        schedule.adapt(figures)
        if schedule.follows is not None and schedule.follows not in figures:
            lacking.add(
                f"{place} follows the figure {schedule.follows!r}, which this run does not have, "
                f"and stays as it is; it has {', '.join(sorted(figures))}"
            )
    return lacking


def at(part: Part, progress: Progress) -> Part:
    """``part`` with the number of this moment in place of every schedule in it.

    ``part`` may be a schedule itself, or any composition; one without a schedule is returned as it
    is. Where a whole number is declared, what a schedule says is rounded. Parts on the way to a
    schedule are copies, which share what they remember with the part that they stand for. Raises
    ValueError for a schedule in a part that is no frozen dataclass: a copy of such a part could
    not share what it remembers.
    """
    if isinstance(part, Schedule):
        return part(progress)  # type: ignore[return-value]
    if not any(True for _ in schedules_in(part)):
        return part
    if isinstance(part, tuple | list):
        return type(part)(at(one, progress) for one in part)
    if isinstance(part, Mapping):
        return {name: at(one, progress) for name, one in part.items()}  # type: ignore[return-value]
    kind: Any = type(part)
    if not kind.__dataclass_params__.frozen:
        raise ValueError(
            f"{kind.__name__} holds a schedule, but is no frozen dataclass; give it a number, or "
            "write @dataclass(frozen=True) over it and keep what it remembers in an object of its "
            "own"
        )
    made = copy.copy(part)
    for setting in dataclasses.fields(kind):
        held = getattr(part, setting.name)
        now = at(held, progress) if setting.init else held
        if now is not held:
            whole = isinstance(held, Schedule) and is_whole(kind, setting.name)
            object.__setattr__(made, setting.name, round(now) if whole else now)
    return made
