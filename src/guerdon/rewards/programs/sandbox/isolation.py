"""What the kernel can take away from a process: namespaces, Landlock, identity, limits.

Runs in the launcher of a sandbox and therefore imports the standard library only. Each step
says whether it took; nothing here raises because a kernel refuses. ``docs/sandbox.md`` says
what each platform really gives.
"""

from __future__ import annotations

import ctypes
import os
import platform
import resource
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any

_libc = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None

_NEWNS, _NEWUTS, _NEWIPC, _NEWUSER = 0x00020000, 0x04000000, 0x08000000, 0x10000000
_NEWPID, _NEWNET = 0x20000000, 0x40000000
_MS_RDONLY, _MS_NOSUID, _MS_NODEV, _MS_REMOUNT = 1, 2, 4, 32
_MS_BIND, _MS_REC, _MS_PRIVATE = 4096, 16384, 1 << 18
_MOUNT_SETATTR, _PIVOT_ROOT = 442, {"x86_64": 155, "aarch64": 41}
_PDEATHSIG, _NO_NEW_PRIVS, _SUBREAPER = 1, 38, 36
_LANDLOCK_CREATE, _LANDLOCK_ADD, _LANDLOCK_RESTRICT = 444, 445, 446
_READ = 0b1101
"""Landlock rights: execute (needed to map libraries), read files, list folders."""

_NO_PLAIN_FILE = 1 << 4 | 1 << 6 | 1 << 7 | 1 << 9 | 1 << 10 | 1 << 11 | 1 << 12
"""Landlock rights: remove or make folders, make devices, sockets, pipes and links."""

LIBRARIES = ("/lib", "/lib64", "/usr/lib", "/usr/lib64", "/usr/local/lib", "/usr/share/zoneinfo")
"""System folders of shared libraries, readable beside the interpreter's own."""


def enter_namespaces() -> bool:
    """New PID, network, IPC and UTS namespaces; through a user namespace if not root.

    The PID namespace begins with the next child, and `enter_root` has that child's own mounts,
    so that this process goes on seeing /proc. Must be called with one thread.
    """
    kinds = _NEWPID | _NEWNET | _NEWIPC | _NEWUTS
    if _libc is None:
        return False
    if os.geteuid() == 0 and _libc.unshare(kinds) == 0:
        return True
    uid, gid = os.geteuid(), os.getegid()
    if _libc.unshare(kinds | _NEWUSER) != 0:
        return False
    try:
        for name, text in (
            ("setgroups", "deny"),
            ("uid_map", f"{uid} {uid} 1"),
            ("gid_map", f"{gid} {gid} 1"),
        ):
            with open(f"/proc/self/{name}", "w") as file:
                file.write(text)
    except OSError:
        return False
    return True


def enter_root(root: str, readable: Sequence[str], scratch_bytes: int) -> bool:
    """A root folder that holds the ``readable`` folders, read-only, and an empty ``/scratch``.

    It is built in memory over the folder ``root`` of a new mount namespace. The rest of the
    file system is then out of reach by any path.
    """
    try:
        assert _libc is not None
        _check(_libc.unshare(_NEWNS))
        _mount("none", "/", None, _MS_REC | _MS_PRIVATE)
        _mount("tmpfs", root, "tmpfs", _MS_NOSUID | _MS_NODEV, "size=1m,mode=755")
        for path in readable:
            place = root + path
            os.makedirs(place, 0o755)
            _mount(path, place, None, _MS_BIND | _MS_REC)
            _make_read_only(place)
        os.mkdir(f"{root}/scratch")
        size = f"size={scratch_bytes},nr_inodes=1024,mode=777"
        _mount("tmpfs", f"{root}/scratch", "tmpfs", _MS_NOSUID | _MS_NODEV, size)
        _mount("tmpfs", root, None, _MS_REMOUNT | _MS_RDONLY | _MS_NOSUID | _MS_NODEV)
        os.chdir(root)
        # The old root is stacked on the new one and taken off: no folder for it is needed.
        _check(_syscall(_PIVOT_ROOT[platform.machine()], b".", b"."))
        _check(_libc.umount2(b".", 2))
        os.chdir("/scratch")
    except (OSError, KeyError, AttributeError):
        return False
    return True


def _mount(source: str, place: str, kind: str | None, flags: int, options: str = "") -> None:
    assert _libc is not None
    kind_b = None if kind is None else kind.encode()
    _check(
        _libc.mount(
            source.encode(), place.encode(), kind_b, ctypes.c_ulong(flags), options.encode()
        )
    )


def _make_read_only(place: str) -> None:
    """Read-only with everything mounted below it; before Linux 5.12, the folder alone."""
    attributes = (ctypes.c_uint64 * 4)(_MS_RDONLY | _MS_NOSUID | _MS_NODEV, 0, 0, 0)
    at_cwd, recursive = -100, 0x8000
    done = _syscall(_MOUNT_SETATTR, at_cwd, place.encode(), recursive, ctypes.byref(attributes), 32)
    if done != 0:
        flags = _MS_REMOUNT | _MS_BIND | _MS_RDONLY | _MS_NOSUID | _MS_NODEV
        _mount("none", place, None, flags)


def restrict(readable: Sequence[str], scratch: str, own_root: bool) -> int:
    """Landlock: read below ``readable``, write below ``scratch``, nothing else; 0 if refused.

    Without an own root ``scratch`` is a real folder, which takes plain files alone: folders in
    folders without end could not be removed again. Returns the kernel's Landlock version: from 4
    TCP is closed as well, from 6 signals to processes outside and abstract sockets.
    """
    version = _syscall(_LANDLOCK_CREATE, None, 0, 1)
    if version < 1:
        return 0
    all_files = (1 << {1: 13, 2: 14}.get(version, 15)) - 1
    all_files |= (1 << 15) if version >= 5 else 0  # device ioctl
    handled = (ctypes.c_uint64 * 3)(all_files, 3 if version >= 4 else 0, 3 if version >= 6 else 0)
    size = 24 if version >= 6 else 16 if version >= 4 else 8
    rules = _syscall(_LANDLOCK_CREATE, ctypes.byref(handled), size, 0)
    if rules < 0:
        return 0
    try:
        for path in readable:
            _allow(rules, path, _READ)
        _allow(rules, scratch, all_files if own_root else all_files & ~_NO_PLAIN_FILE)
        forbid_privileges()
        return int(version) if _syscall(_LANDLOCK_RESTRICT, rules, 0) == 0 else 0
    except OSError:
        return 0
    finally:
        os.close(rules)


class _PathBeneath(ctypes.Structure):
    _pack_ = 1
    _fields_ = (("allowed", ctypes.c_uint64), ("folder", ctypes.c_int32))


def _allow(rules: int, path: str, rights: int) -> None:
    folder = os.open(path, os.O_PATH | os.O_CLOEXEC)
    try:
        rule = _PathBeneath(rights, folder)
        _check(_syscall(_LANDLOCK_ADD, rules, 1, ctypes.byref(rule), 0))
    finally:
        os.close(folder)


def lose_identity(needed: str, uid: int) -> bool:
    """From root to user ``uid``, that no other process has; True where root is left (or never was).

    Root has no process limit and reads every file, so it must go. It stays only where the
    interpreter's file ``needed`` could not be read any more.
    """
    if os.geteuid() != 0:
        return True
    for candidate in (uid, 65534):
        try:
            os.setgroups([])
            os.setresgid(candidate, candidate, 0)
            os.setresuid(candidate, candidate, 0)
            with open(needed, "rb"):
                pass
        except OSError:
            os.setresuid(0, 0, 0)
            os.setresgid(0, 0, 0)
            continue
        os.setresuid(0, 0, 0)
        os.setresgid(candidate, candidate, candidate)
        os.setresuid(candidate, candidate, candidate)
        return True
    return False


def forbid_privileges() -> None:
    """No program started from here can gain privileges, and no capability is left."""
    if _libc is None:
        return
    _libc.prctl(_NO_NEW_PRIVS, 1, 0, 0, 0)
    header = (ctypes.c_uint32 * 2)(0x20080522, 0)
    none = (ctypes.c_uint32 * 6)()
    _libc.capset(ctypes.byref(header), ctypes.byref(none))


def die_with_parent(signal: int) -> None:
    """Have the kernel send ``signal`` to this process when its parent ends (Linux)."""
    if _libc is not None:
        _libc.prctl(_PDEATHSIG, signal, 0, 0, 0)


def adopt_orphans() -> None:
    """Have processes whose parent ended come to this one, so that it can end them (Linux)."""
    if _libc is not None:
        _libc.prctl(_SUBREAPER, 1, 0, 0, 0)


def set_limits(limits: Mapping[str, int]) -> None:
    """CPU seconds, memory, size of files, processes, open files; no core dumps."""
    wanted = {
        "RLIMIT_CPU": limits["cpu_seconds"],
        "RLIMIT_AS": limits["memory_bytes"],
        "RLIMIT_FSIZE": limits["scratch_bytes"],
        "RLIMIT_NPROC": limits["processes"],
        "RLIMIT_NOFILE": 64,
        "RLIMIT_CORE": 0,
    }
    for name, limit in wanted.items():
        kind = getattr(resource, name, None)
        if kind is None:
            continue
        hard = resource.getrlimit(kind)[1]
        limit = limit if hard == resource.RLIM_INFINITY else min(limit, hard)
        # macOS refuses a memory limit; that it is none is documented.
        try:
            resource.setrlimit(kind, (limit, limit))
        except (ValueError, OSError):
            continue


def _syscall(number: int, *arguments: Any) -> int:
    if _libc is None:
        return -1
    widened = [ctypes.c_long(a) if isinstance(a, int) else a for a in arguments]
    return int(_libc.syscall(ctypes.c_long(number), *widened))


def _check(result: int) -> None:
    if result != 0:
        error = ctypes.get_errno()
        raise OSError(error, os.strerror(error))


_REFUSED = (
    *("socket.", "subprocess.", "ctypes.", "pty.", "signal.pthread_kill"),
    *("os.system", "os.exec", "os.fork", "os.posix_spawn", "os.spawn", "os.kill"),
)
_CHANGES = (
    *("os.remove", "os.rename", "os.mkdir", "os.rmdir", "os.link", "os.symlink", "os.truncate"),
    *("os.chmod", "os.chown", "os.utime", "shutil.", "tempfile."),
)


def audit_hook(scratch: str) -> Callable[[str, tuple[Any, ...]], None]:
    """A hook that refuses sockets, processes, native calls and writes outside ``scratch``.

    The second line only: code that gets at memory of its own process can pass it.
    """
    top = os.path.realpath(scratch)

    def outside(path: Any) -> bool:
        if isinstance(path, int):
            return False
        full = os.path.realpath(os.fsdecode(path))
        return full != top and not full.startswith(top + os.sep)

    def refuse(event: str, arguments: tuple[Any, ...]) -> None:
        if event.startswith(_REFUSED):
            raise PermissionError(f"the sandbox refuses {event}")
        if event == "open" and len(arguments) == 3:
            path, _, flags = arguments
            writes = isinstance(flags, int) and flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT)
            if writes and path is not None and outside(path):
                raise PermissionError("the sandbox refuses to write outside its scratch folder")
        elif event.startswith(_CHANGES):
            paths = [a for a in arguments if isinstance(a, str | bytes)]
            if any(map(outside, paths)):
                raise PermissionError(f"the sandbox refuses {event} outside its scratch folder")

    return refuse
