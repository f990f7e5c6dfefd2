"""Named moments of a run, at which something is done to it from inside its process.

Nothing in the library is there for this: functions of the library, of torch and of the system are
wrapped in the process that is to die.
"""

from __future__ import annotations

import errno
import importlib
import os
import signal
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import Any

PHASES = {
    "starting": "guerdon.training.run_folder:RunFolder.claim",
    "sampling": "guerdon.rollout.language:LanguagePolicy.generate",
    "scoring": "guerdon.training.loop:credit",
    "updating": "guerdon.training.loop:update",
    "weights changed": "guerdon.training.update:apply_gradients",
    "evaluating": "guerdon.training.exams:evaluate",
    "recording a step": "guerdon.training.telemetry:Telemetry.step",
    "appending metrics": "guerdon.training.run_folder:append_line",
    "writing parquet": "guerdon.training.run_folder:write_table",
    "saving a checkpoint": "guerdon.training.remembered:save_checkpoint",
    "writing a state": "torch:save",
    "sealing": "guerdon.training.checkpoint:seal",
    "removing an old checkpoint": "guerdon.training.checkpoint:remove_folder",
    "saving the model": "guerdon.rollout.language:LanguagePolicy.save",
    "saving a small policy": "guerdon.rollout.tabular:save_policy",
    "replacing the model": "guerdon.training.run_folder:remove_folder",
    "writing the summary": "guerdon.training.run_folder:RunFolder.write_summary",
    "writing the page": "guerdon.training.telemetry:build_report",
    "a write": "guerdon.training.disk:_FirstError.write",
    "a sync": "os:fsync",
    "a rename": "os:rename",
    "a replacement": "os:replace",
    "a removal": "os:unlink",
    "a new folder": "os:mkdir",
}
"""What is wrapped for each; calls are counted from 1."""

ON_DISK = frozenset(
    {
        "starting",
        "appending metrics",
        "writing parquet",
        "writing a state",
        "sealing",
        "saving the model",
        "saving a small policy",
        "writing the summary",
        "writing the page",
        "a write",
        "a sync",
        "a rename",
        "a replacement",
        "a new folder",
    }
)
"""Those that a full or read-only disk refuses."""

OURS = frozenset({"starting", "appending metrics", "writing the summary"})
"""Of these, those that are no writes themselves: what they call is refused."""

ERRORS = {"disk full": errno.ENOSPC, "over quota": errno.EDQUOT, "read-only": errno.EROFS}
CUT = ("SIGKILL", *ERRORS)
"""After these a line may be half written."""

SIGNALS = {"SIGKILL": signal.SIGKILL, "SIGTERM": signal.SIGTERM, "SIGINT": signal.SIGINT}


@dataclass(frozen=True)
class Blow:
    """``what`` is done at the ``number``-th call of a phase, ``when`` "before" or "after" it.

    ``what`` is a signal's name, one of `ERRORS`, after which the disk stays so, or "vanished":
    the run's folder is moved away.
    """

    what: str
    phase: str
    number: int
    when: str

    def __str__(self) -> str:
        return f"{self.what} {self.when} {self.phase} {self.number}"


def install(folder: Path, blow: Blow | None) -> Counter[str]:
    """Wrap every phase in this process; returns the calls of each, which go on being counted."""
    counts: Counter[str] = Counter()
    refused: list[int] = []

    def refuse(phase: str) -> None:
        if phase not in OURS:
            raise OSError(refused[0], os.strerror(refused[0]))

    def at(phase: str, when: str, arguments: tuple[Any, ...]) -> None:
        if refused and phase in ON_DISK and when == "before":
            refuse(phase)
        if blow is None or (phase, when) != (blow.phase, blow.when):
            return
        if counts[phase] != blow.number:
            return
        if phase == "appending metrics" and when == "before" and blow.what in CUT:
            _half_a_line(*arguments)
        if blow.what in SIGNALS:
            os.kill(os.getpid(), SIGNALS[blow.what])
        elif blow.what == "vanished":
            if folder.exists():
                folder.rename(folder.with_name(folder.name + "-away"))
        else:
            refused.append(ERRORS[blow.what])
            refuse(phase)

    for phase, target in PHASES.items():
        _wrap(phase, target, counts, at)
    return counts


def _wrap(
    phase: str,
    target: str,
    counts: Counter[str],
    at: Callable[[str, str, tuple[Any, ...]], None],
) -> None:
    module, _, path = target.partition(":")
    *owners, name = path.split(".")
    owner: Any = importlib.import_module(module)
    for step in owners:
        owner = getattr(owner, step)
    original = getattr(owner, name)

    @wraps(original)
    def wrapped(*arguments: Any, **named: Any) -> Any:
        counts[phase] += 1
        at(phase, "before", arguments)
        result = original(*arguments, **named)
        at(phase, "after", arguments)
        return result

    setattr(owner, name, wrapped)


def _half_a_line(path: Path, line: str) -> None:
    """What a process leaves that dies inside a write."""
    with path.open("a") as file:
        file.write(line[: len(line) // 2])
