"""Reading a run's figures back, finished or not, and saying what of it is damaged."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from guerdon.sealed import SUMS, faults

METRICS, SUMMARY, FAILURES = "metrics.jsonl", "summary.json", "failures.jsonl"


def read_metrics(run: Path) -> list[dict[str, Any]]:
    """The figures in a run's ``metrics.jsonl`` ([] if there is none).

    What follows the last line break was cut short by a crash and is left out, as are lines that
    can't be read, which `damage` names. A figure that was not finite is None.
    """
    return [found for _, found in _steps(run) if isinstance(found, dict)]


def read_failures(run: Path) -> list[dict[str, Any]]:
    """What a run's reward failed on, by step and kind ([] if nothing or nothing was noted).

    Lines are left out as in `read_metrics`.
    """
    return [found for _, found in _lines(run / FAILURES) if isinstance(found, dict)]


def read_summary(run: Path) -> dict[str, Any]:
    """A run's ``summary.json``; {} while it has none, or none that can be read."""
    try:
        found = json.loads((run / SUMMARY).read_bytes())
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def damage(run: Path, steps: int | None = None) -> list[str]:
    """What of a run's files is not as it was written: a line each, which begins with the name.

    Only the first ``steps`` steps are looked at (None = all, and the digests of a run that has
    ended). Without digests a changed figure that still can be read is not found.
    """
    told = {
        f"{name}, line {number}": f"can't be read ({found})"
        for name, lines in ((METRICS, _steps(run)), (FAILURES, _lines(run / FAILURES)))
        for number, found in lines
        if isinstance(found, str)
    }
    for file in sorted((run / "rollouts").glob("step-*.parquet")):
        if (steps is None or file.stem < f"step-{steps:06d}") and (why := _unreadable(file)):
            told[f"rollouts/{file.name}"] = f"can't be read ({why})"
    if (run / SUMS).is_file():
        for name, why in faults(run).items():
            if not any(known.startswith(name) for known in told):
                told[name] = why.removeprefix(f"{name!r} ")
    return [f"{name} {why}" for name, why in told.items()]


def number(value: float | None, form: str = "{:.3f}") -> str:
    """A figure as text; a dash where there is none."""
    return "–" if value is None or value != value else form.format(value)


def _steps(run: Path) -> Iterator[tuple[int, dict[str, Any] | str]]:
    """The lines of the metrics, of which each is of a later step than those before it."""
    newest = -1
    for number, found in _lines(run / METRICS):
        if isinstance(found, dict) and found["step"] <= newest:
            yield number, "its step does not follow those before it"
            continue
        newest = newest if isinstance(found, str) else found["step"]
        yield number, found


def _lines(file: Path) -> Iterator[tuple[int, dict[str, Any] | str]]:
    """The number of each whole line from 1, and what it says of a step or why it can't be read."""
    if not file.exists():
        return
    for number, line in enumerate(file.read_bytes().split(b"\n")[:-1], 1):
        if not line:
            continue
        try:
            found = json.loads(line)
        except (ValueError, RecursionError) as error:
            yield number, f"no JSON: {str(error).splitlines()[0]}"
            continue
        step = found.get("step") if isinstance(found, dict) else None
        yield number, found if isinstance(step, int) else "it names no step"


def _unreadable(file: Path) -> str | None:
    """Why a Parquet file can't be read by its end, which says where the rest stands."""
    import pyarrow
    import pyarrow.parquet

    try:
        pyarrow.parquet.read_metadata(file)
    except (pyarrow.ArrowException, OSError) as error:
        return str(error).splitlines()[0]
    return None
