"""A run's curves as one picture."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

_PANELS = (
    ("Reward", (("reward", "mean reward"), ("accuracy", "accuracy"))),
    ("Completion length (tokens)", (("length", "mean"),)),
    ("Certainty", (("sampling_logp", "mean log-prob of sampled tokens"), ("entropy", "entropy"))),
    (
        "Shares",
        (
            ("zero_std_share", "groups without signal"),
            ("invalid_share", "invalid"),
            ("truncated_share", "truncated"),
            ("clip_share", "clipped tokens"),
        ),
    ),
    ("Update", (("grad_norm", "gradient norm"), ("kl", "KL to reference"))),
    (
        "Seconds per step",
        (
            ("seconds/sampling", "sampling"),
            ("seconds/scoring", "scoring"),
            ("seconds/update", "update"),
        ),
    ),
)


def draw_curves(history: Sequence[dict[str, Any]], summary: dict[str, Any], path: Path) -> Path:
    """Draw ``curves.png``; works with a run that has no summary yet or no steps."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(2, 3, figsize=(13, 6.4), layout="constrained")
    steps = [h["step"] + 1 for h in history]
    for axis, (title, lines) in zip(axes.flat, _PANELS, strict=True):
        axis.set_title(title, loc="left", fontsize=11, fontweight="bold")
        for name, label in lines:
            values = [h.get(name) for h in history]
            if any(v is not None for v in values):
                numbers = [float("nan") if v is None else v for v in values]
                axis.plot(steps, numbers, label=label, linewidth=1.6)
        axis.grid(alpha=0.25)
        axis.spines[["top", "right"]].set_visible(False)
        axis.set_xlabel("step", fontsize=9)
        if axis.get_legend_handles_labels()[1]:
            axis.legend(fontsize=8, frameon=False)
    for axis in (axes[0, 1], axes[1, 2]):
        axis.set_ylim(bottom=0)
    _held_out(axes[0, 0], summary, max(steps, default=1))
    figure.suptitle(_title(summary), fontsize=13, x=0.01, ha="left")
    figure.savefig(path, dpi=110)
    plt.close(figure)
    return path


def _held_out(axis: Any, summary: dict[str, Any], last: int) -> None:
    """Held-out results with their intervals, before the first and after the last step."""
    for at, name in ((0, "before"), (last, "after")):
        entry = summary.get(name)
        if entry and entry.get("mean") is not None:
            spread = [[entry["mean"] - entry["low"]], [entry["high"] - entry["mean"]]]
            axis.errorbar(
                at, entry["mean"], yerr=spread, fmt="o", color="black", capsize=4,
                label="held out, 95 %" if name == "before" else None,
            )  # fmt: skip
    if "before" in summary:
        axis.legend(fontsize=8, frameon=False)


def _title(summary: dict[str, Any]) -> str:
    if "gain" not in summary:
        return summary.get("recipe", "a run that is not finished")
    before, after, gain = summary["before"], summary["after"], summary["gain"]
    return (
        f"{summary['recipe']}: held-out {before['metric']} {before['mean']:.3f} → "
        f"{after['mean']:.3f}, gain {gain['mean']:+.3f} "
        f"[{gain['low']:+.3f}, {gain['high']:+.3f}] over {before['tasks']} tasks"
    )


def read_summary(run: Path) -> dict[str, Any]:
    """A run's ``summary.json``; {} while it has none."""
    file = run / "summary.json"
    found: dict[str, Any] = json.loads(file.read_text()) if file.exists() else {}
    return found
