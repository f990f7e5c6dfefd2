"""A bound on what a process may allocate, where the platform has one."""

from __future__ import annotations

from pathlib import Path

_STATUS = Path("/proc/self/status")


def memory_can_be_limited() -> bool:
    """Whether `limit_memory` does anything here: on Linux only."""
    return _STATUS.exists()


def held_memory() -> int:
    """Bytes of data that this process holds, as `limit_memory` counts; 0 where it can't."""
    if not memory_can_be_limited():
        return 0
    lines = _STATUS.read_text().splitlines()
    return next((int(line.split()[1]) << 10 for line in lines if line.startswith("VmData:")), 0)


def limit_memory(megabytes: int) -> None:
    """Let this process, and each that it starts, hold so much more data than it does now.

    Beyond that an allocation fails, as MemoryError in Python. It is data that is limited and
    not address space: CUDA reserves more of that than any sensible limit. Does nothing where
    `memory_can_be_limited` is False.
    """
    if not memory_can_be_limited():
        return
    import resource

    _, hard = resource.getrlimit(resource.RLIMIT_DATA)
    resource.setrlimit(resource.RLIMIT_DATA, (held_memory() + (megabytes << 20), hard))
