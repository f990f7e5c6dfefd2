"""``failures.jsonl`` of a run: which rows the reward failed on, with one traceback of each kind."""

from __future__ import annotations

import json
import os
from pathlib import Path

from guerdon.failures import Tally
from guerdon.report import read_failures
from guerdon.report.reading import FAILURES
from guerdon.training.run_folder import write_whole


def log_failures(run: Path, step: int, found: Tally) -> None:
    """Append the step's failures, a line for each kind; no file where nothing failed."""
    if not found.failures:
        return
    with (run / FAILURES).open("a", encoding="utf-8") as file:
        for failure in found.failures:
            file.write(json.dumps({"step": step, **vars(failure)}) + "\n")
        file.flush()
        os.fsync(file.fileno())


def forget_failures(run: Path, step: int) -> None:
    """Drop what happened after ``step``: a resumed run does it again."""
    if (run / FAILURES).exists():
        kept = [json.dumps(one) + "\n" for one in read_failures(run) if one["step"] <= step]
        write_whole(run / FAILURES, "".join(kept))
