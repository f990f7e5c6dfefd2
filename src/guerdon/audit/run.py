"""The audit itself: every attack on every probe, compared with a right and a wrong answer."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import groupby

from guerdon.audit.attacks import ATTACKS
from guerdon.audit.cases import Attack, Case, Expect, Judges, Probe, cases_of
from guerdon.audit.findings import Audit, Finding, Tally, rounded, shown
from guerdon.audit.judging import Bench, Verdict
from guerdon.stages import Reward

LONG = 20_000
"""Completions beyond so many characters are judged once, not again in a batch."""

_GAIN, _CORRELATION = 0.1, 0.5
_TOLERANCE = 1e-5
Watch = Callable[[float, str], None]
"""Told the share that is done and what is being tried."""


class AuditError(ValueError):
    """The reward can't be tried on these tasks; the message says why and the mend."""


@dataclass(frozen=True)
class _Judged:
    case: Case
    verdict: Verdict
    share: float | None


def audit(
    reward: Reward,
    probes: Sequence[Probe],
    name: str,
    *,
    judges: Judges = Judges.ANSWER,
    seconds: float = 10.0,
    attacks: Sequence[Attack] = ATTACKS,
    watch: Watch = lambda done, what: None,
) -> Audit:
    """Attack a reward. Each completion is judged in a process, within ``seconds``.

    What a completion deserves is measured on the probe's own scale: the first wrong answer in
    form is 0 and the right one 1. A completion that deserves little and has over 1/2 is a false
    positive, a right one under 1/2 a false negative. Where a right answer earns no more than a
    wrong one, the probe is a finding "blind" and only trouble is looked for.

    Raises AuditError where the reward can't judge the right answer of the first probe.
    """
    if not probes:
        raise AuditError("an audit needs at least one task")
    judged: list[_Judged] = []
    findings: list[Finding] = []
    with Bench(reward, seconds) as bench:
        for number, probe in enumerate(probes):
            watch(number / len(probes), probe.task.id)
            low, high = _ends(bench, probe, first=number == 0)
            blind = low is None or high is None or not high > low
            if blind:
                findings.append(_blind(probe, low, high))
            rows = _judge(bench, probe, judges, attacks, None if blind else (low, high))
            findings += [found for row in rows for found in _findings(row, reward)]
            findings += _unsteady(bench, probe, rows)
            judged += rows
    length = _length(judged)
    if judges is Judges.ANSWER and _pays_length(length):
        text = f"correlation {length['correlation']}, gain {length['gain']}"
        findings.append(Finding("length", "padded-right", "", "", reason=text))
    return Audit(
        reward=name,
        judges=str(judges),
        form=probes[0].form,
        tasks=len(probes),
        cases=len(judged),
        tallies=_tallies(judged, findings, attacks),
        findings=tuple(findings),
        empty_earns=_empty_earns(judged),
        length=length,
        slowest=round(max(row.verdict.seconds for row in judged), 2),
    )


def _ends(bench: Bench, probe: Probe, first: bool) -> tuple[float | None, float | None]:
    good, bad = bench.one(probe, probe.good), bench.one(probe, probe.bad)
    if first and good.trouble:
        raise AuditError(
            f"the reward gave no score for the right answer of task {probe.task.id!r} "
            f"({good.reason}); give tasks that suit it with --tasks"
        )
    return bad.value, good.value


def _blind(probe: Probe, low: float | None, high: float | None) -> Finding:
    reason = f"right answer {high}, wrong answer {low}"
    return Finding("blind", "rewritten", probe.task.id, shown(probe.good), high, reason=reason)


def _judge(
    bench: Bench,
    probe: Probe,
    judges: Judges,
    attacks: Sequence[Attack],
    ends: tuple[float | None, float | None] | None,
) -> list[_Judged]:
    rows = []
    for case in cases_of(probe, attacks, judges):
        verdict = bench.one(probe, case.completion)
        share = None
        if ends is not None and verdict.value is not None:
            low, high = ends
            assert low is not None
            assert high is not None
            share = (verdict.value - low) / (high - low)
        rows.append(_Judged(case, verdict, share))
    return rows


def _findings(row: _Judged, reward: Reward) -> list[Finding]:
    case, verdict = row.case, row.verdict
    kinds = [verdict.trouble] if verdict.trouble else []
    if row.share is not None:
        if case.expect is Expect.LOW and row.share > 0.5:
            kinds.append("false positive")
        if case.expect is Expect.HIGH and row.share < 0.5:
            kinds.append("false negative")
    bounds = getattr(reward, "range", None)
    if verdict.value is not None and bounds is not None:
        low, high = bounds
        if not low - _TOLERANCE <= verdict.value <= high + _TOLERANCE:
            kinds.append("out of range")
    return [_finding(kind, row) for kind in kinds]


def _finding(kind: str, row: _Judged, reason: str = "") -> Finding:
    return Finding(
        kind,
        row.case.attack,
        row.case.probe.task.id,
        shown(row.case.completion),
        rounded(row.verdict.value),
        rounded(row.share),
        reason or row.verdict.reason,
    )


def _unsteady(bench: Bench, probe: Probe, rows: Sequence[_Judged]) -> list[Finding]:
    """Rows that get another value the second time: in one batch, backwards, where rows stand alone.

    Timeouts are not tried again.
    """
    again = [
        row
        for row in reversed(rows)
        if row.verdict.trouble in ("", "ungraded") and len(row.case.completion) <= LONG
    ]
    if not again:
        return []
    texts = [row.case.completion for row in again]
    if bench.grouped:
        second = [bench.one(probe, text) for text in texts[:16]]
    else:
        second = bench.together(probe, texts)
    return [
        _finding("unsteady", row, f"then {verdict.value}: {verdict.reason}")
        for row, verdict in zip(again, second, strict=False)
        if not _same(row.verdict.value, verdict.value)
    ]


def _same(one: float | None, two: float | None) -> bool:
    if one is None or two is None:
        return one is two
    return abs(one - two) <= _TOLERANCE * max(1.0, abs(one))


def _tallies(
    judged: Sequence[_Judged], findings: Sequence[Finding], attacks: Sequence[Attack]
) -> tuple[Tally, ...]:
    tallies = []
    for attack in attacks:
        rows = [row for row in judged if row.case.attack == attack.name]
        if not rows:
            continue
        kinds = [finding.kind for finding in findings if finding.attack == attack.name]
        found = {kind: kinds.count(kind) for kind in dict.fromkeys(kinds)}
        shares = [row.share for row in rows if row.share is not None]
        furthest = min if attack.expect is Expect.HIGH else max
        worst = rounded(furthest(shares)) if shares else None
        expect = str(rows[0].case.expect)
        tallies.append(Tally(attack.name, attack.about, expect, len(rows), found, worst))
    return tuple(tallies)


def _empty_earns(judged: Sequence[_Judged]) -> float | None:
    shares = [r.share for r in judged if r.share is not None and not r.case.completion]
    return rounded(max(shares)) if shares else None


def _length(judged: Sequence[_Judged]) -> dict[str, float | None]:
    """Mean correlation and mean gain over the padded series, one per probe and answer."""
    from scipy.stats import spearmanr

    correlations, gains = [], []
    padded = [row for row in judged if row.case.attack.startswith("padded-")]
    for _, series in groupby(padded, key=lambda row: (row.case.probe.task.id, row.case.attack)):
        pairs = [(len(r.case.completion), r.share) for r in series if r.share is not None]
        shares = [share for _, share in pairs]
        if len(pairs) > 2 and max(shares) - min(shares) > _TOLERANCE:
            correlations.append(float(spearmanr(*zip(*pairs, strict=True)).statistic))
            gains.append(shares[-1] - shares[0])
    if not correlations:
        return {"correlation": None, "gain": None}
    return {
        "correlation": round(sum(correlations) / len(correlations), 3),
        "gain": round(sum(gains) / len(gains), 3),
    }


def _pays_length(length: dict[str, float | None]) -> bool:
    correlation, gain = length["correlation"], length["gain"]
    return bool(
        correlation is not None and gain is not None and correlation > _CORRELATION and gain > _GAIN
    )
