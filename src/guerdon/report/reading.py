"""Reading a run's figures back, finished or not."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any


def read_metrics(run: Path) -> list[dict[str, Any]]:
    """The figures in a run's ``metrics.jsonl`` ([] if there is none).

    What follows the last line break was cut short by a crash and is left out. A figure that
    was not finite is None.
    """
    file = run / "metrics.jsonl"
    if not file.exists():
        return []
    lines = file.read_text().split("\n")
    return [json.loads(line) for line in lines[:-1] if line]


FAILURES = "failures.jsonl"


def read_failures(run: Path) -> list[dict[str, Any]]:
    """What a run's reward failed on, by step and kind ([] if nothing or nothing was noted)."""
    file = run / FAILURES
    if not file.exists():
        return []
    lines = file.read_text(encoding="utf-8", errors="replace").split("\n")
    return [json.loads(line) for line in lines[:-1] if line]


def read_summary(run: Path) -> dict[str, Any]:
    """A run's ``summary.json``; {} while it has none."""
    file = run / "summary.json"
    found: dict[str, Any] = json.loads(file.read_text()) if file.exists() else {}
    return found


def number(value: float | None, form: str = "{:.3f}") -> str:
    """A figure as text; a dash where there is none."""
    return "–" if value is None or value != value else form.format(value)
