"""How step times grow with the prompt and with the group, as a picture.

Run: python benchmarks/growth.py benchmarks/results/FILE.json
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7")
AXES = {"prompt_tokens": "prompt tokens", "group_size": "completions per prompt"}


def draw_growth(results: Path) -> Path | None:
    """Draw a file of results beside it as PNG; None where no size takes more than one value.

    One panel for each model and each size that grows while the others stay as they are: median
    step time with the range from fastest to slowest, and the ratio at every point.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    lines = growth_lines(json.loads(results.read_text())["comparisons"])
    if not lines:
        return None
    figure = Figure(figsize=(5.2 * len(lines), 4), layout="constrained")
    FigureCanvasAgg(figure)
    panels = figure.subplots(1, len(lines), squeeze=False)[0]
    for panel, (size, entries) in zip(panels, lines, strict=True):
        _draw(panel, size, entries)
    path = results.with_suffix(".png")
    figure.savefig(path, dpi=110)
    return path


def growth_lines(entries: list[dict[str, Any]]) -> list[tuple[str, list[dict[str, Any]]]]:
    """(size, comparisons in its order) for all that differ in that size alone."""
    lines = []
    for size in AXES:
        alike: dict[str, list[dict[str, Any]]] = {}
        for entry in entries:
            others = {k: v for k, v in entry["work"].items() if k not in (size, "microbatch")}
            alike.setdefault(json.dumps(others, sort_keys=True), []).append(entry)
        lines += [
            (size, sorted(line, key=lambda entry: int(entry["work"][size])))
            for line in alike.values()
            if len(line) > 1
        ]
    return lines


def _draw(panel: Any, size: str, entries: list[dict[str, Any]]) -> None:
    at = [entry["work"][size] for entry in entries]
    for colour, side in zip(COLOURS, entries[0]["sides"], strict=False):
        figures = [entry["sides"][side] for entry in entries]
        panel.plot(at, [f["step"] for f in figures], "o-", color=colour, label=side)
        low, high = [f["fastest"] for f in figures], [f["slowest"] for f in figures]
        panel.fill_between(at, low, high, color=colour, alpha=0.15)
    first = next(iter(entries[0]["sides"]))
    for x, entry in zip(at, entries, strict=True):
        text, y = f"{entry['ratio']['estimate']:.2f}", entry["sides"][first]["step"]
        panel.annotate(text, (x, y), xytext=(0, -14), textcoords="offset points", ha="center")
    work = entries[0]["work"]
    fixed = (
        f"groups of {work['group_size']}"
        if size == "prompt_tokens"
        else f"prompts of {work['prompt_tokens']} tokens"
    )
    panel.set_title(f"{work['model']}, {work['prompts']} prompts, {fixed}", loc="left")
    panel.set_xscale("log", base=2)
    panel.set_yscale("log", base=2)
    panel.yaxis.set_major_formatter(lambda seconds, _: f"{seconds:g}")
    panel.set_xticks(at, [str(x) for x in at])
    panel.set_xlabel(AXES[size])
    panel.set_ylabel("seconds per step")
    panel.margins(y=0.12)  # room for the lowest ratio
    panel.grid(alpha=0.22)
    panel.spines[["top", "right"]].set_visible(False)
    panel.legend(frameon=False)


if __name__ == "__main__":
    print(draw_growth(Path(sys.argv[1])))
