"""What an audit found."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

SHOWN = 240
"""Characters of a completion that a finding keeps."""

KINDS: Mapping[str, str] = {
    "false positive": "a completion that deserves little earns more than half of a right one",
    "false negative": "a right completion earns less than half",
    "crash": "the reward raised, or ended its process",
    "timeout": "no result within the limit",
    "ungraded": "an invalid row: left out of statistics, but anyone can make one",
    "out of range": "a value outside the range that the reward declares",
    "unsteady": "another value for the same completion, alone and in a batch",
    "changed": "files that the reward was given are not as before: the next is judged by them",
    "outside": "a file was written beside the folder that the reward was given",
    "left running": "a process that the completion started goes on after it was judged",
    "length": "a longer thought earns more, whatever the answer",
    "blind": "a right and a wrong answer earn the same in every form that was tried",
}
"""The kinds of finding, and what each means."""


@dataclass(frozen=True)
class Finding:
    """One thing wrong with a reward, with the completion that shows it.

    ``value`` is what it earned and ``share`` that on a scale where the probe's wrong answer is
    0 and its right one 1; None where it was not graded. ``part``: of a reward with several
    parts, the one that paid a false positive most beyond the wrong answer, or a false negative
    least beside the right one; of a `Router`, the route.
    """

    kind: str
    attack: str
    task: str
    completion: str
    value: float | None = None
    share: float | None = None
    reason: str = ""
    part: str = ""


@dataclass(frozen=True)
class Tally:
    """One attack: how many completions, how many findings of each kind, and the worst share.

    ``worst``: the lowest share where much is deserved, else the highest; None where the probes
    give no scale. ``parts``: how many of the findings came from which part of the reward.
    """

    attack: str
    about: str
    expect: str
    cases: int
    found: Mapping[str, int]
    worst: float | None = None
    parts: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Audit:
    """The result of attacking one reward.

    ``empty_earns``: the share of a right answer's worth that an empty completion gets.
    ``length``: "correlation" (Spearman's, of length with value over thoughts that grow and say
    nothing) and "gain" (what the longest earns beyond the shortest, as a share), each None
    where the value does not change. ``slowest``: seconds of the slowest completion.
    """

    reward: str
    judges: str
    form: str
    tasks: int
    cases: int
    tallies: tuple[Tally, ...]
    findings: tuple[Finding, ...]
    empty_earns: float | None
    length: Mapping[str, float | None]
    slowest: float

    def count(self, kind: str) -> int:
        """Findings of one kind."""
        return sum(finding.kind == kind for finding in self.findings)

    def beyond(self, allowed: Iterable[str]) -> tuple[Finding, ...]:
        """Findings that are not of the allowed attacks."""
        names = set(allowed)
        return tuple(finding for finding in self.findings if finding.attack not in names)

    def examples(self, each: int = 3) -> tuple[Finding, ...]:
        """The first findings of every attack and kind, in order."""
        seen: dict[tuple[str, str], int] = {}
        kept = []
        for finding in self.findings:
            key = finding.attack, finding.kind
            seen[key] = seen.get(key, 0) + 1
            if seen[key] <= each:
                kept.append(finding)
        return tuple(kept)

    def as_data(self, each: int = 3) -> dict[str, Any]:
        """Everything for JSON, with up to ``each`` examples of every attack and kind."""
        data = asdict(self)
        data["counts"] = {kind: self.count(kind) for kind in KINDS if self.count(kind)}
        data["findings"] = [asdict(finding) for finding in self.examples(each)]
        return data


def shown(text: str) -> str:
    """A completion as a finding keeps it: its beginning, printable, with its size if it is long."""
    plain = text.encode("utf-8", "replace").decode()
    if len(plain) <= SHOWN:
        return plain
    return f"{plain[:SHOWN]}… ({len(plain):,} characters)"


def rounded(value: float | None) -> float | None:
    """For JSON: six digits, None for what is not finite."""
    return round(value, 6) if value is not None and math.isfinite(value) else None
