"""Samples that are points, as a picture: where each step's landed, and where they were asked to."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

Row = Mapping[str, Any]
_COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#8a6d00", "#56b4e9", "#444444")
"""Colours that stay apart in every common colour blindness (Okabe and Ito)."""
_EDGE = 0.02
"""This share of all coordinates, at either end, may lie outside the picture."""


def draw_samples(steps: Sequence[Sequence[Row]], path: Path) -> Path | None:
    """Draw rows of some steps whose ``outcome`` is two numbers, a panel a step; None without any.

    Rows of one prompt have one colour, and a cross where its answer is two numbers as well. All
    panels have one frame, which holds what most rows do: a sample far off does not shrink the rest.
    """
    shown = [
        (rows[0]["step"], [row for row in rows if _point(row.get("outcome"))]) for rows in steps
    ]
    shown = [(step, rows) for step, rows in shown if rows]
    if not shown:
        return None
    from matplotlib import rc_context
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    columns = min(4, len(shown))
    height = math.ceil(len(shown) / columns)
    prompts = list(dict.fromkeys(row["prompt"] for _, rows in shown for row in rows))
    frame = _frame([row for _, rows in shown for row in rows])
    with rc_context({"text.parse_math": False}):  # prompts are data: a dollar begins no formula
        figure = Figure(figsize=(3.2 * columns, 3.3 * height + 0.5), layout="constrained")
        FigureCanvasAgg(figure)
        axes = figure.subplots(height, columns, squeeze=False).flatten()
        for axis, (step, rows) in zip(axes, shown, strict=False):
            axis.set_title(f"step {step + 1}", loc="left", fontsize=11, fontweight="bold")
            for number, prompt in enumerate(prompts):
                some = [row for row in rows if row["prompt"] == prompt]
                _draw(axis, some, prompt, _COLOURS[number % len(_COLOURS)])
            axis.set(xlim=frame[:2], ylim=frame[2:], aspect="equal")
            axis.tick_params(labelsize=8)
        for axis in axes[len(shown) :]:
            axis.set_axis_off()
        handles, labels = axes[0].get_legend_handles_labels()
        figure.legend(
            handles[: len(_COLOURS)],
            labels[: len(_COLOURS)],
            loc="outside lower center",
            ncols=columns,
            fontsize=9,
            frameon=False,
        )
        part = path.with_suffix(".png.writing")
        part.unlink(missing_ok=True)  # a link of this name would be followed
        figure.savefig(part, dpi=110, format="png")
    part.replace(path)
    return path


def _draw(axis: Any, rows: Sequence[Row], prompt: str, colour: str) -> None:
    points = [_point(row["outcome"]) for row in rows]
    known = [point for point in points if point]
    xs, ys = zip(*known, strict=True) if known else ((), ())
    axis.scatter(xs, ys, s=14, color=colour, alpha=0.55, linewidths=0, label=prompt[:40])
    wanted = {point for row in rows if (point := _point(_read(row.get("answer"))))}
    for x, y in wanted:
        axis.plot([x], [y], marker="x", color=colour, markersize=9, markeredgewidth=2.2)


def _frame(rows: Sequence[Row]) -> tuple[float, float, float, float]:
    """Left, right, bottom and top: most outcomes and all answers, with a little room."""
    ends: list[float] = []
    for axis in (0, 1):
        values = sorted(p[axis] for row in rows if (p := _point(row.get("outcome"))))
        off = int(_EDGE * len(values))
        asked = [p[axis] for row in rows if (p := _point(_read(row.get("answer"))))]
        low, high = min([values[off], *asked]), max([values[-1 - off], *asked])
        room = 0.08 * (high - low) or 1.0
        ends += [low - room, high + room]
    return ends[0], ends[1], ends[2], ends[3]


def _read(text: Any) -> Any:
    """What a table's text says, if it is of JSON's form."""
    try:
        return json.loads(text)
    except (TypeError, ValueError, RecursionError):
        return None


def _point(value: Any) -> tuple[float, float] | None:
    """Two finite numbers of ordinary size; None for anything else."""
    if not isinstance(value, list) or len(value) != 2:
        return None
    if not all(isinstance(x, int | float) and abs(x) < 1e6 for x in value):
        return None
    return float(value[0]), float(value[1])
