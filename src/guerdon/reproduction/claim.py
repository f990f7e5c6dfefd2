"""A paper's claim as data, and the verdict on it as a computation.

Expectations are written before a run. Each names its role:

- a *claim* is what the paper says, in miniature;
- a *check* says that the miniature can tell: the baseline stands where the specification's pilot
  had it, groups have signal, the start is not at a ceiling;
- an *identity* holds exactly, on every seed.

The effects ``better - worse`` are paired by seed. With I their mean's Student interval at 95 %,
and J the one at ``1 - 0.05 / k`` for a claim with k expectations of that role, the verdict is

- ``shown``      I lies above the smallest effect worth claiming: ``matters``, or ``-within`` for
                 "no worse than by ``within``";
- ``opposite``   J lies below 0 (and below that smallest effect);
- ``too small``  J lies below the smallest effect worth claiming;
- ``undecided``  everything else, and always with fewer than `LEAST_SEEDS` usable seeds. How many
                 seeds would decide it, if they went on as these did, is computed beside.

A check is judged by the same rule at k = 1, an identity by its largest effect; where one is not
shown, on enough seeds, the whole claim is ``void``: the miniature could not tell. Else it has the
worst verdict of its claims. What a table of many such verdicts may hold by chance is in
``docs/systems.md``.

What the baseline has to reach before anything is claimed stands in the claim's `Pilot`. Effects in
two clumps are remarked, and change no verdict (`guerdon.reproduction.clumps`).
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cache

from scipy import stats

from guerdon.evaluation import Interval, sign_flip_test, student
from guerdon.names import check_name

Report = Callable[[float], None]
"""Told the fraction of one run that is done, in [0, 1]."""

Arm = Callable[[int, Report], Mapping[str, float]]
"""One run of one arm: a seed and a progress report in, named metrics out."""

Runs = Mapping[str, Mapping[int, Mapping[str, float]]]
"""Metrics by arm, then by seed."""

LEAST_SEEDS = 6
"""With fewer usable seeds nothing is shown and nothing refuted."""
EXACT = 1e-9
"""How far an identity may be off where it says nothing else."""
_MOST_SEEDS = 10_000


class ClaimError(ValueError):
    """A claim does not fit its arms or their metrics; the message names which."""


class Role(StrEnum):
    """What an expectation is for."""

    CLAIM = "claim"
    CHECK = "check"
    IDENTITY = "identity"


class Verdict(StrEnum):
    """What a run says of a claim, or of one expectation (which is never void)."""

    SHOWN = "shown"
    TOO_SMALL = "too small"
    UNDECIDED = "undecided"
    OPPOSITE = "opposite"
    VOID = "void"


MEANING = {
    Verdict.SHOWN: "Every effect that is claimed is larger than the smallest one worth claiming.",
    Verdict.TOO_SMALL: "If there is an effect, it is smaller than the smallest one worth claiming.",
    Verdict.UNDECIDED: "These seeds can't tell.",
    Verdict.OPPOSITE: "The effect goes the other way.",
    Verdict.VOID: "A check of the set-up is not surely met: this miniature can't tell.",
}
"""A sentence for people, by verdict."""
_WORST_FIRST = (Verdict.OPPOSITE, Verdict.UNDECIDED, Verdict.TOO_SMALL, Verdict.SHOWN)


@dataclass(frozen=True)
class Expectation:
    """``metric`` of one arm is above that of another, or above or below a constant.

    The effect of a seed is ``better - worse``; each is an arm's name or a number, at least
    one is an arm.

    Attributes:
        matters: the smallest effect worth claiming, >= 0.
        within: instead of it, "no worse than by this much", > 0; for an identity, how far it may
            be off in either direction.
        role: see the module.
        why: one line for the table.
    """

    better: str | float
    worse: str | float
    metric: str
    matters: float = 0.0
    within: float | None = None
    role: Role = Role.CLAIM
    why: str = ""

    def __post_init__(self) -> None:
        if not isinstance(self.better, str) and not isinstance(self.worse, str):
            raise ClaimError("an expectation compares at least one arm; both sides are numbers")
        if not 0 <= self.matters < math.inf:
            raise ClaimError(f"expectation on {self.metric!r}: matters is {self.matters}, not >= 0")
        if self.within is not None and (self.matters or not 0 < self.within < math.inf):
            raise ClaimError(
                f"expectation on {self.metric!r}: within is above 0 and stands instead of matters"
            )

    @property
    def bar(self) -> float:
        """What an effect has to lie above."""
        return self.matters if self.within is None else -self.within

    @property
    def arms(self) -> tuple[str, ...]:
        """The arms it names."""
        return tuple(side for side in (self.better, self.worse) if isinstance(side, str))

    def __str__(self) -> str:
        better, worse = (
            side if isinstance(side, str) else f"{side:g}" for side in (self.better, self.worse)
        )
        if self.role is Role.IDENTITY:
            return f"{self.metric}: {better} = {worse}"
        if self.within is not None:
            return f"{self.metric}: {better} > {worse} - {self.within:g}"
        least = f" + {self.matters:g}" if self.matters else ""
        return f"{self.metric}: {better} > {worse}{least}"


@dataclass(frozen=True)
class Figure:
    """What a pilot found: ``metric`` of ``arm`` is ``value``, give or take ``tolerance`` > 0."""

    arm: str
    metric: str
    value: float
    tolerance: float

    def __post_init__(self) -> None:
        if not math.isfinite(self.value):
            raise ClaimError(f"the pilot's {self.metric!r} of {self.arm!r} is {self.value}")
        if not 0 < self.tolerance < math.inf:
            raise ClaimError(
                f"the pilot's {self.metric!r} of {self.arm!r}: its tolerance is above 0"
            )

    def checks(self) -> tuple[Expectation, Expectation]:
        """That the arm is not below and not above the figure by more than the tolerance."""
        arm, value = self.arm, self.value
        return self._check(arm, value), self._check(value, arm)

    def _check(self, better: str | float, worse: str | float) -> Expectation:
        why = "the pilot's figure"
        return Expectation(
            better, worse, self.metric, within=self.tolerance, role=Role.CHECK, why=why
        )


@dataclass(frozen=True)
class Pilot:
    """What was known before a claim was run.

    Attributes:
        figures: what the baseline has to reach, as a rule the specification's; the claim's
            expectations hold the `checks` of each.
        seeds: those that rates, sizes and worlds were chosen on. No result uses them.
    """

    figures: tuple[Figure, ...] = ()
    seeds: tuple[int, ...] = ()

    def checks(self) -> tuple[Expectation, ...]:
        """The checks of all figures, in their order."""
        return tuple(check for figure in self.figures for check in figure.checks())


@dataclass(frozen=True)
class Outcome:
    """What the runs say of one expectation.

    ``seeds`` have finite metrics on both sides; ``left_out`` have not and count nowhere.
    ``interval`` is I and ``corrected`` J of the module. ``p`` is the exact sign-flip test's of no
    effect (NaN without seeds). ``would_decide`` is the number of seeds at which I would clear the
    bar if they went on as these did; None where it is decided, or no number would do.
    """

    expectation: Expectation
    effects: tuple[float, ...]
    interval: Interval
    corrected: Interval
    p: float
    seeds: tuple[int, ...]
    left_out: tuple[int, ...]
    verdict: Verdict
    would_decide: int | None


@dataclass(frozen=True)
class Claim:
    """A paper's claim in miniature.

    ``arms`` share seeds, so comparisons are paired. ``metric`` is the one the picture shows,
    ``seeds`` the default number of seeds and ``minutes`` the budget on two idle cores. The checks
    of ``pilot`` stand among the ``expectations``.
    """

    slug: str
    statement: str
    arms: Mapping[str, Arm]
    metric: str
    expectations: tuple[Expectation, ...]
    seeds: int = LEAST_SEEDS
    minutes: float = 3.0
    pilot: Pilot | None = None

    def __post_init__(self) -> None:
        check_name(self.slug, "the claim's slug")
        if not self.arms or not any(e.role is Role.CLAIM for e in self.expectations):
            raise ClaimError(f"claim {self.slug!r} needs an arm and an expectation that it claims")
        if self.seeds < LEAST_SEEDS:
            raise ClaimError(
                f"claim {self.slug!r} has {self.seeds} seeds; with fewer than {LEAST_SEEDS} "
                "nothing is shown"
            )
        for expectation in self.expectations:
            for arm in expectation.arms:
                if arm not in self.arms:
                    raise ClaimError(
                        f"claim {self.slug!r}: expectation names arm {arm!r}; "
                        f"the arms are {', '.join(self.arms)}"
                    )
        for check in self.pilot.checks() if self.pilot else ():
            if check not in self.expectations:
                raise ClaimError(
                    f"claim {self.slug!r}: no expectation checks the pilot's figure ({check}); "
                    "put *pilot.checks() among them"
                )


def judge_all(expectations: Sequence[Expectation], runs: Runs) -> tuple[Outcome, ...]:
    """The outcomes of a claim's expectations, each claim judged as one of their number."""
    claims = sum(expectation.role is Role.CLAIM for expectation in expectations)
    return tuple(judge(one, runs, claims if one.role is Role.CLAIM else 1) for one in expectations)


def judge(expectation: Expectation, runs: Runs, among: int = 1) -> Outcome:
    """The outcome of one expectation; see the module for the rule. ``among`` is k.

    No usable seed: intervals are NaN with infinite ends and the verdict is ``undecided``.
    """
    seeds = sorted(set.intersection(*(set(runs[arm]) for arm in expectation.arms)))
    gaps = {
        seed: _side(expectation.better, expectation.metric, runs, seed)
        - _side(expectation.worse, expectation.metric, runs, seed)
        for seed in seeds
    }
    used = tuple(seed for seed in seeds if math.isfinite(gaps[seed]))
    effects = tuple(gaps[seed] for seed in used)
    interval, corrected = _interval(effects, 0.05), _interval(effects, 0.05 / max(among, 1))
    verdict = _verdict(expectation, effects, interval, corrected)
    return Outcome(
        expectation=expectation,
        effects=effects,
        interval=interval,
        corrected=corrected,
        p=sign_flip_test(effects, [0.0] * len(effects)) if effects else math.nan,
        seeds=used,
        left_out=tuple(seed for seed in seeds if seed not in used),
        verdict=verdict,
        would_decide=(
            seeds_to_decide(effects, expectation.bar) if verdict is Verdict.UNDECIDED else None
        ),
    )


def overall(outcomes: Sequence[Outcome]) -> Verdict:
    """The verdict of a claim from its outcomes.

    Undecided where nothing is claimed, and where an outcome has too few usable seeds.
    """
    if any(len(one.seeds) < LEAST_SEEDS for one in outcomes):
        return Verdict.UNDECIDED
    claims = [one.verdict for one in outcomes if one.expectation.role is Role.CLAIM]
    others = [one.verdict for one in outcomes if one.expectation.role is not Role.CLAIM]
    if any(verdict is not Verdict.SHOWN for verdict in others):
        return Verdict.VOID
    return min(claims, key=_WORST_FIRST.index, default=Verdict.UNDECIDED)


def seeds_to_decide(effects: Sequence[float], bar: float) -> int | None:
    """The fewest seeds at which a 95 % interval with these effects' mean and spread excludes
    ``bar``; None with fewer than two effects, or where over 10,000 would be needed.
    """
    if len(effects) < 2:
        return None
    found = student(effects)
    distance = abs(found.estimate - bar)
    # student's half width is t(n - 1) s / sqrt(n)
    spread = (found.high - found.estimate) / _t(len(effects)) * math.sqrt(len(effects))
    # The half width falls with n, so the first that is below the distance is found by halving.
    tried = range(LEAST_SEEDS, _MOST_SEEDS + 1)
    first = bisect_left(tried, True, key=lambda n: _t(n) * spread / math.sqrt(n) < distance)
    return tried[first] if first < len(tried) else None


@cache
def _t(n: int) -> float:
    return float(stats.t.ppf(0.975, n - 1))


def _interval(effects: Sequence[float], doubt: float) -> Interval:
    if not effects:
        return Interval(math.nan, -math.inf, math.inf, 1 - doubt)
    return student(effects, 1 - doubt)


def _verdict(
    expectation: Expectation, effects: Sequence[float], found: Interval, corrected: Interval
) -> Verdict:
    if len(effects) < LEAST_SEEDS:
        return Verdict.UNDECIDED
    if expectation.role is Role.IDENTITY:
        slack = EXACT if expectation.within is None else expectation.within
        exact = max(abs(effect) for effect in effects) <= slack
        return Verdict.SHOWN if exact else Verdict.OPPOSITE
    if found.low > expectation.bar:
        return Verdict.SHOWN
    if corrected.high < min(0.0, expectation.bar):
        return Verdict.OPPOSITE
    if corrected.high < expectation.bar:
        return Verdict.TOO_SMALL
    return Verdict.UNDECIDED


def _side(side: str | float, metric: str, runs: Runs, seed: int) -> float:
    if not isinstance(side, str):
        return float(side)
    metrics = runs[side][seed]
    if metric not in metrics:
        raise ClaimError(
            f"arm {side!r}, seed {seed} reports no {metric!r}; it reports {', '.join(metrics)}"
        )
    return float(metrics[metric])
