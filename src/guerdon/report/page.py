"""A run as one self-contained page."""

from __future__ import annotations

import base64
import json
import math
from collections.abc import Sequence
from importlib import resources
from pathlib import Path
from typing import Any

from guerdon.report.curves import draw_curves, read_summary

SHOWN_STEPS = 8
SHOWN_GROUPS = 3
"""How many steps, evenly spread, and groups of each the page shows; the rest is in Parquet."""


def build_report(run: Path) -> Path:
    """Write ``curves.png`` and ``report.html`` into a run's folder, finished or not.

    Raises FileNotFoundError where there is no run.
    """
    run = Path(run)
    if not (run / "recipe.yaml").exists():
        raise FileNotFoundError(f"{run} holds no run (there is no recipe.yaml)")
    from jinja2 import Environment

    history = _history(run)
    summary = read_summary(run)
    picture = draw_curves(history, summary, run / "curves.png")
    source = resources.files("guerdon.report").joinpath("page.html").read_text()
    page = Environment(autoescape=True).from_string(source)
    text = page.render(
        name=run.name,
        summary=summary,
        picture=base64.b64encode(picture.read_bytes()).decode(),
        recipe=(run / "recipe.yaml").read_text(),
        steps=_steps(run),
        finished=bool(summary),
        done=len(history),
    )
    part = run / "report.html.writing"
    part.write_text(text)
    part.replace(run / "report.html")
    return run / "report.html"


def _history(run: Path) -> list[dict[str, Any]]:
    file = run / "metrics.jsonl"
    if not file.exists():
        return []
    return [json.loads(line) for line in file.read_text().split("\n")[:-1] if line]


def _steps(run: Path) -> list[dict[str, Any]]:
    import pyarrow.parquet

    files = sorted((run / "rollouts").glob("step-*.parquet"))
    count = min(SHOWN_STEPS, len(files))
    chosen = [files[round(i * (len(files) - 1) / max(count - 1, 1))] for i in range(count)]
    steps = []
    for file in dict.fromkeys(chosen):
        rows = pyarrow.parquet.read_table(file).to_pylist()
        groups: dict[int, list[dict[str, Any]]] = {}
        for row in rows:
            groups.setdefault(row["group"], []).append(row)
        picked = sorted(groups.values(), key=_spread, reverse=True)[:SHOWN_GROUPS]
        step = rows[0]["step"] + 1 if rows else 0
        steps.append({"step": step, "groups": [_group(g) for g in picked]})
    return steps


def _spread(group: Sequence[dict[str, Any]]) -> float:
    """Groups with the most different rewards first: they are what the step learned from."""
    values = [r["value"] for r in group if r["valid"] and r["value"] is not None]
    return max(values) - min(values) if values else -1.0


def _group(rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    return {
        "task": rows[0]["task"],
        "prompt": rows[0]["prompt"],
        "answer": rows[0]["answer"],
        "rows": [_row(r) for r in rows],
    }


def _row(row: dict[str, Any]) -> dict[str, Any]:
    parts = {
        name.removeprefix("part:"): value for name, value in row.items() if name.startswith("part:")
    }
    tokens = [
        {"text": text, "colour": _colour(advantage), "advantage": f"{advantage:+.2f}"}
        for text, advantage in zip(row["token"], row["token_advantage"], strict=True)
    ]
    return {
        "tokens": tokens or [{"text": row["completion"], "colour": "", "advantage": ""}],
        "value": _number(row["value"]) if row["valid"] else "invalid",
        "reason": row["reason"],
        "parts": ", ".join(f"{k} {_number(v)}" for k, v in parts.items()),
        "valid": row["valid"],
        "finished": row["finished"],
    }


def _colour(advantage: float) -> str:
    """Blue for positive, orange for negative (told apart in every common colour blindness)."""
    strength = min(abs(advantage) / 2, 1) * 0.55
    if strength < 0.02:
        return ""
    base = "0,114,178" if advantage > 0 else "230,120,0"
    return f"rgba({base},{strength:.2f})"


def _number(value: float | None) -> str:
    return "–" if value is None or math.isnan(value) else f"{value:.3g}"
