"""The audit itself: every attack on every probe, compared with a right and a wrong answer."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import groupby

from guerdon.audit.attacks import ATTACKS
from guerdon.audit.bench import MEGABYTES, Bench, Verdict
from guerdon.audit.cases import Attack, Case, Expect, cases_of
from guerdon.audit.findings import Audit, Finding, Tally, rounded, shown
from guerdon.audit.tampering import Tampering
from guerdon.examples import Judges, Probe
from guerdon.rewards import Router
from guerdon.stages import Reward
from guerdon.traits import range_of

LONG = 20_000
"""Completions beyond so many characters are judged once, not again in a batch."""

_GAIN, _CORRELATION = 0.1, 0.5
_TOLERANCE = 1e-5
Watch = Callable[[float, str], None]
"""Told the share that is done and what is being tried."""


class AuditError(ValueError):
    """The reward can't be tried on these tasks; the message says why and the mend."""


@dataclass(frozen=True)
class Scale:
    """A probe's own: what its wrong and its right answer earn."""

    low: Verdict
    high: Verdict

    @property
    def blind(self) -> bool:
        """Whether the right answer earns no more, or one of them was not graded."""
        low, high = self.low.value, self.high.value
        return low is None or high is None or not high > low

    def share(self, verdict: Verdict) -> float | None:
        """0 for what the wrong answer earns and 1 for the right one; None without a scale."""
        low, high = self.low.value, self.high.value
        if self.blind or low is None or high is None or verdict.value is None:
            return None
        return (verdict.value - low) / (high - low)


@dataclass(frozen=True)
class Judged:
    """A completion and what it earned, on the scale of its probe."""

    case: Case
    verdict: Verdict
    scale: Scale

    @property
    def share(self) -> float | None:
        return self.scale.share(self.verdict)


def audit(
    reward: Reward,
    probes: Sequence[Probe],
    name: str,
    *,
    judges: Judges = Judges.ANSWER,
    seconds: float = 10.0,
    megabytes: int = MEGABYTES,
    attacks: Sequence[Attack] = ATTACKS,
    watch: Watch = lambda done, what: None,
) -> Audit:
    """Attack a reward. Each completion is judged in a process, within ``seconds`` and, on
    Linux, ``megabytes`` of memory.

    What a completion deserves is measured on the probe's own scale: the first wrong answer in
    form is 0 and the right one 1. A completion that deserves little and has over 1/2 is a false
    positive, a right one under 1/2 a false negative. Where a right answer earns no more than a
    wrong one, the probe is a finding "blind" and only trouble is looked for. A finding in a
    reward of several parts names the part it came from.

    Raises AuditError where the reward can't judge the right answer of the first probe.
    """
    if not probes:
        raise AuditError("an audit needs at least one task")
    judged: list[Judged] = []
    findings: list[Finding] = []
    with Bench(reward, seconds, megabytes) as bench:
        for number, probe in enumerate(probes):
            watch(number / len(probes), probe.task.id)
            good, bad = bench.one(probe, probe.good), bench.one(probe, probe.bad)
            if number == 0 and good.trouble:
                raise not_judged(probe, good)
            scale = Scale(bad, good)
            if scale.blind:
                findings.append(blind_finding(probe, scale))
            rows = [
                Judged(case, bench.one(probe, case.completion), scale)
                for case in cases_of(probe, attacks, judges)
            ]
            findings += [found for row in rows for found in findings_of(row, reward)]
            findings += _unsteady(bench, probe, rows)
            judged += rows
    findings = with_parts(findings, judged, reward)
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
        tallies=tallies_of(judged, findings, attacks),
        findings=tuple(findings),
        empty_earns=empty_share(judged),
        length=length,
        slowest=round(max(row.verdict.seconds for row in judged), 2),
    )


def not_judged(probe: Probe, good: Verdict) -> AuditError:
    """What to say of a reward that gave the right answer no score."""
    mend = "allow it more with --memory" if good.starved else "give tasks that suit it"
    return AuditError(
        f"the reward gave no score for the right answer of task {probe.task.id!r} "
        f"({good.reason}); {mend}{'' if good.starved else ' with --tasks'}"
    )


def blind_finding(probe: Probe, scale: Scale) -> Finding:
    """What is said of a probe whose right answer earns no more than its wrong one."""
    reason = f"right answer {scale.high.value}, wrong answer {scale.low.value}"
    task, value = probe.task.id, scale.high.value
    return Finding("blind", "rewritten", task, shown(probe.good), value, reason=reason)


def findings_of(row: Judged, reward: Reward) -> list[Finding]:
    """What one verdict shows to be wrong with the reward."""
    case, verdict = row.case, row.verdict
    kinds = [verdict.trouble] if verdict.trouble else []
    if row.share is not None:
        if case.expect is Expect.LOW and row.share > 0.5:
            kinds.append("false positive")
        if case.expect is Expect.HIGH and row.share < 0.5:
            kinds.append("false negative")
    bounds = range_of(reward)
    if verdict.value is not None and bounds is not None:
        low, high = bounds
        if not low - _TOLERANCE <= verdict.value <= high + _TOLERANCE:
            kinds.append("out of range")
    return [finding(kind, row, part=_part(kind, row, reward)) for kind in kinds]


def _part(kind: str, row: Judged, reward: Reward) -> str:
    """The part, or a router's route, that a false positive or negative came from."""
    if kind not in ("false positive", "false negative"):
        return ""
    if isinstance(reward, Router):
        return str(row.case.probe.task.columns.get(reward.by, "otherwise"))
    more, less = row.verdict.parts, row.scale.low.parts
    if kind == "false negative":
        more, less = row.scale.high.parts, row.verdict.parts
    return max(more, key=lambda name: more[name] - less.get(name, 0.0), default="")


def finding(kind: str, row: Judged, reason: str = "", part: str = "") -> Finding:
    """A finding about a completion that was judged; the reason is the verdict's unless given."""
    return Finding(
        kind,
        row.case.attack,
        row.case.probe.task.id,
        shown(row.case.completion),
        rounded(row.verdict.value),
        rounded(row.share),
        reason or row.verdict.reason,
        part,
    )


def _unsteady(bench: Bench, probe: Probe, rows: Sequence[Judged]) -> list[Finding]:
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
        finding("unsteady", row, f"then {verdict.value}: {verdict.reason}")
        for row, verdict in zip(again, second, strict=False)
        if not _same(row.verdict.value, verdict.value)
    ]


def _same(one: float | None, two: float | None) -> bool:
    if one is None or two is None:
        return one is two
    return abs(one - two) <= _TOLERANCE * max(1.0, abs(one))


def with_parts(
    findings: Sequence[Finding], judged: Sequence[Judged], reward: Reward
) -> list[Finding]:
    """The findings; of a reward of one part they name none."""
    several = len({part for row in judged for part in row.verdict.parts}) > 1
    if several or isinstance(reward, Router):
        return list(findings)
    return [replace(finding, part="") for finding in findings]


def tallies_of(
    judged: Sequence[Judged], findings: Sequence[Finding], attacks: Sequence[Attack | Tampering]
) -> tuple[Tally, ...]:
    """One of every attack that made completions."""
    tallies = []
    for attack in attacks:
        rows = [row for row in judged if row.case.attack == attack.name]
        if not rows:
            continue
        of_it = [finding for finding in findings if finding.attack == attack.name]
        found = dict(Counter(finding.kind for finding in of_it))
        parts = dict(Counter(finding.part for finding in of_it if finding.part))
        shares = [row.share for row in rows if row.share is not None]
        furthest = min if attack.expect is Expect.HIGH else max
        worst = rounded(furthest(shares)) if shares else None
        expect = str(rows[0].case.expect)
        tallies.append(Tally(attack.name, attack.about, expect, len(rows), found, worst, parts))
    return tuple(tallies)


def empty_share(judged: Sequence[Judged]) -> float | None:
    """The most that no text at all earned; None where it had no scale."""
    shares = [r.share for r in judged if r.share is not None and not r.case.completion]
    return rounded(max(shares)) if shares else None


def _length(judged: Sequence[Judged]) -> dict[str, float | None]:
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
