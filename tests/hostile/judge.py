"""Hostile completions put before a reward: what it raised, how long it took, whom it paid."""

from __future__ import annotations

import time
import traceback
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from guerdon.audit.bench import rollouts_of
from guerdon.examples import Example, Judges, Probe
from guerdon.records import Progress, Scores
from hostile.completions import Completion, says_answer

SECONDS = 2.0
"""Processor time that judging one completion of up to a megabyte may take in the run's process.

What a reward does in processes of its own (programs, queries, algebra) has its own limit there.
"""

MAY_NOT_BE_GRADED = {
    "answer-match",
    "code",
    "cosine-length",
    "gate",
    "product",
    "reasoning-gym",
} | {
    *("router", "sql", "sql-reward", "weighted-sum"),
}
"""Rewards that say of themselves that a comparison, program or query over its limit is invalid.

With every other, a completion that made its own row invalid would escape its judgement.
"""


@dataclass(frozen=True)
class Finding:
    """A completion that did what none may: ``kind`` is "raised", "slow", "paid" or "ungraded"."""

    kind: str
    subject: str
    task: str
    text: str
    detail: str


def judge(
    name: str, subject: Example, probe: Probe, completions: Sequence[Completion]
) -> list[Finding]:
    """What is wrong with the judgement of these completions; nothing, if all is well.

    They are judged together; where that fails or takes long, each alone.
    """
    texts = [one.text for one in completions]
    try:
        scores, spent = _scores(subject, probe, texts)
    except Exception:
        return (
            _alone(name, subject, probe, completions)
            if len(texts) > 1
            else [Finding("raised", name, probe.task.id, texts[0], traceback.format_exc(limit=-8))]
        )
    if spent > SECONDS:
        if len(texts) > 1:
            return _alone(name, subject, probe, completions)
        # Once more: the first call of a kind loads libraries.
        spent = min(spent, _scores(subject, probe, texts)[1])
        if spent > SECONDS:
            return [Finding("slow", name, probe.task.id, texts[0], f"{spent:.1f} s")]
    return list(_wrong(name, subject, probe, completions, scores))


def _scores(subject: Example, probe: Probe, texts: Sequence[str]) -> tuple[Scores, float]:
    rollouts = rollouts_of(probe, texts)
    begun = time.process_time()
    scores = subject.reward(rollouts, Progress())
    return scores, time.process_time() - begun


def _alone(
    name: str, subject: Example, probe: Probe, completions: Sequence[Completion]
) -> list[Finding]:
    return [f for one in completions for f in judge(name, subject, probe, [one])]


def _wrong(
    name: str, subject: Example, probe: Probe, completions: Sequence[Completion], scores: Scores
) -> Iterable[Finding]:
    good = _scores(subject, probe, [probe.good, probe.bad])[0].value[0].item()
    for row, one in enumerate(completions):
        value = scores.value[row].item()
        if not scores.valid[row] and name not in MAY_NOT_BE_GRADED:
            yield Finding("ungraded", name, probe.task.id, one.text, scores.reasons[row] or "")
        paid = subject.judges is Judges.ANSWER and value >= good - 1e-6
        if paid and not one.knows and not says_answer(probe, one.text):
            yield Finding("paid", name, probe.task.id, one.text, f"{value} of {good}")
