"""What goes wrong in reward-driven training, noticed while it happens."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch

from guerdon.records import Rollouts, Scores


@dataclass(frozen=True)
class Alarm:
    """One thing to look at. ``severity`` is "notice" (look) or "warning" (mend before going on).

    ``message`` says what was seen and what to do about it. ``news`` is False for one that
    sounded a short while ago.
    """

    name: str
    severity: str
    message: str
    news: bool = True


@dataclass(frozen=True)
class Thresholds:
    """When each alarm sounds. Shares are in [0, 1].

    ``rows`` is the fewest valid completions from which a constant part or a correlation is
    concluded; ``window`` is how many steps in a row KL and certainty must be beyond their
    threshold. ``certainty`` is the mean of minus the sampled tokens' log-probability, in nats.
    """

    rows: int = 16
    zero_std_share: float = 0.9
    invalid_share: float = 0.05
    length_correlation: float = 0.8
    certainty: float = 0.02
    kl: float = 1.0
    truncated_share: float = 0.3
    window: int = 5


ADVICE: Mapping[str, str] = {
    "no signal": "use tasks of other difficulty, a finer reward, or a group filter",
    "invalid rewards": "mend the grader or the data: these rows teach nothing",
    "truncated": "raise sampling.max_tokens or penalise length",
    "reward follows length": "read the longest and shortest completions: length may be what pays",
    "KL": "lower the learning rate or raise the KL coefficient",
    "entropy collapse": "add an entropy bonus or a KL term, sample hotter, or stop here",
    "constant": "a part that never differs teaches nothing: does it read the right column?",
}
"""The mend of each alarm, by name; "constant NAME" alarms share one."""


def advice(name: str) -> str:
    """The mend of the alarm ``name``; empty for an unknown one."""
    return ADVICE.get("constant" if name.startswith("constant ") else name, "")


class Alarms:
    """Looks at each step; an alarm is news again only after ``window`` silent steps.

    ``past`` are the names that sounded in each step already done: a resumed run counts on.
    """

    def __init__(
        self, thresholds: Thresholds | None = None, past: Iterable[Iterable[str]] = ()
    ) -> None:
        self.thresholds = thresholds or Thresholds()
        self._last: dict[str, int] = {}
        self._step = 0
        for names in past:
            self._step += 1
            self._last.update(dict.fromkeys(names, self._step))

    def look(
        self, rollouts: Rollouts, scores: Scores, history: Sequence[dict[str, Any]]
    ) -> list[Alarm]:
        """All alarms of this step; ``history`` ends with its figures."""
        self._step += 1
        found = []
        for alarm in step_alarms(rollouts, scores, history, self.thresholds):
            last = self._last.get(alarm.name)
            news = last is None or self._step - last > self.thresholds.window
            found.append(replace(alarm, news=news))
            self._last[alarm.name] = self._step
        return found


def alarm_counts(history: Iterable[Mapping[str, Any]]) -> dict[str, int]:
    """In how many steps of a run each alarm sounded, by the names its figures hold."""
    return dict(Counter(name for figures in history for name in figures.get("alarms") or ()))


def step_alarms(
    rollouts: Rollouts,
    scores: Scores,
    history: Sequence[dict[str, Any]],
    thresholds: Thresholds,
) -> Iterable[Alarm]:
    """All alarms of a step; ``history`` ends with this step's figures."""
    yield from _constant_parts(scores, thresholds)
    correlation = length_correlation(rollouts, scores)
    if int(scores.valid.sum()) >= thresholds.rows and (
        abs(correlation) > thresholds.length_correlation
    ):
        yield _alarm(
            "reward follows length", "notice", f"reward and length correlate by {correlation:+.2f}"
        )
    for alarm in history_alarms(history, thresholds):
        reason = next((r for r in scores.reasons if r), None)
        if alarm.name == "invalid rewards" and reason:
            yield replace(alarm, message=f"{alarm.message} (e.g. {reason})")
        else:
            yield alarm


def history_alarms(history: Sequence[Mapping[str, Any]], thresholds: Thresholds) -> Iterable[Alarm]:
    """The alarms that a run's figures alone can tell, about the last step of ``history``.

    Figures that a step lacks, or that were not finite, raise no alarm.
    """
    now: Mapping[str, Any] = history[-1] if history else {}
    silent = _share(now, "zero_std_share")
    if silent >= thresholds.zero_std_share:
        yield _alarm("no signal", "warning", f"{silent:.0%} of groups have equal rewards")
    invalid = _share(now, "invalid_share")
    if invalid > thresholds.invalid_share:
        yield _alarm(
            "invalid rewards", "warning", f"{invalid:.1%} of rewards could not be computed"
        )
    truncated = _share(now, "truncated_share")
    if truncated > thresholds.truncated_share:
        yield _alarm("truncated", "notice", f"{truncated:.0%} of completions hit the length limit")
    window = history[-thresholds.window :]
    if len(window) < thresholds.window:
        return
    kls = [h.get("kl") for h in window]
    if all(k is not None and k > thresholds.kl for k in kls):
        yield _alarm("KL", "warning", f"KL has been above {thresholds.kl:g} for {len(kls)} steps")
    sure = [h.get("sampling_logp") for h in window]
    if all(s is not None and -s < thresholds.certainty for s in sure):
        yield _alarm(
            "entropy collapse",
            "warning",
            f"sampled tokens have been almost certain (mean log-prob {sure[-1]:.4f}) for "
            f"{len(sure)} steps, so nothing new is tried",
        )


def length_correlation(rollouts: Rollouts, scores: Scores) -> float:
    """Pearson correlation of value and acted length over valid rows.

    0 with fewer than three valid rows and where either is constant.
    """
    value_N = scores.value[scores.valid].double()
    length_N = rollouts.mask.sum(1)[scores.valid].double()
    if len(value_N) < 3 or float(value_N.std()) == 0 or float(length_N.std()) == 0:
        return 0.0
    return float(torch.corrcoef(torch.stack([value_N, length_N]))[0, 1])


def _constant_parts(scores: Scores, thresholds: Thresholds) -> Iterable[Alarm]:
    for name, part in scores.parts.items():
        kept = part[scores.valid & torch.isfinite(part)]
        if len(kept) >= thresholds.rows and bool((kept == kept[0]).all()):
            yield _alarm(
                f"constant {name}",
                "notice",
                f"the part {name!r} is {float(kept[0]):g} for all {len(kept)} completions",
            )


def _alarm(name: str, severity: str, seen: str) -> Alarm:
    return Alarm(name, severity, f"{seen}; {advice(name)}")


def _share(figures: Mapping[str, Any], name: str) -> float:
    value = figures.get(name)
    return 0.0 if value is None or value != value else float(value)
