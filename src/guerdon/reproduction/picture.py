"""A result as one picture: every arm's seeds, every expectation's effect.

``python -m guerdon.reproduction.picture`` draws every version in ``reproductions/`` again.
"""

from __future__ import annotations

import math
import statistics
import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from guerdon.evaluation import student
from guerdon.reproduction.claim import Role, Verdict
from guerdon.reproduction.run import read
from guerdon.reproduction.written import Written, in_words, outcomes_in

_INK, _TREATED, _PALE = "#222222", "#1b6ca8", "#9bb8cc"
_VERDICT: Mapping[str, str] = {
    Verdict.SHOWN: "#2a7f3f",
    Verdict.TOO_SMALL: "#6b6b6b",
    Verdict.UNDECIDED: "#8a6d00",
    Verdict.OPPOSITE: "#b3261e",
    Verdict.VOID: "#7a3ea1",
    "not shown": "#6b6b6b",
    "refuted": "#b3261e",
}
_FAR = 10
"""An arm is off the axis where it lies so many times farther away than the others are large."""


def draw(result: Path) -> Path:
    """The picture of a result file, as ``<name>.png`` beside it.

    On the left the claim's metric by arm: a dot per seed, a bar for the mean's Student interval,
    the mean beside it. Arms that report no such metric are left out, and one that has run away from
    the others (`off_axis`) is an arrow. On the right each expectation's effect with its interval,
    its threshold and a small dot per seed, in the colour of its verdict, which stands beside it in
    words; each on a scale of its own, so that a small one can be read beside a large one. Above
    stands what the verdict means. Seeds that are not finite have no dot.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    data = read(result)
    arms, outcomes = _arms(data), outcomes_in(data)
    rows = max(len(arms), len(outcomes))
    figure = Figure(figsize=(14, 2.2 + 0.62 * rows), layout="constrained")
    FigureCanvasAgg(figure)
    left, right = figure.subplots(1, 2)
    _draw_arms(left, arms, data["metric"])
    _draw_effects(right, outcomes)
    for axes in (left, right):
        axes.spines[["top", "right", "left"]].set_visible(False)
        axes.tick_params(axis="y", length=0)
    left.grid(axis="x", color="#e6e6e6", linewidth=0.8)
    left.set_axisbelow(True)
    verdict = data["verdict"]
    version = f" v{data['version']}" if "version" in data else ""
    title = "\n".join([f"{data['slug']}{version}: {verdict}", *textwrap.wrap(in_words(data), 150)])
    figure.suptitle(title, color=_VERDICT[verdict], fontsize=11)
    path = result.with_suffix(".png")
    figure.savefig(path, dpi=100)
    return path


def _arms(data: Mapping[str, Any]) -> dict[str, list[float]]:
    """The finite values of the claim's metric, of each arm that has any."""
    found = {
        arm: [m[data["metric"]] for m in by_seed.values() if m.get(data["metric"]) is not None]
        for arm, by_seed in data["runs"].items()
    }
    return {arm: values for arm, values in found.items() if values}


def _draw_arms(axes: Any, arms: Mapping[str, Sequence[float]], metric: str) -> None:
    off = off_axis(arms)
    near = [value for arm, values in arms.items() if arm not in off for value in values]
    for row, (arm, values) in enumerate(arms.items()):
        interval = student(values)
        told = f"  {interval.estimate:.3g}"
        if arm in off:
            below = interval.estimate < min(near)
            edge, arrow = (0.0, "◀") if below else (1.0, "▶")
            place = {"ha": "left" if below else "right", "va": "center", "fontsize": 9}
            told = f"{arrow}{told}" if below else f"{told.strip()}  {arrow}"
            axes.text(edge, row, told, transform=axes.get_yaxis_transform(), **place)
            continue
        if math.isfinite(interval.low):
            axes.plot([interval.low, interval.high], [row, row], color=_PALE, lw=6, zorder=1)
        axes.scatter(values, [row] * len(values), color=_TREATED, s=34, zorder=3, alpha=0.8)
        axes.scatter([interval.estimate], [row], color=_INK, marker="|", s=240, zorder=2)
        end = max(x for x in (*values, interval.estimate, interval.high) if math.isfinite(x))
        axes.text(end, row, told, va="center", fontsize=8, color=_INK)
    axes.margins(x=0.12)
    axes.set_yticks(range(len(arms)), list(arms))
    axes.set_ylim(len(arms) - 0.4, -0.6)
    axes.set_xlabel(f"{metric} (dots: seeds; bar: 95 % interval of the mean)", fontsize=9)


def off_axis(arms: Mapping[str, Sequence[float]]) -> set[str]:
    """The fewest arms that lie, beside what the others are in size, `_FAR` times farther away.

    So the one that ran away is, and no share between 0 and 1 beside another.
    """
    means = {arm: statistics.fmean(values) for arm, values in arms.items()}
    middle = statistics.median(means.values()) if means else 0.0
    farthest = sorted(means, key=lambda arm: -abs(means[arm] - middle))
    for count in range(1, len(arms) - 1):
        size = max(abs(value) for arm in farthest[count:] for value in arms[arm])
        if 0 < size * _FAR < min(abs(means[arm] - middle) for arm in farthest[:count]):
            return set(farthest[:count])
    return set()


def _draw_effects(axes: Any, outcomes: Sequence[Written]) -> None:
    for row, outcome in enumerate(outcomes):
        colour = _VERDICT[outcome.verdict]
        known = (outcome.low, outcome.estimate, outcome.high, outcome.bar, *outcome.effects)
        unit = max((abs(x) for x in known if x), default=1.0)
        if outcome.low is not None and outcome.high is not None:
            ends = [outcome.low / unit, outcome.high / unit]
            axes.plot(ends, [row, row], color=colour, lw=6, alpha=0.35)
        dots = [effect / unit for effect in outcome.effects]
        axes.scatter(dots, [row + 0.16] * len(dots), color=colour, s=9, alpha=0.6, linewidths=0)
        if outcome.estimate is not None:
            axes.scatter([outcome.estimate / unit], [row], color=colour, s=50, zorder=3)
        bars = {outcome.bar, -outcome.bar} if outcome.role is Role.IDENTITY else {outcome.bar}
        ticks = [bar / unit for bar in bars]
        axes.scatter(ticks, [row] * len(ticks), color=_INK, marker="|", s=200, zorder=4)
        axes.text(1.08, row, _figures(outcome), va="center", fontsize=8, color=colour)
    axes.axvline(0.0, color=_INK, linewidth=0.8)
    labels = [
        textwrap.fill(f"{_named(one)} ({one.verdict})", 38, break_long_words=False)
        for one in outcomes
    ]
    axes.set_yticks(range(len(labels)), labels, fontsize=9)
    axes.set_ylim(len(labels) - 0.4, -0.6)
    axes.set_xlim(-1.1, 2.2)
    axes.set_xticks([])
    axes.spines["bottom"].set_visible(False)
    told = (
        "effect, each row on its own scale",
        "line: 0; bar: 95 % interval; tick: what it must pass; small dots: seeds",
    )
    axes.set_xlabel("\n".join(told), fontsize=9)


def _figures(outcome: Written) -> str:
    """Estimate and interval to three digits, and a remark; the estimate alone where all agree."""
    ends = (outcome.estimate, outcome.low, outcome.high)
    # Adding 0 takes the sign off a zero.
    mean, low, high = ("–" if x is None else f"{x + 0.0:+.3g}" for x in ends)
    remark = "\n" + textwrap.fill(outcome.remark, 32) if outcome.remark else ""
    return (mean if low == mean == high else f"{mean} [{low}, {high}]") + remark


def _named(outcome: Written) -> str:
    """An expectation, with its role where it is no claim."""
    role = "" if outcome.role is Role.CLAIM else f"{outcome.role}: "
    return f"{role}{outcome.told}"


if __name__ == "__main__":
    for written in sorted(Path("reproductions").glob("*/v*.json")):
        print(draw(written))
