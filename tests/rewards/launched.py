"""What is alive of sandboxes."""

from __future__ import annotations

import os
import time
from pathlib import Path

from guerdon.rewards.programs import sandbox


def sandboxed_processes() -> list[int]:
    """Living processes whose command line is the launcher's (forks keep it), oldest first.

    Those below another worker of the test run are not ours; what nobody waits for any more is.
    """
    time.sleep(0.3)
    found = []
    for entry in Path("/proc").iterdir():
        try:
            words = (entry / "cmdline").read_bytes() if entry.name.isdigit() else b""
        except OSError:
            continue
        if str(sandbox._LAUNCHER).encode() in words:
            found.append(int(entry.name))
    return sorted(one for one in found if not _another_workers(one))


def _another_workers(process: int) -> bool:
    """Whether it was begun below a process beside ours."""
    run, above = os.getppid(), process
    while above > 1:
        below, above = above, _parent(above)
        if above == run:
            return run > 1 and below != os.getpid()
    return False


def _parent(process: int) -> int:
    try:
        told = (Path("/proc") / str(process) / "stat").read_text()
    except OSError:
        return 0
    return int(told.rpartition(")")[2].split()[1])
