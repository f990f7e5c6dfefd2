"""Programs of unknown origin, run where they can do no harm; see ``docs/sandbox.md``."""

from __future__ import annotations

import json
import os
import selectors
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

_LAUNCHER = Path(__file__).parent / "launcher.py"
_GRACE = 10.0
"""Seconds beyond the wall limit for the launcher to start and to stop."""


class SandboxError(RuntimeError):
    """A program could not be run at all, for no fault of its own."""


class WeakIsolationError(RuntimeError):
    """The kernel does not isolate here what it must; the message says what and the mend."""


@dataclass(frozen=True)
class Limits:
    """What one sandboxed program may use.

    ``cpu_seconds`` of processor time (whole seconds) and ``wall_seconds`` by the clock;
    ``memory_mb`` of address space per process, and of memory of all its processes together;
    ``processes`` at one time, threads included; ``output_kb`` of results; ``scratch_mb`` of
    files in its scratch folder.
    """

    cpu_seconds: int = 4
    wall_seconds: float = 20.0
    memory_mb: int = 512
    processes: int = 1
    output_kb: int = 256
    scratch_mb: int = 16

    def __post_init__(self) -> None:
        for name in self.__dataclass_fields__:
            if not getattr(self, name) > 0:
                raise ValueError(f"Limits.{name} is {getattr(self, name)}; it must be above 0")


@dataclass(frozen=True)
class Outcome:
    """What came out of the sandbox: every word of ``lines`` may be a lie of the program.

    ``isolation`` is what was in force, written before the program began. ``cut`` tells which
    limit of the parent's ended it, "" if none did.
    """

    isolation: Mapping[str, Any]
    lines: Sequence[Any] = field(default_factory=tuple)
    cut: str = ""


def run_sandboxed(
    source: str,
    cases: Sequence[Mapping[str, Any]],
    limits: Limits,
    packages: bool = False,
    trust_weak: bool = False,
) -> Outcome:
    """Run Python ``source`` and its cases (see ``program.py``) in a sandbox of their own.

    ``packages`` lets the program import what is installed beside this package, which makes
    those folders readable. Raises SandboxError where it could not be started, and, unless
    ``trust_weak``, WeakIsolationError where the kernel isolates too little: nothing ran then.
    """
    job = _job(source, cases, limits, packages, trust_weak)
    try:
        with tempfile.TemporaryDirectory(prefix="guerdon-sandbox-") as scratch:
            written, cut, code = _launched(scratch, job, limits)
    except OSError as error:
        raise SandboxError(f"the sandbox did not start: {error}") from error
    lines = [_parsed(line) for line in written.split(b"\n")]
    if not isinstance(lines[0], dict) or "kernel" not in lines[0]:
        raise SandboxError(f"the sandbox did not start (exit code {code})")
    weak = [name for name, held in lines[0]["kernel"].items() if not held]
    if weak and not trust_weak:
        raise WeakIsolationError(
            f"the kernel does not isolate {', '.join(weak)} of sandboxed programs here; run "
            "where user namespaces or seccomp and Landlock are allowed (see docs/sandbox.md), or "
            "accept the risk with trust_weak=True"
        )
    return Outcome(lines[0], lines[1:], cut)


_ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}


def _job(
    source: str,
    cases: Sequence[Mapping[str, Any]],
    limits: Limits,
    packages: bool,
    trust_weak: bool,
) -> bytes:
    installed = [path for path in sys.path if path.endswith("site-packages")] if packages else []
    own = [os.path.dirname(os.__file__), os.path.join(sys.base_prefix, "lib")]
    job = {
        "source": source,
        "cases": list(cases),
        "path": installed,
        "readable": [*own, *installed],
        "output_bytes": limits.output_kb * 1024,
        "stop_if_weak": not trust_weak,
        "limits": {
            "cpu_seconds": limits.cpu_seconds,
            "wall_seconds": limits.wall_seconds,
            "memory_bytes": limits.memory_mb << 20,
            "scratch_bytes": limits.scratch_mb << 20,
            "processes": limits.processes,
        },
    }
    return json.dumps(job).encode()


def _launched(scratch: str, job: bytes, limits: Limits) -> tuple[bytes, str, int]:
    """What the launcher wrote, which limit cut it off, and its exit code."""
    process = subprocess.Popen(
        [sys.executable, "-P", "-s", "-S", str(_LAUNCHER), scratch],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        cwd=scratch,
        env={"PYTHONHASHSEED": "0", "LC_ALL": "C.UTF-8", **_ONE_THREAD},
        start_new_session=True,
    )
    try:
        written, cut = _exchange(process, job, limits)
    finally:
        _end(process)
    return written, cut, process.returncode


def _exchange(process: subprocess.Popen[bytes], job: bytes, limits: Limits) -> tuple[bytes, str]:
    """Hand the job over and read until the end, the output limit or the clock."""
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        process.stdin.write(job)
        process.stdin.close()
    except BrokenPipeError:
        return b"", ""
    deadline = time.monotonic() + limits.wall_seconds + _GRACE
    written, most = bytearray(), (limits.output_kb + 4) * 1024
    with selectors.DefaultSelector() as ready:
        ready.register(process.stdout, selectors.EVENT_READ)
        while (left := deadline - time.monotonic()) > 0:
            if not ready.select(left):
                continue
            data = os.read(process.stdout.fileno(), 65536)
            if not data:
                return bytes(written), ""
            written += data
            if len(written) > most:
                return bytes(written[:most]), "output limit"
    return bytes(written), "time limit"


def _end(process: subprocess.Popen[bytes]) -> None:
    """The launcher ends what it started; it is only killed should it not answer."""
    assert process.stdout is not None
    process.stdout.close()
    process.terminate()
    try:
        process.wait(_GRACE)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _parsed(line: bytes) -> Any:
    try:
        return json.loads(line)
    except (ValueError, RecursionError):
        return None


@lru_cache(maxsize=1)
def isolation_in_force() -> Mapping[str, Any]:
    """What this machine gives a sandbox: tried out with a program that does nothing.

    Keys: "network", "files", "processes", "memory" to the means in force, and "kernel": does
    the kernel enforce all four? Raises SandboxError where no sandbox can be started.
    """
    # Of several processes, so that a control group is made where one can be.
    found = run_sandboxed("", [], Limits(processes=2), trust_weak=True).isolation
    held, filtered = found["kernel"], found["seccomp"]
    landlock = f"Landlock {found['landlock']}" if found["landlock"] else ""
    tcp = found["landlock"] >= 4 and not held["network"]
    calls = "filter of system calls" if found["namespaces"] else "filter of system calls, only one"
    return {
        "network": _means(
            "own network namespace" if found["namespaces"] else "",
            "no sockets" if filtered else "",
            f"{landlock} (TCP only)" if tcp else "",
        ),
        "files": _means("own root folder" if found["root"] else "", landlock),
        "processes": _means(
            "own process namespace" if found["namespaces"] else "",
            "process limit" if held["processes"] else "",
            calls if filtered else "",
        ),
        "memory": _means(
            "limit per process",
            "no shared memory" if filtered else "",
            "control group" if found["cgroup"] else "",
        ),
        "kernel": all(held.values()),
    }


def _means(*means: str) -> str:
    return ", ".join(one for one in means if one) or "audit hook only"
