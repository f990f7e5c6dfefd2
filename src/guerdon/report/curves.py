"""A run's curves as one picture."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from guerdon.report.reading import number

_COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#8a6d00", "#56b4e9", "#444444")
"""Colours that stay apart in every common colour blindness (Okabe and Ito)."""
_INK = "#1c2430"


_EXAMS = "Exams, held out, 95 %"
_DIAGNOSTICS = "Diagnostics, not paid"


@dataclass(frozen=True)
class _Panel:
    """``lines`` are (figure, label) pairs; a figure named ``-x`` is drawn negated."""

    title: str
    lines: tuple[tuple[str, str], ...]
    from_zero: bool = False
    share: bool = False


_PANELS = (
    _Panel("Reward", (("reward", "mean reward"), ("accuracy", "accuracy"))),
    _Panel(
        "Training pairs ranked right",
        (("preference_accuracy", "against the reference"), ("ranking_accuracy", "by score")),
    ),
    _Panel("Preference loss", (("preference_loss", "loss"), ("ranking_loss", "loss"))),
    _Panel("Margin of the implicit reward", (("margin", "chosen less rejected"),)),
    _Panel("Scores", (("score", "mean score"), ("score_margin", "better less worse"))),
    _Panel("Completion length, tokens", (("length", "mean"),), from_zero=True),
    _Panel(
        "Uncertainty, nats per token",
        (("entropy", "entropy"), ("-sampling_logp", "−log-prob of sampled tokens")),
        from_zero=True,
    ),
    _Panel("KL to the reference", (("kl", "KL"),)),
    _Panel(
        "Shares",
        (
            ("zero_std_share", "groups without signal"),
            ("invalid_share", "invalid"),
            ("truncated_share", "cut off"),
            ("clip_share", "clipped"),
        ),
        share=True,
    ),
    _Panel("Gradient norm before clipping", (("grad_norm", "norm"),), from_zero=True),
    _Panel("Tokens per second", (("tokens_per_second", "sampled and learned"),), from_zero=True),
    _Panel(
        "Seconds per step",
        (
            ("seconds/sampling", "sampling"),
            ("seconds/scoring", "scoring"),
            ("seconds/update", "update"),
        ),
        from_zero=True,
    ),
)


def draw_curves(history: Sequence[dict[str, Any]], summary: dict[str, Any], path: Path) -> Path:
    """Draw ``curves.png``; works with a run that has no summary yet or no steps.

    A panel whose figures the run never logged is left out. Long runs are drawn pale with a
    moving mean over a twentieth of the run on top.
    """
    from matplotlib import rc_context

    # Names of parts are data: a dollar sign in one begins no formula.
    with rc_context({"text.parse_math": False}):
        picture = _drawn(history, summary)
        part = path.with_suffix(".png.writing")
        part.unlink(missing_ok=True)  # a link of this name would be followed
        picture.savefig(part, dpi=110, format="png")
    part.replace(path)
    return path


def _drawn(history: Sequence[dict[str, Any]], summary: dict[str, Any]) -> Any:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    parts, diagnostics = (_named(history, prefix) for prefix in ("part/", "diagnostic/"))
    exams = summary.get("exams") or {}
    panels = _panels(history, summary) or [_PANELS[0]]
    panels[1:1] = [_Panel(_DIAGNOSTICS, diagnostics)] if diagnostics else []
    panels[1:1] = [_Panel("Parts of the reward", parts)] if len(parts) > 1 else []
    panels[1:1] = _monitors(history)
    panels[1:1] = [_Panel(_EXAMS, ())] if exams else []
    columns = min((3, 4), key=lambda n: -len(panels) % n)  # the fewer empty places
    rows = math.ceil(len(panels) / columns)
    size = (13 if columns == 3 else 14.5, 3 * rows + 0.6)
    figure = Figure(figsize=size, layout=ConstrainedLayoutEngine(h_pad=0.1, w_pad=0.08))
    FigureCanvasAgg(figure)
    axes = figure.subplots(rows, columns, squeeze=False).flatten()
    for axis, panel in zip(axes, panels, strict=False):
        _draw(axis, panel, history)
        if panel.title == _EXAMS:
            _draw_exams(axis, history, exams)
    for axis in axes[len(panels) :]:
        axis.set_axis_off()
    _held_out(axes[0], history, summary)
    figure.suptitle(_title(summary) + "\n", fontsize=13, x=0.01, ha="left", color=_INK)
    return figure


def is_drawn(history: Sequence[dict[str, Any]], summary: dict[str, Any]) -> bool:
    """Whether a run has figures of steps to draw."""
    return bool(_panels(history, summary) or summary.get("exams"))


def _panels(history: Sequence[dict[str, Any]], summary: dict[str, Any]) -> list[_Panel]:
    """The panels of which the run has figures; of a chain, its stages where they compare."""
    measured = [stage.get("after") or {} for stage in summary.get("stages") or ()]
    metrics = {one.get("metric") for one in measured}
    panels = [p for p in _PANELS if any(_values(history, name) for name, _ in p.lines)]
    if len(measured) > 1 and len(metrics) == 1 and None not in metrics:
        title = f"Held-out {metrics.pop()} of each stage"
        panels.append(_Panel(title, (("before", "before it"), ("after", "after it"))))
    return panels


def _named(history: Sequence[dict[str, Any]], prefix: str) -> tuple[tuple[str, str], ...]:
    """The figures whose names begin so, with their labels; as many as there are colours."""
    names = sorted({name for h in history for name in h if name.startswith(prefix)})
    return tuple((name, name.removeprefix(prefix)) for name in names[: len(_COLOURS)])


def _monitors(history: Sequence[dict[str, Any]]) -> list[_Panel]:
    """A panel for each monitor."""
    figures = {name for h in history for name in h if name.startswith("monitor/")}
    monitors = sorted({name.split("/")[1] for name in figures})
    return [_Panel(f"Monitor: {name}", _named(history, f"monitor/{name}/")) for name in monitors]


def _draw(axis: Any, panel: _Panel, history: Sequence[dict[str, Any]]) -> None:
    from matplotlib.ticker import MaxNLocator

    axis.set_title(panel.title, loc="left", fontsize=11, fontweight="bold", color=_INK)
    lines: dict[tuple[tuple[int, float], ...], list[str]] = {}
    for name, label in panel.lines:
        values = _values(history, name)
        if values:  # equal figures share one line and its label: one would hide the other
            lines.setdefault(tuple(values.items()), []).append(label)
    for colour, (points, labels) in zip(_COLOURS, lines.items(), strict=False):
        steps, figures = zip(*points, strict=True)
        if len(figures) >= 40:
            axis.plot(steps, figures, color=colour, linewidth=0.9, alpha=0.28)
        axis.plot(
            steps,
            _moving_mean(figures, len(figures) // 20),
            color=colour,
            label=", ".join(labels),
            linewidth=1.9,
            marker="o" if len(figures) == 1 else None,
        )
    axis.grid(alpha=0.22)
    axis.spines[["top", "right"]].set_visible(False)
    axis.tick_params(labelsize=8.5)
    axis.set_xlabel("step", fontsize=9)
    axis.xaxis.set_major_locator(MaxNLocator(integer=True))
    if panel.from_zero:
        largest = max((value for points in lines for _, value in points), default=0.0)
        axis.set_ylim(0, 1.08 * largest if largest > 0 else 1)
    if panel.share:
        axis.set_ylim(-0.02, 1.02)
    if sum(map(len, lines.values())) > 1 or panel.title == _DIAGNOSTICS:
        axis.legend(fontsize=8.5, frameon=False)


def _values(history: Sequence[dict[str, Any]], name: str) -> dict[int, float]:
    """Step (counted from 1) to figure, where there is one."""
    sign, key = (-1.0, name[1:]) if name.startswith("-") else (1.0, name)
    found = {int(h["step"]) + 1: h.get(key) for h in history}
    return {step: sign * v for step, v in found.items() if v is not None and math.isfinite(v)}


def _moving_mean(values: Sequence[float], half: int) -> list[float]:
    """The mean of each value and up to ``half`` neighbours on either side."""
    means = []
    for i in range(len(values)):
        near = values[max(0, i - half) : i + half + 1]
        means.append(sum(near) / len(near))
    return means


def _held_out(axis: Any, history: Sequence[dict[str, Any]], summary: dict[str, Any]) -> None:
    """Held-out results: with intervals before the first and after the last step."""
    between = _values(history, "held_out")
    if between:
        axis.plot(list(between), list(between.values()), "o", color="black", markersize=4)
    label: str | None = "held out, 95 %"
    last = max((int(h["step"]) + 1 for h in history), default=1)
    for at, name in ((0, "before"), (last, "after")):
        entry = summary.get(name) or {}
        if any(entry.get(k) is None for k in ("mean", "low", "high")):
            continue
        spread = [[entry["mean"] - entry["low"]], [entry["high"] - entry["mean"]]]
        axis.errorbar(
            at, entry["mean"], yerr=spread, fmt="o", color="black", capsize=4, label=label
        )
        label = None
    if label is None:  # something was drawn
        axis.legend(fontsize=8.5, frameon=False)


def _draw_exams(axis: Any, history: Sequence[dict[str, Any]], exams: dict[str, Any]) -> None:
    """Each exam before the first and after the last step, beside what was measured between."""
    last = max((int(h["step"]) + 1 for h in history), default=1)
    for colour, (name, exam) in zip(_COLOURS, exams.items(), strict=False):
        label: str | None = name
        for at, when in ((0, "before"), (last, "after")):
            entry = exam.get(when) or {}
            if any(entry.get(k) is None for k in ("mean", "low", "high")):
                continue
            spread = [[entry["mean"] - entry["low"]], [entry["high"] - entry["mean"]]]
            axis.errorbar(
                at, entry["mean"], yerr=spread, fmt="o", color=colour, capsize=4, label=label
            )
            label = None
        between = _values(history, f"exam/{name}/mean")
        axis.plot(list(between), list(between.values()), "o-", color=colour, markersize=4)
    if axis.get_legend_handles_labels()[1]:
        axis.legend(fontsize=8.5, frameon=False)


def _title(summary: dict[str, Any]) -> str:
    if "gain" not in summary:
        return str(summary.get("recipe", "a run that is not finished"))
    before, after, gain = summary["before"], summary["after"], summary["gain"]
    signed = "{:+.3f}"
    return (
        f"{summary['recipe']}: held-out {before['metric']} {number(before['mean'])} → "
        f"{number(after['mean'])}, gain {number(gain['mean'], signed)} "
        f"[{number(gain['low'], signed)}, {number(gain['high'], signed)}] "
        f"over {before['tasks']} tasks"
    )
