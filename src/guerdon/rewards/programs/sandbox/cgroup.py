"""A control group for one sandbox, where this process may make one: memory, all kinds together.

Runs in the launcher of a sandbox and therefore imports the standard library only.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator

_ROOT = "/sys/fs/cgroup"
_PREFIX = "guerdon-sandbox-"


def make(memory_bytes: int, root: str = _ROOT, own: str = "/proc/self/cgroup") -> str | None:
    """A new group with that limit below or beside this process's own; None where none can be made.

    Its name holds this process's id, so that a later sandbox can remove what a killed one left.
    """
    for parent, limits in _places(memory_bytes, root, own):
        path = os.path.join(parent, f"{_PREFIX}{os.getpid()}")
        try:
            _sweep(parent)
            os.mkdir(path)
        except OSError:
            continue
        try:
            for name, limit in limits.items():
                if os.path.exists(os.path.join(path, name)):
                    _write(path, name, str(limit))
        except OSError:
            remove(path)
            continue
        return path
    return None


def _places(memory_bytes: int, root: str, own: str) -> Iterator[tuple[str, dict[str, int]]]:
    """Folders that a group can be made in, with its limits by file. Swap counts as memory."""
    try:
        with open(own) as file:
            lines = [line.rstrip("\n").split(":", 2) for line in file]
    except OSError:
        return
    for number, controllers, path in lines:
        if number == "0":
            place = root + path.rstrip("/")
            for parent in (place, os.path.dirname(place)):
                if "memory" in _read(parent, "cgroup.subtree_control").split():
                    yield parent, {"memory.max": memory_bytes, "memory.swap.max": 0}
        elif "memory" in controllers.split(","):
            names = ("memory.limit_in_bytes", "memory.memsw.limit_in_bytes")
            yield f"{root}/memory{path.rstrip('/')}", dict.fromkeys(names, memory_bytes)


def join(path: str) -> bool:
    """Put this process into a group."""
    try:
        _write(path, "cgroup.procs", "0")
    except OSError:
        return False
    return True


def remove(path: str) -> None:
    """Remove a group whose processes are gone; the kernel may need a moment to see that."""
    for _ in range(50):
        try:
            os.rmdir(path)
        except FileNotFoundError:
            return
        except OSError:
            time.sleep(0.01)
        else:
            return


def _sweep(parent: str) -> None:
    """Remove groups of launchers that were killed."""
    for name in os.listdir(parent):
        if name.startswith(_PREFIX) and not os.path.exists(f"/proc/{name[len(_PREFIX) :]}"):
            try:
                os.rmdir(os.path.join(parent, name))
            except OSError:
                continue


def _read(folder: str, name: str) -> str:
    try:
        with open(os.path.join(folder, name)) as file:
            return file.read()
    except OSError:
        return ""


def _write(folder: str, name: str, text: str) -> None:
    with open(os.path.join(folder, name), "w") as file:
        file.write(text)
