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
_LOOK = 0.04
"""Seconds between looks at memory and files, where the kernel does not add them up."""


def main() -> None:
    """Run the job; this process stays outside, keeps the clock and ends the child."""
    parts = {name: _load(name) for name in ("isolation", "program", "seccomp", "cgroup", "watch")}
    isolation, cgroup = parts["isolation"], parts["cgroup"]
    owner = os.getppid()
    job = json.loads(sys.stdin.buffer.read())
    limits = job["limits"]
    told: list[int] = []
    signal.signal(signal.SIGTERM, lambda number, _: told.append(number))
    isolation.die_with_parent(signal.SIGTERM)
    isolation.adopt_orphans()
    # Joining a group takes some 8 ms. Of one process that can share no memory with anything, the
    # limit on its address space and that of its files say as much.
    needed = limits["processes"] > 1 or not parts["seccomp"].is_offered()
    group = cgroup.make(limits["memory_bytes"] + limits["scratch_bytes"]) if needed else None
    namespaces = isolation.enter_namespaces()
    # A user id that nobody else has, so that its processes can be counted.
    job["uid"] = 0x70000000 + os.getpid()
    child = os.fork()
    if child == 0:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        _inside(parts, job, namespaces, group)
        os._exit(0)
    os.close(1)
    try:
        if not _wait(parts["watch"], child, limits, told):
            os.kill(child, signal.SIGKILL)
        _end_all(parts["watch"])
    finally:
        if group is not None:
            cgroup.remove(group)
        if os.getppid() != owner:  # which would have removed it
            parts["watch"].remove_folder(sys.argv[1])


def _wait(watch: Any, child: int, limits: dict[str, Any], told: list[int]) -> bool:
    """True once the child has ended; False where it must be ended: its time or its space is used
    up, or this process is told to stop."""
    now = time.monotonic()
    deadline, look = now + limits["wall_seconds"], now + _LOOK
    while not told and now < deadline:
        if os.waitpid(child, os.WNOHANG)[0]:
            return True
        if now >= look:
            tree = watch.descendants(child)
            if watch.resident_bytes(tree) > limits["memory_bytes"]:
                return False
            if watch.folder_bytes(sys.argv[1], tree) > limits["scratch_bytes"]:
                return False
            look = now + _LOOK
        time.sleep(_POLL)
        now = time.monotonic()
    return False


def _end_all(watch: Any) -> None:
    """End and await all processes below this one: what outlived its parent came here."""
    while True:
        for process in watch.descendants(os.getpid())[1:]:
            try:
                os.kill(process, signal.SIGKILL)
            except ProcessLookupError:
                continue
        try:
            os.waitpid(-1, 0)
        except ChildProcessError:
            return


def _inside(
    parts: dict[str, Any], job: dict[str, Any], namespaces: bool, group: str | None
) -> None:
    isolation = parts["isolation"]
    results = os.dup(1)
    for standard in (0, 1, 2):
        os.dup2(os.open(os.devnull, os.O_RDWR), standard)
    os.closerange(results + 1, 64)
    scratch = sys.argv[1]
    readable = _existing(job["readable"], isolation.LIBRARIES)
    # Later imports must not go by links that the new root does not have.
    sys.path[:] = [os.path.realpath(path) for path in (*sys.path, *job["path"])]
    grouped = group is not None and parts["cgroup"].join(group)
    in_force = _isolate(parts, readable, scratch, namespaces, job)
    in_force["cgroup"] = grouped
    in_force["kernel"]["memory"] = in_force["seccomp"] or grouped
    _write(results, json.dumps(in_force))
    if job["stop_if_weak"] and not all(in_force["kernel"].values()):
        return
    sys.addaudithook(isolation.audit_hook("/scratch" if in_force["root"] else scratch))
    parts["program"].run_cases(
        job["source"], job["cases"], job["output_bytes"], lambda t: _write(results, t)
    )


def _isolate(
    parts: dict[str, Any], readable: list[str], scratch: str, namespaces: bool, job: dict[str, Any]
) -> dict[str, Any]:
    isolation, limits = parts["isolation"], job["limits"]
    root = namespaces and isolation.enter_root(scratch, readable, limits["scratch_bytes"])
    shares_identity = os.geteuid() != 0
    if not root:
        os.chdir(scratch)
        os.chmod(scratch, 0o777)
    os.environ["TMPDIR"] = os.getcwd()
    left_root = isolation.lose_identity(os.__file__, job["uid"])
    isolation.forbid_privileges()
    isolation.die_with_parent(signal.SIGKILL)
    landlock = isolation.restrict(readable, "/scratch" if root else scratch, root)
    # Without namespaces the count is over all processes of the user: none may be added.
    several = namespaces and limits["processes"] > 1
    processes = limits["processes"] + int(shares_identity) if namespaces else 1
    isolation.set_limits({**limits, "processes": processes})
    filtered = parts["seccomp"].filter_calls(root, several)
    return {
        "root": root,
        "namespaces": namespaces,
        "landlock": landlock,
        "seccomp": filtered,
        "kernel": {
            "network": namespaces or filtered,
            # Before version 3, Landlock lets files be emptied; it never minds their modes.
            "files": root or (landlock >= 3 and filtered),
            # Root has no process limit; the filter lets none be started at all.
            "processes": (filtered and not several) or (namespaces and left_root),
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
