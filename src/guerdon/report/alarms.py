"""What goes wrong in reward-driven training, noticed while it happens."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from guerdon.records import Rollouts, Scores


@dataclass(frozen=True)
class Alarm:
    """One thing to look at, with the mend."""

    name: str
    message: str


@dataclass(frozen=True)
class Thresholds:
    """When each alarm sounds. Shares are in [0, 1]; ``window`` is in steps."""

    constant_rows: int = 16
    zero_std_share: float = 0.9
    invalid_share: float = 0.05
    length_correlation: float = 0.8
    logp_collapse: float = 0.02
    kl: float = 1.0
    truncated_share: float = 0.3
    window: int = 5


class Alarms:
    """Looks at each step; an alarm is repeated only after ``window`` silent steps."""

    def __init__(self, thresholds: Thresholds | None = None) -> None:
        self.thresholds = thresholds or Thresholds()
        self._counts: Counter[str] = Counter()
        self._last: dict[str, int] = {}
        self._step = 0

    def look(
        self, rollouts: Rollouts, scores: Scores, history: Sequence[dict[str, Any]]
    ) -> list[Alarm]:
        """The alarms of this step that are news."""
        self._step += 1
        news = []
        for alarm in step_alarms(rollouts, scores, history, self.thresholds):
            self._counts[alarm.name] += 1
            if self._step - self._last.get(alarm.name, -(10**9)) > self.thresholds.window:
                news.append(alarm)
            self._last[alarm.name] = self._step
        return news

    def counts(self) -> dict[str, int]:
        """In how many steps each alarm sounded."""
        return dict(self._counts)


def step_alarms(
    rollouts: Rollouts,
    scores: Scores,
    history: Sequence[dict[str, Any]],
    thresholds: Thresholds,
) -> Iterable[Alarm]:
    """All alarms of a step; ``history`` ends with this step's figures."""
    yield from _constant_parts(scores, thresholds)
    now: dict[str, Any] = history[-1] if history else {}
    if now.get("zero_std_share", 0.0) >= thresholds.zero_std_share:
        yield Alarm(
            "no signal",
            f"{now['zero_std_share']:.0%} of groups have equal rewards and teach nothing; use "
            "other tasks, a finer reward, or the Informative filter",
        )
    if now.get("invalid_share", 0.0) > thresholds.invalid_share:
        reason = next((r for r in scores.reasons if r), "no reason given")
        yield Alarm(
            "invalid rewards",
            f"{now['invalid_share']:.1%} of rewards could not be computed, e.g. {reason}",
        )
    if now.get("truncated_share", 0.0) > thresholds.truncated_share:
        yield Alarm(
            "truncated",
            f"{now['truncated_share']:.0%} of completions hit the length limit; raise "
            "sampling.max_tokens or penalise length",
        )
    correlation = length_correlation(rollouts, scores)
    if abs(correlation) > thresholds.length_correlation:
        yield Alarm(
            "reward follows length",
            f"reward and length correlate by {correlation:+.2f}: the reward may be paying for "
            "length",
        )
    recent = [h.get("kl") for h in history[-thresholds.window :]]
    if len(recent) == thresholds.window and all(
        k is not None and k > thresholds.kl for k in recent
    ):
        yield Alarm(
            "KL", f"KL has been above {thresholds.kl} for {len(recent)} steps; lower the lr"
        )
    sure = [h.get("sampling_logp") for h in history[-thresholds.window :]]
    if len(sure) == thresholds.window and all(
        s is not None and -s < thresholds.logp_collapse for s in sure
    ):
        yield Alarm(
            "entropy collapse",
            "sampled tokens have been almost certain "
            f"(mean log-prob {sure[-1]:.4f}) for {len(sure)} steps: nothing new is tried; add an "
            "entropy bonus or a KL term, or stop here",
        )


def length_correlation(rollouts: Rollouts, scores: Scores) -> float:
    """Pearson correlation of value and length over valid rows; 0 where either is constant."""
    value_N: Tensor = scores.value[scores.valid].double()
    length_N = rollouts.mask.sum(1)[scores.valid].double()
    if len(value_N) < 3 or float(value_N.std()) == 0 or float(length_N.std()) == 0:
        return 0.0
    return float(torch.corrcoef(torch.stack([value_N, length_N]))[0, 1])


def _constant_parts(scores: Scores, thresholds: Thresholds) -> Iterable[Alarm]:
    for name, part in scores.parts.items():
        kept = part[scores.valid & torch.isfinite(part)]
        if len(kept) >= thresholds.constant_rows and bool((kept == kept[0]).all()):
            yield Alarm(
                f"constant {name}",
                f"the part {name!r} is {float(kept[0]):g} for all {len(kept)} completions: it "
                "teaches nothing; is it reading the right column?",
            )
