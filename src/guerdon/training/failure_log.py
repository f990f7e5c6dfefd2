"""``failures.jsonl`` of a run: which rows the reward failed on, with one traceback of each kind."""

from __future__ import annotations

import json
from pathlib import Path

from guerdon.failures import Tally
from guerdon.report import read_failures
from guerdon.report.reading import FAILURES
from guerdon.training.disk import append_line, write_whole


def log_failures(run: Path, step: int, found: Tally) -> None:
    """Append the step's failures, a line for each kind; no file where nothing failed."""
    if not found.failures:
        return
    lines = [json.dumps({"step": step, **vars(one)}) + "\n" for one in found.failures]
    append_line(run / FAILURES, "".join(lines))


def forget_failures(run: Path, step: int) -> None:
    """Drop what happened after ``step``: a resumed run does it again."""
    if (run / FAILURES).exists():
        kept = [json.dumps(one) + "\n" for one in read_failures(run) if one["step"] <= step]
        write_whole(run / FAILURES, "".join(kept))
