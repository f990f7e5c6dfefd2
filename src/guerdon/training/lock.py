"""One process at a time writes to a run's folder.

The lock is the kernel's (``flock``) on the file ``run.lock``, so it ends with its process however
that dies: no dead process keeps a folder shut, nor another one that was given its number since.
What the file says is for people: process, machine, since when and the command.

Between machines: NFS (Linux), GPFS, CephFS and Lustre mounted with ``flock`` keep the lock for all
of them. Where a file system keeps it on each machine alone (NFS with ``local_lock``, Lustre with
``localflock``), a holder's signs of life decide: it touches the file every few seconds, and who
finds another machine's name there watches for that first. Without ``flock`` (Windows, some network
file systems) that and the process's number with its time of birth are all there is, and two starts
in the same instant are not told apart.
"""

from __future__ import annotations

import errno
import json
import os
import socket
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from guerdon.training.disk import DiskError, writing_to

NAME = "run.lock"
BEAT = 5.0
"""Seconds between two signs of life; another machine's holder is watched for three times that."""

_UNSUPPORTED = (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP)


class RunLocked(DiskError):
    """Another process writes to this folder; the message names it and the mend."""


class RunLock:
    """Holds a folder from `acquire` to `release`, or to the end of this process.

    Processes forked from the holder do not keep it after that. Reading needs no lock.
    """

    def __init__(self, folder: Path) -> None:
        self.path = Path(folder) / NAME
        self._handle = -1
        self._over = threading.Event()

    def acquire(self) -> RunLock:
        """Raises `RunLocked` where the folder is held, `DiskError` where it can't be written."""
        with writing_to(self.path):
            self._handle = self._opened()
            _HELD.add(self._handle)
            try:
                os.ftruncate(self._handle, 0)
                os.write(self._handle, json.dumps(_myself()).encode())
            except OSError:
                self.release()
                raise
        threading.Thread(target=self._beat, name="run-lock", daemon=True).start()
        return self

    def release(self) -> None:
        """Let the folder go and remove the file; nothing where it is not held."""
        if self._handle < 0:
            return
        self._over.set()
        with suppress(OSError):  # a folder that is gone has no lock to remove
            if _same_file(self._handle, self.path):
                self.path.unlink()
        _HELD.discard(self._handle)
        with suppress(OSError):
            os.close(self._handle)
        self._handle = -1

    def __enter__(self) -> RunLock:
        return self.acquire() if self._handle < 0 else self

    def __exit__(self, *_: object) -> None:
        self.release()

    def _opened(self) -> int:
        """An open file that is locked, is the one in the folder, and is nobody else's."""
        while True:
            handle = os.open(self.path, os.O_RDWR | os.O_CREAT, 0o644)
            try:
                said = _read(handle)
                kept = _lock(handle)
                if kept is False or _lives(said, self.path, locks=kept is not None):
                    raise RunLocked(_held(self.path, _read(handle)))
                if _same_file(handle, self.path):
                    return handle
            except BaseException:
                os.close(handle)
                raise
            os.close(handle)  # its holder let go and removed it between our opening and locking

    def _beat(self) -> None:
        while not self._over.wait(BEAT):
            with suppress(OSError):
                os.utime(self._handle if os.utime in os.supports_fd else self.path)


def _lock(handle: int) -> bool | None:
    """Whether the kernel gave us the lock; None where it keeps none here."""
    try:
        import fcntl
    except ImportError:
        return None
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno in _UNSUPPORTED:
            return None
        if error.errno in (errno.EWOULDBLOCK, errno.EACCES):
            return False
        raise
    return True


def _lives(said: dict[str, Any], path: Path, *, locks: bool) -> bool:
    """Whether the holder that a file names goes on, though no lock of it is seen."""
    if not said:
        return False
    if said.get("host") == socket.gethostname():
        return not locks and said.get("birth") == _birth(said.get("pid"))
    seen, patience = path.stat().st_mtime_ns, 3 * BEAT
    began = time.monotonic()
    while time.monotonic() - began < patience:
        time.sleep(min(1.0, BEAT / 2))
        if path.stat().st_mtime_ns != seen:
            return True
    return False


def _myself() -> dict[str, Any]:
    return {
        "pid": os.getpid(),
        "host": socket.gethostname(),
        "since": time.strftime("%Y-%m-%d %H:%M:%S"),
        "birth": _birth(os.getpid()),
        "command": " ".join(sys.argv),
    }


def _birth(pid: Any) -> str | None:
    """When a process was born: what tells it from a later one of its number. None: it is dead.

    Where the system does not say, "?" for any that lives.
    """
    try:
        stat = Path(f"/proc/{int(pid)}/stat").read_text()
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        return f"{boot} {stat.rpartition(')')[2].split()[19]}"
    except (OSError, ValueError, TypeError, IndexError):
        if Path("/proc/self/stat").exists():
            return None
    try:
        os.kill(int(pid), 0)
    except (OSError, ValueError, TypeError):
        return None
    return "?"


def _read(handle: int) -> dict[str, Any]:
    """What a lock's file says; {} where it is empty or no longer readable."""
    os.lseek(handle, 0, os.SEEK_SET)
    try:
        said = json.loads(os.read(handle, 65536))
    except ValueError:
        said = None
    os.lseek(handle, 0, os.SEEK_SET)
    return said if isinstance(said, dict) else {}


def _same_file(handle: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(handle), path.stat())
    except FileNotFoundError:
        return False


def _held(path: Path, said: dict[str, Any]) -> str:
    who = "another process"
    if said:
        who = f"process {said.get('pid')} on {said.get('host')} (since {said.get('since')})"
    return (
        f"{path.parent} is being written to by {who}; wait for its end or end it "
        f"(kill {said.get('pid', 'PID')} there: it stops whole), or give another folder with --out"
    )


_HELD: set[int] = set()


def _let_go() -> None:
    """In a forked process: an inherited handle would keep the lock when its owner is dead."""
    for handle in _HELD:
        with suppress(OSError):
            os.close(handle)
    _HELD.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_let_go)
