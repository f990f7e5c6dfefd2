"""A reproduction as one picture: every arm's seeds, every expectation's effect."""

from __future__ import annotations

import math
import textwrap
from pathlib import Path
from typing import Any

from guerdon.evaluation import student
from guerdon.reproduction.claim import MEANING, Expectation, Role, Verdict
from guerdon.reproduction.run import Reproduction

_INK, _TREATED = "#222222", "#1b6ca8"
_VERDICT = {
    Verdict.SHOWN: "#2a7f3f",
    Verdict.TOO_SMALL: "#6b6b6b",
    Verdict.UNDECIDED: "#8a6d00",
    Verdict.OPPOSITE: "#b3261e",
    Verdict.VOID: "#7a3ea1",
}


def draw(result: Reproduction, folder: Path) -> Path:
    """Write ``<slug>.png``: on the left the claim's metric by arm (a dot per seed, a bar for
    the mean's Student interval), on the right each expectation's effect with its interval,
    its threshold as a tick, coloured by its verdict. Seeds that are not finite have no dot."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    rows = max(len(result.runs), len(result.outcomes))
    figure = Figure(figsize=(12, 2.2 + 0.62 * rows), layout="constrained")
    FigureCanvasAgg(figure)
    arms, effects = figure.subplots(1, 2)
    _draw_arms(arms, result)
    _draw_effects(effects, result)
    for axes in (arms, effects):
        axes.spines[["top", "right", "left"]].set_visible(False)
        axes.tick_params(axis="y", length=0)
        axes.grid(axis="x", color="#e6e6e6", linewidth=0.8)
        axes.set_axisbelow(True)
    told = f"{result.statement.rstrip('.')}. {MEANING[result.verdict]}"
    statement = "\n".join(textwrap.wrap(told, 110))
    figure.suptitle(
        f"{result.slug}: {result.verdict}\n{statement}",
        color=_VERDICT[result.verdict],
        fontsize=11,
    )
    path = folder / f"{result.slug}.png"
    folder.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=100)
    return path


def _draw_arms(axes: Any, result: Reproduction) -> None:
    for row, by_seed in enumerate(result.runs.values()):
        found = [m.get(result.metric, math.nan) for m in by_seed.values()]
        values = [v for v in found if math.isfinite(v)]
        if not values:
            continue
        interval = student(values)
        if math.isfinite(interval.low):
            axes.plot([interval.low, interval.high], [row, row], color="#9bb8cc", lw=6, zorder=1)
        axes.scatter(values, [row] * len(values), color=_TREATED, s=34, zorder=3, alpha=0.8)
        axes.scatter([interval.estimate], [row], color=_INK, marker="|", s=240, zorder=2)
    axes.set_yticks(range(len(result.runs)), list(result.runs))
    axes.set_ylim(len(result.runs) - 0.4, -0.6)
    axes.set_xlabel(f"{result.metric} (dots: seeds; bar: 95 % interval of the mean)", fontsize=9)


def _draw_effects(axes: Any, result: Reproduction) -> None:
    for row, outcome in enumerate(result.outcomes):
        colour = _VERDICT[outcome.verdict]
        interval = outcome.interval
        if math.isfinite(interval.low):
            axes.plot([interval.low, interval.high], [row, row], color=colour, lw=6, alpha=0.35)
        if math.isfinite(interval.estimate):
            axes.scatter([interval.estimate], [row], color=colour, s=50, zorder=3)
        axes.scatter([outcome.expectation.bar], [row], color=_INK, marker="|", s=200)
    axes.axvline(0.0, color=_INK, linewidth=0.8)
    labels = [
        textwrap.fill(f"{_named(o.expectation)} ({o.verdict})", 34, break_long_words=False)
        for o in result.outcomes
    ]
    axes.set_yticks(range(len(labels)), labels, fontsize=9)
    axes.set_ylim(len(labels) - 0.4, -0.6)
    axes.set_xlabel("effect (bar: 95 % interval; tick: smallest worth claiming)", fontsize=9)


def _named(expectation: Expectation) -> str:
    """An expectation, with its role where it is no claim."""
    role = "" if expectation.role is Role.CLAIM else f"{expectation.role}: "
    return f"{role}{expectation}"
