"""Held-out results in words and figures, with intervals that are honest for few results."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from guerdon.evaluation import Interval, bounded, paired_bounded, paired_difference, student, wilson
from guerdon.report import number
from guerdon.training.held_out import OWN, HeldOut

NO_HELD_OUT = (
    "there are no held-out tasks: nothing will tell whether training helped; give the tasks a "
    "test split, and let loop.evaluation_tasks be above 0"
)


def held_out_summary(before: HeldOut | None, after: HeldOut | None) -> dict[str, Any]:
    """Before, after and their paired difference, each with a 95 % interval.

    ``tasks`` counts all held-out tasks, ``invalid`` those among them that have no result,
    ``failed`` those among the invalid on which the reward failed, with ``reasons``. Means and
    intervals are over the others. The gain is over tasks that have a result both times.
    """
    summary: dict[str, Any] = {}
    for name, result in (("before", before), ("after", after)):
        if result is not None:
            low, high = interval(result)
            summary[name] = {
                "metric": result.metric,
                "mean": result.mean,
                "low": low,
                "high": high,
                "tasks": len(result.results),
                "invalid": len(result.results) - len(result.valid),
                "failed": result.failed,
                "reasons": dict(result.reasons),
                "truncated_share": result.truncated,
                "mean_length": result.mean_length,
            }
    if before is not None and after is not None:
        gain = _gain(before, after)
        if gain is not None:
            summary["gain"] = {"mean": gain.estimate, "low": gain.low, "high": gain.high}
    return summary


def all_summaries(before: Mapping[str, HeldOut], after: Mapping[str, HeldOut]) -> dict[str, Any]:
    """`held_out_summary` of the run's own set, and below "exams" of each exam by its name."""
    exams = [name for name in {**before, **after} if name != OWN]
    told = {name: held_out_summary(before.get(name), after.get(name)) for name in exams}
    own = held_out_summary(before.get(OWN), after.get(OWN))
    return {**own, **({"exams": told} if told else {})}


def figures_of(results: Mapping[str, HeldOut]) -> dict[str, float]:
    """What is logged of held-out sets by name: means, and of exams the interval's ends too."""
    figures: dict[str, float] = {}
    for name, result in results.items():
        if name == OWN:
            figures["held_out"] = result.mean
            continue
        low, high = interval(result)
        ends = {"mean": result.mean, "low": low, "high": high}
        figures |= {f"exam/{name}/{end}": value for end, value in ends.items()}
    return figures


def _gain(before: HeldOut, after: HeldOut) -> Interval | None:
    """The paired difference, of tasks with a result both times; None where there is none."""
    pairs = zip(after.results, before.results, strict=True)
    both = [(a, b) for a, b in pairs if a == a and b == b]
    if not both:
        return None
    treated, baseline = [a for a, _ in both], [b for _, b in both]
    ends = [e for e in (_ends(before), _ends(after)) if e is not None]
    if len(ends) == 2:
        width = max(high for _, high in ends) - min(low for low, _ in ends)
        return paired_bounded(treated, baseline, width)
    return _open_where_equal(paired_difference(treated, baseline))


def interval(result: HeldOut) -> tuple[float, float]:
    """95 % interval of the mean; NaN ends where nothing is known of them.

    Results of 0 and 1 that can be nothing else: Wilson's. Others of a reward with a stated range:
    `bounded`, Student's t with one more result at each end of the range. Without a range:
    Student's t, and NaN where all results are equal, since a spread of 0 is then no evidence.
    """
    if not result.valid:
        return math.nan, math.nan
    ends = _ends(result)
    if ends == (0.0, 1.0) and set(result.valid) <= {0.0, 1.0}:
        found = wilson(int(sum(result.valid)), len(result.valid))
    elif ends is not None:
        found = bounded(result.valid, *ends)
    else:
        found = _open_where_equal(student(result.valid))
    return found.low, found.high


def _ends(result: HeldOut) -> tuple[float, float] | None:
    """The results' range: as stated, or 0 to 1 for results that are all 0 or 1."""
    if result.ends is not None:
        return float(result.ends[0]), float(result.ends[1])
    return (0.0, 1.0) if set(result.valid) <= {0.0, 1.0} else None


def _open_where_equal(found: Interval) -> Interval:
    if found.low < found.high and math.isfinite(found.low):
        return found
    return Interval(found.estimate, math.nan, math.nan, found.level)


def describe_held_out(result: HeldOut) -> str:
    """One line: metric, mean, interval, number of tasks, and how many of these have no result."""
    low, high = interval(result)
    ends = f" [{number(low)}, {number(high)}]" if low == low else ""
    return f"{result.metric} {number(result.mean)}{ends} ({describe_tasks(result)})"


def describe_before(results: Mapping[str, HeldOut]) -> list[str]:
    """What a run says of its held-out tasks before it begins, a line for each set."""
    told = [
        f"{f'exam {name}:' if name else 'held-out'} {describe_held_out(result)} before training"
        for name, result in results.items()
    ]
    return told or [NO_HELD_OUT]


def describe_tasks(result: HeldOut) -> str:
    """``64 tasks, 3 invalid: 2 × failed: ValueError, 1 × the reward returned None``."""
    invalid = len(result.results) - len(result.valid)
    count = f"{len(result.results)} tasks"
    if not invalid:
        return count
    why = ", ".join(f"{n} × {reason}" for reason, n in list(result.reasons.items())[:3])
    told = "none of them could be graded" if not result.valid else f"{invalid} invalid"
    return f"{count}, {told}" + (f": {why}" if why else "")
