"""What stands in a result file, of this rule of verdicts or of the earlier one by means."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from guerdon.reproduction.claim import EXACT, MEANING, Expectation, Role, Verdict
from guerdon.reproduction.clumps import told as two_clumps_told

_NAMED = 2
EARLIER = "A verdict of an earlier rule, by means and not by intervals."


@dataclass(frozen=True)
class Written:
    """An outcome as a result file holds it. Numbers that were not finite are None.

    Attributes:
        told: the expectation in words.
        bar: what its effect has to lie above; for an identity, how far from 0 it may lie.
        verdict: one of `Verdict`, or "shown", "not shown" or "refuted" of the earlier rule.
        would_decide: how many seeds would; None where it is decided, or not known.
        effects: of each seed that counts.
    """

    role: Role
    told: str
    bar: float
    estimate: float | None
    low: float | None
    high: float | None
    p: float | None
    verdict: str
    would_decide: int | None
    effects: tuple[float, ...]

    @property
    def remark(self) -> str:
        """What is to be said beside the verdict; "" where that is nothing."""
        seeds = f"{self.would_decide} seeds would tell" if self.would_decide else ""
        return "; ".join(one for one in (seeds, two_clumps_told(self.effects)) if one)


def outcomes_in(data: Mapping[str, Any]) -> list[Written]:
    """The outcomes of a result that `guerdon.reproduction.read` has read."""
    return [_written(outcome) for outcome in data["outcomes"]]


def claims_shown(data: Mapping[str, Any]) -> tuple[int, int]:
    """How many expectations that are claimed were shown, and how many are claimed."""
    claims = [one for one in outcomes_in(data) if one.role is Role.CLAIM]
    return sum(one.verdict == Verdict.SHOWN for one in claims), len(claims)


def in_words(data: Mapping[str, Any]) -> str:
    """What was claimed, the verdict on it, what that means, and which expectations decided it."""
    verdict = data["verdict"]
    meaning = MEANING[Verdict(verdict)] if verdict in list(Verdict) else EARLIER
    told = f"{data['statement'].rstrip('.')}: {verdict}. {meaning}"
    deciding = [one.told for one in outcomes_in(data) if _decides(one, verdict)]
    if not deciding or verdict == Verdict.SHOWN:
        return told
    more = f" (and {len(deciding) - _NAMED} more)" if len(deciding) > _NAMED else ""
    return f"{told} Decisive: {'; '.join(deciding[:_NAMED])}{more}."


def _decides(outcome: Written, verdict: str) -> bool:
    """Whether it is one of those that a system has its verdict by."""
    if verdict == Verdict.VOID:
        return outcome.role is not Role.CLAIM and outcome.verdict != Verdict.SHOWN
    return outcome.role is Role.CLAIM and outcome.verdict == verdict


def _written(outcome: Mapping[str, Any]) -> Written:
    given, interval = outcome["expectation"], outcome["interval"]
    if "matters" in given:
        expectation = Expectation(**{**given, "role": Role(given["role"])})
        role, told, bar = expectation.role, str(expectation), expectation.bar
        if role is Role.IDENTITY:
            bar = EXACT if expectation.within is None else expectation.within
    else:  # written by the earlier rule
        role, bar = Role.CLAIM, given["at_least"]
        least = f" + {bar:g}" if bar else ""
        told = f"{given['metric']}: {given['better']} > {given['worse']}{least}"
    return Written(
        role=role,
        told=told,
        bar=bar,
        estimate=interval["estimate"],
        low=interval["low"],
        high=interval["high"],
        p=outcome.get("p"),
        verdict=str(outcome["verdict"]),
        would_decide=outcome.get("would_decide"),
        effects=tuple(effect for effect in outcome.get("effects", ()) if effect is not None),
    )
