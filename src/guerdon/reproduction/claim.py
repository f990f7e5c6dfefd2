"""A paper's claim as data, and the verdict on it as a computation.

Expectations are written before a run. The verdict of one expectation, with the per-seed
effects ``better - worse``, their mean and Student's 95 % interval over seeds:

- ``refuted``   the mean is at or below ``refuted_below``, or the interval lies wholly below 0;
- ``shown``     the mean is at or above ``at_least``, the interval lies wholly above 0, and (if
                asked) enough single seeds have a positive effect;
- ``not shown`` everything else, and always with fewer than two usable seeds.

A claim's verdict is the worst of its expectations'.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from guerdon.evaluation import Interval, student
from guerdon.names import check_name

Report = Callable[[float], None]
"""Told the fraction of one run that is done, in [0, 1]."""

Arm = Callable[[int, Report], Mapping[str, float]]
"""One run of one arm: a seed and a progress report in, named metrics out."""

Runs = Mapping[str, Mapping[int, Mapping[str, float]]]
"""Metrics by arm, then by seed."""


class ClaimError(ValueError):
    """A claim does not fit its arms or their metrics; the message names which."""


class Verdict(StrEnum):
    """What a run says of a claim."""

    SHOWN = "shown"
    NOT_SHOWN = "not shown"
    REFUTED = "refuted"


_WORST_FIRST = (Verdict.REFUTED, Verdict.NOT_SHOWN, Verdict.SHOWN)


@dataclass(frozen=True)
class Expectation:
    """``metric`` of one arm is above that of another, or above or below a constant.

    The effect of a seed is ``better - worse``; each is an arm's name or a number, at least
    one is an arm. ``at_least`` is the smallest mean effect that shows it (>= 0) and
    ``refuted_below`` the mean effect at or below which it is refuted (< ``at_least``, or both
    0). ``min_seeds_agreeing`` asks for so many seeds with a positive effect. ``why`` is one
    line for the table.
    """

    better: str | float
    worse: str | float
    metric: str
    at_least: float = 0.0
    refuted_below: float = 0.0
    min_seeds_agreeing: int | None = None
    why: str = ""

    def __post_init__(self) -> None:
        if not isinstance(self.better, str) and not isinstance(self.worse, str):
            raise ClaimError("an expectation compares at least one arm; both sides are numbers")
        if self.at_least < 0 or self.refuted_below > self.at_least:
            raise ClaimError(
                f"expectation on {self.metric!r}: needs at_least >= 0 and refuted_below <= "
                f"at_least, got {self.at_least} and {self.refuted_below}"
            )

    @property
    def arms(self) -> tuple[str, ...]:
        """The arms it names."""
        return tuple(side for side in (self.better, self.worse) if isinstance(side, str))

    def __str__(self) -> str:
        return f"{self.metric}: {self.better} > {self.worse}"


@dataclass(frozen=True)
class Outcome:
    """What the runs say of one expectation.

    ``seeds`` have finite metrics on both sides; ``left_out`` have not and count nowhere.
    """

    expectation: Expectation
    effects: tuple[float, ...]
    interval: Interval
    seeds: tuple[int, ...]
    left_out: tuple[int, ...]
    verdict: Verdict


@dataclass(frozen=True)
class Claim:
    """A paper's claim in miniature.

    ``arms`` share seeds, so comparisons are paired. ``metric`` is the one the picture shows,
    ``seeds`` the default number of seeds and ``minutes`` the budget on two idle cores.
    """

    slug: str
    statement: str
    arms: Mapping[str, Arm]
    metric: str
    expectations: tuple[Expectation, ...]
    seeds: int = 3
    minutes: float = 3.0

    def __post_init__(self) -> None:
        check_name(self.slug, "the claim's slug")
        if not self.arms or not self.expectations or self.seeds < 2:
            raise ClaimError(
                f"claim {self.slug!r} needs an arm, an expectation and at least two seeds"
            )
        for expectation in self.expectations:
            for arm in expectation.arms:
                if arm not in self.arms:
                    raise ClaimError(
                        f"claim {self.slug!r}: expectation names arm {arm!r}; "
                        f"the arms are {', '.join(self.arms)}"
                    )


def judge(expectation: Expectation, runs: Runs, level: float = 0.95) -> Outcome:
    """The outcome of one expectation; see the module for the rule. No usable seed: the
    interval is NaN with infinite ends and the verdict ``not shown``."""
    seeds = sorted(set.intersection(*(set(runs[arm]) for arm in expectation.arms)))
    gaps = {
        seed: _side(expectation.better, expectation.metric, runs, seed)
        - _side(expectation.worse, expectation.metric, runs, seed)
        for seed in seeds
    }
    used = tuple(seed for seed in seeds if math.isfinite(gaps[seed]))
    effects = tuple(gaps[seed] for seed in used)
    interval = (
        student(effects, level) if effects else Interval(math.nan, -math.inf, math.inf, level)
    )
    return Outcome(
        expectation=expectation,
        effects=effects,
        interval=interval,
        seeds=used,
        left_out=tuple(seed for seed in seeds if seed not in used),
        verdict=_verdict(expectation, effects, interval),
    )


def worst(verdicts: Sequence[Verdict]) -> Verdict:
    """The verdict of a claim from those of its expectations. Nothing judged: not shown."""
    return min(verdicts, key=_WORST_FIRST.index, default=Verdict.NOT_SHOWN)


def _verdict(expectation: Expectation, effects: Sequence[float], found: Interval) -> Verdict:
    if len(effects) < 2:
        return Verdict.NOT_SHOWN
    if found.estimate <= expectation.refuted_below or found.high < 0:
        return Verdict.REFUTED
    agreeing = sum(effect > 0 for effect in effects)
    enough = agreeing >= (expectation.min_seeds_agreeing or 0)
    if found.estimate >= expectation.at_least and found.low > 0 and enough:
        return Verdict.SHOWN
    return Verdict.NOT_SHOWN


def _side(side: str | float, metric: str, runs: Runs, seed: int) -> float:
    if not isinstance(side, str):
        return float(side)
    metrics = runs[side][seed]
    if metric not in metrics:
        raise ClaimError(
            f"arm {side!r}, seed {seed} reports no {metric!r}; it reports {', '.join(metrics)}"
        )
    return float(metrics[metric])
