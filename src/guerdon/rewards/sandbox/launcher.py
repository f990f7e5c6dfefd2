"""The sandbox's first process: reads a job, gives up what it can, runs the program in a child.

Started as ``python -P -s -S launcher.py FOLDER`` with the job as JSON on standard input. Writes
JSON lines to standard output: first which isolation is in force, then the cases.
"""

from __future__ import annotations

import importlib.util
import json
import os
import signal
import sys
import time
from typing import Any

_POLL = 0.005


def main() -> None:
    """Run the job; this process stays outside, keeps the clock and ends the child."""
    isolation, program = _load("isolation"), _load("program")
    job = json.loads(sys.stdin.buffer.read())
    told: list[int] = []
    signal.signal(signal.SIGTERM, lambda number, _: told.append(number))
    isolation.die_with_parent(signal.SIGTERM)
    namespaces = isolation.enter_namespaces()
    # A user id that nobody else has, so that its processes can be counted.
    job["uid"] = 0x70000000 + os.getpid()
    child = os.fork()
    if child == 0:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        _inside(isolation, program, job, namespaces)
        os._exit(0)
    os.close(1)
    deadline = time.monotonic() + job["limits"]["wall_seconds"]
    while not told and time.monotonic() < deadline:
        if os.waitpid(child, os.WNOHANG)[0]:
            return
        time.sleep(_POLL)
    # The first process of a PID namespace takes all others of it along.
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)


def _inside(isolation: Any, program: Any, job: dict[str, Any], namespaces: bool) -> None:
    results = os.dup(1)
    for standard in (0, 1, 2):
        os.dup2(os.open(os.devnull, os.O_RDWR), standard)
    os.closerange(results + 1, 64)
    scratch = sys.argv[1]
    readable = _existing(job["readable"], isolation.LIBRARIES)
    # Later imports must not go by links that the new root does not have.
    sys.path[:] = [os.path.realpath(path) for path in (*sys.path, *job["path"])]
    in_force = _isolate(isolation, readable, scratch, namespaces, job)
    _write(results, json.dumps(in_force))
    if job["stop_if_weak"] and not all(in_force["kernel"].values()):
        return
    sys.addaudithook(isolation.audit_hook("/scratch" if in_force["root"] else scratch))
    program.run_cases(
        job["source"], job["cases"], job["output_bytes"], lambda t: _write(results, t)
    )


def _isolate(
    isolation: Any, readable: list[str], scratch: str, namespaces: bool, job: dict[str, Any]
) -> dict[str, Any]:
    limits = job["limits"]
    root = namespaces and isolation.enter_root(scratch, readable, limits["scratch_bytes"])
    shares_identity = os.geteuid() != 0
    if not root:
        os.chdir(scratch)
        os.chmod(scratch, 0o777)
    os.environ["TMPDIR"] = os.getcwd()
    left_root = isolation.lose_identity(os.__file__, job["uid"])
    isolation.forbid_privileges()
    isolation.die_with_parent(signal.SIGKILL)
    landlock = isolation.restrict(readable, "/scratch" if root else scratch)
    # Without namespaces the count is over all processes of the user: none may be added.
    processes = limits["processes"] + int(shares_identity) if namespaces else 1
    isolation.set_limits({**limits, "processes": processes})
    return {
        "root": root,
        "namespaces": namespaces,
        "landlock": landlock,
        "kernel": {
            "network": namespaces,
            "files": root or landlock > 0,
            "processes": left_root and sys.platform == "linux",
        },
    }


def _existing(*folders: Any) -> list[str]:
    """Real folders, none inside another: what is bound once must not be bound again."""
    real = sorted({os.path.realpath(f) for several in folders for f in several if os.path.isdir(f)})
    kept: list[str] = []
    for folder in real:
        if not any(folder == one or folder.startswith(one + os.sep) for one in kept):
            kept.append(folder)
    return kept


def _write(results: int, line: str) -> None:
    data = line.encode() + b"\n"
    while data:
        data = data[os.write(results, data) :]


def _load(name: str) -> Any:
    path = os.path.join(os.path.dirname(os.path.abspath(__file__)), f"{name}.py")
    spec = importlib.util.spec_from_file_location(f"guerdon_{name}", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


if __name__ == "__main__":
    main()
