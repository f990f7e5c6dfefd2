"""What goes wrong in reward-driven training, noticed while it happens."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch

from guerdon.failures import Tally, tally
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
    threshold, and how many all advantages must be 0. ``certainty`` is the mean of minus the
    sampled tokens' log-probability, in nats. ``failed_share`` is of rows on which the reward
    raised, ran out of time or lost its process; every one is told of. ``ratio`` bounds the mean of
    ``|ratio - 1|`` at the first update of a batch, which is rounding (in bfloat16 about 0.01);
    ``sampler`` the same between the trainer and another sampler or older weights.
    """

    rows: int = 16
    zero_std_share: float = 0.9
    invalid_share: float = 0.05
    failed_share: float = 0.0
    length_correlation: float = 0.8
    certainty: float = 0.02
    kl: float = 1.0
    truncated_share: float = 0.3
    ratio: float = 0.05
    sampler: float = 0.2
    window: int = 5


ADVICE: Mapping[str, str] = {
    "no signal": "use tasks of other difficulty, a finer reward, or a group filter",
    "invalid rewards": "mend the grader or the data: these rows teach nothing",
    "failed rewards": "mend the reward where its file and line are named: tracebacks are in "
    "failures.jsonl and on the page",
    "nothing graded": "look at the reasons: does the reward read the right column, and do the "
    "tasks have answers?",
    "nothing to learn from": "take tasks of another difficulty, a finer reward or no filter; "
    "the run stops after loop.max_empty such steps in a row",
    "ratio": "nothing has been learned since the completions were sampled, so the policy must say "
    "of them what it said then: check sampling.temperature, model.dtype and mixed_precision, "
    "dropout, and what changes weights between sampling and updating",
    "sampler gap": "the sampler's own log-probs are far from the trainer's: have it sample with "
    "the newest weights, in the same precision and with the same template; loop.ahead 0",
    "no gradient": "rewards differ, but nothing is learned from it: look at the advantage, at the "
    "clip range, at frozen weights and at the learning rate's schedule",
    "no advantage": "every advantage is 0, so the weights stand still but for KL and entropy "
    "terms: use tasks of other difficulty, a finer reward or another advantage",
    "not a number": "look at the reward, the advantage and the learning rate of the step where it "
    "began",
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
        self,
        rollouts: Rollouts,
        scores: Scores,
        history: Sequence[dict[str, Any]],
        judged: Tally | None = None,
    ) -> list[Alarm]:
        """All alarms of this step; ``history`` ends with its figures.

        ``judged`` counts all rows that were, where a filter dropped some of them.
        """
        self._step += 1
        found = []
        for alarm in step_alarms(rollouts, scores, history, self.thresholds, judged):
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
    judged: Tally | None = None,
) -> Iterable[Alarm]:
    """All alarms of a step; ``history`` ends with this step's figures."""
    judged = tally(rollouts, scores) if judged is None else judged
    yield from _constant_parts(scores, thresholds)
    correlation = length_correlation(rollouts, scores)
    if int(scores.valid.sum()) >= thresholds.rows and (
        abs(correlation) > thresholds.length_correlation
    ):
        yield _alarm(
            "reward follows length", "notice", f"reward and length correlate by {correlation:+.2f}"
        )
    for alarm in history_alarms(history, thresholds):
        if alarm.name in ("invalid rewards", "nothing graded") and judged.reasons:
            reason = max(judged.reasons.items(), key=lambda counted: counted[1])[0]
            yield replace(alarm, message=f"{alarm.message} (e.g. {reason})")
        elif alarm.name == "failed rewards" and judged.failures:
            yield replace(alarm, message=f"{alarm.message} ({judged.failures[0].headline})")
        else:
            yield alarm


def history_alarms(history: Sequence[Mapping[str, Any]], thresholds: Thresholds) -> Iterable[Alarm]:
    """The alarms that a run's figures alone can tell, about the last step of ``history``.

    Figures that a step lacks, or that were not finite, raise no alarm.
    """
    now: Mapping[str, Any] = history[-1] if history else {}
    silent = _share(now, "zero_std_share")
    if silent >= thresholds.zero_std_share and _share(now, "invalid_share") < 1:
        yield _alarm("no signal", "warning", f"{silent:.0%} of groups have equal rewards")
    yield from _invalid_alarms(now, thresholds)
    yield from _update_alarms(now, thresholds)
    truncated = _share(now, "truncated_share")
    if truncated > thresholds.truncated_share:
        yield _alarm("truncated", "notice", f"{truncated:.0%} of completions hit the length limit")
    window = history[-thresholds.window :]
    if len(window) < thresholds.window:
        return
    if all(h.get("advantage_size") == 0 and h.get("updates") for h in window):
        yield _alarm(
            "no advantage", "warning", f"all advantages have been 0 for {len(window)} steps"
        )
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


def _invalid_alarms(now: Mapping[str, Any], thresholds: Thresholds) -> Iterable[Alarm]:
    """Of rows that are invalid: because the reward failed, or for other reasons."""
    invalid, failed = _share(now, "invalid_share"), _share(now, "failed_share")
    if invalid >= 1 > failed:
        yield _alarm("nothing graded", "warning", "not one completion of this step has a reward")
    elif invalid - failed > thresholds.invalid_share:
        yield _alarm(
            "invalid rewards", "warning", f"{invalid - failed:.1%} of rewards could not be computed"
        )
    if failed > thresholds.failed_share:
        yield _alarm("failed rewards", "warning", f"the reward failed on {failed:.1%} of rows")
    if now.get("updates") == 0:
        dropped = f"{_share(now, 'sampled_groups') - _share(now, 'kept_groups'):.0f}"
        yield _alarm(
            "nothing to learn from",
            "warning",
            f"no weights were updated: of {_share(now, 'sampled_groups'):.0f} groups the filter "
            f"dropped {dropped}, and {invalid:.0%} of the completions have no reward",
        )


def _update_alarms(now: Mapping[str, Any], thresholds: Thresholds) -> Iterable[Alarm]:
    """Of what an update did: ratios, gradients, figures that are no numbers."""
    off, gap = _share(now, "first_off_policy"), _share(now, "sampler_gap")
    if off > thresholds.ratio:
        yield _alarm("ratio", "warning", f"ratios are off 1 by {off:.3g} at the first update")
    if gap > thresholds.sampler:
        behind = now.get("staleness")
        who = "another engine" if not behind else f"weights {behind:g} step(s) old"
        yield _alarm(
            "sampler gap", "warning", f"{who} sampled: ratios to the trainer are off 1 by {gap:.3g}"
        )
    differ = _share({"share": now.get("zero_std_share", 1.0)}, "share") < 1
    if now.get("updates") and now.get("grad_norm") == 0 and differ:
        yield _alarm("no gradient", "warning", "the gradient is 0 beside unequal rewards")
    graded = _share(now, "invalid_share") < 1 and now.get("kept_groups") != 0
    strange = [n for n, value in now.items() if _watched(n) and _not_finite(value)]
    strange = [n for n in strange if graded or not _of_rewards(n)]
    if strange:
        yield _alarm("not a number", "warning", f"{', '.join(strange[:6])} is not a finite number")


def _not_finite(value: Any) -> bool:
    return isinstance(value, float) and not math.isfinite(value)


def _watched(name: str) -> bool:
    return name.startswith(("loss", "grad_norm", "advantage", "off_policy", "first_")) or (
        _of_rewards(name)
    )


def _of_rewards(name: str) -> bool:
    """Whether a figure has no value where no row has a reward."""
    return name in ("reward", "shaped_reward", "accuracy", "held_out") or name.startswith("part/")


def invalid_counts(history: Iterable[Mapping[str, Any]]) -> dict[str, int]:
    """Invalid rows of a run by kind of failure or reason, the most frequent first."""
    counted: Counter[str] = Counter()
    for figures in history:
        counted.update(figures.get("invalid") or {})
    return dict(counted.most_common())


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
