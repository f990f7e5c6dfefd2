"""The sandbox against programs that have got past its audit hook, in every setting it knows."""

from __future__ import annotations

import os
import platform
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from rewards.launched import sandboxed_processes

from guerdon.rewards.programs import sandbox
from guerdon.rewards.programs.sandbox import Limits, Outcome, WeakIsolationError, run_sandboxed

pytestmark = pytest.mark.skipif(
    sys.platform != "linux" or platform.machine() != "x86_64", reason="numbers of system calls"
)

QUICK = Limits(cpu_seconds=2, wall_seconds=10, memory_mb=256, output_kb=64, scratch_mb=2)
NOBODY = 65534
SYSTEM_PYTHON = "/usr/bin/python3"

NO_NAMESPACES = ("isolation", "def enter_namespaces():\n    return False\n")
NO_FILTER = ("seccomp", "def is_offered():\n    return False\n")
NO_GROUP = ("cgroup", "def make(memory_bytes):\n    return None\n")
NO_LANDLOCK = ("isolation", "def restrict(*given):\n    return 0\n")
SETTINGS = {
    "everything": (),
    "no group": (NO_GROUP,),
    "no namespaces": (NO_NAMESPACES,),
    "no namespaces, no group": (NO_NAMESPACES, NO_GROUP),
}
"""Settings in which the kernel holds a program; each lacks what stands there."""


@pytest.fixture(params=["root", "nobody"] if os.geteuid() == 0 else ["user"])
def user(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Who starts the sandbox."""
    if request.param == "nobody":
        if not os.path.exists(SYSTEM_PYTHON):
            pytest.skip("no interpreter that another user can run")
        start = subprocess.Popen

        def as_nobody(command: list[str], **settings: Any) -> Any:
            os.chown(settings["cwd"], NOBODY, NOBODY)
            who = {"user": NOBODY, "group": NOBODY, "extra_groups": []}
            return start([SYSTEM_PYTHON, *command[1:]], **settings, **who)

        monkeypatch.setattr(sandbox.subprocess, "Popen", as_nobody)
    return str(request.param)


@pytest.fixture
def lacking(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Takes parts away from the sandbox, as a kernel that does not have them would."""
    folder = tempfile.mkdtemp()
    os.chmod(folder, 0o755)

    def take(*parts: tuple[str, str]) -> None:
        place = Path(folder) / "sandbox"
        shutil.copytree(sandbox._LAUNCHER.parent, place, ignore=shutil.ignore_patterns("__py*"))
        for name, text in parts:
            with (place / f"{name}.py").open("a") as file:
                file.write(f"\n\n{text}")
        monkeypatch.setattr(sandbox, "_LAUNCHER", place / "launcher.py")

    yield take
    shutil.rmtree(folder)


@pytest.fixture(params=SETTINGS)
def setting(request: pytest.FixtureRequest, lacking: Any) -> str:
    lacking(*SETTINGS[request.param])
    return str(request.param)


def ran(source: str, *expressions: str, limits: Limits = QUICK, **more: Any) -> Outcome:
    return run_sandboxed(source, [{"expression": e} for e in expressions], limits, **more)


def values(outcome: Outcome) -> list[Any]:
    return [line.get("value", line.get("error")) for line in outcome.lines if line]


DISARM = """
import gc, os
for found in gc.get_objects():
    if type(found) is dict and "_REFUSED" in found and "_CHANGES" in found:
        found["_REFUSED"] = found["_CHANGES"] = ("nothing",)
        found["os"] = type("Path", (), {"O_WRONLY": 0, "O_RDWR": 0, "O_CREAT": 0})
"""
"""The audit hook's own names, found in memory and emptied."""

NATIVE = (
    DISARM
    + """
libc = next(o for o in gc.get_objects() if type(o).__name__ == "CDLL")
def call(number, *given):
    return libc.syscall(number, *given)
"""
)

CALLS = {
    "shmget": (29, 0, 1800 << 20, 0o1600),
    "shmat": (30, 0, 0, 0),
    "shmctl": (31, 0, 0, 0),
    "semget": (64, 0, 4, 0o1600),
    "msgget": (68, 0, 0o1600),
    "mq_open": (240, b"/x", 0o102, 0o600, 0),
    "memfd_create": (319, b"x", 0),
    "memfd_secret": (447, 0),
    "socket": (41, 2, 1, 0),
    "unix socket": (41, 1, 1, 0),
    "netlink socket": (41, 16, 3, 0),
    "fork": (57,),
    "vfork": (58,),
    "clone": (56, 17, 0, 0, 0, 0),
    "clone into namespaces": (56, 0x10000011, 0, 0, 0, 0),
    "clone3": (435, b"\0" * 88, 88),
    "execve": (59, b"/bin/true", 0, 0),
    "execveat": (322, -100, b"/bin/true", 0, 0, 0),
    "kill the parent": (62, "os.getppid()", 0),
    "kill all": (62, -1, 0),
    "kill the group": (62, 0, 0),
    "kill another": (62, OWN := os.getpid(), 0),
    "tkill": (200, OWN, 0),
    "tgkill": (234, OWN, OWN, 0),
    "queue a signal": (129, OWN, 0, b"\0" * 128),
    "own signals of a file": (72, 1, 8, OWN),
    "choose a file's signal": (72, 1, 10, 9),
    "limit another": (302, OWN, 7, b"\0" * 16, 0),
    "pidfd_open": (434, OWN, 0),
    "ptrace": (101, 16, OWN, 0, 0),
    "read memory": (310, OWN, b"\0" * 16, 1, b"\0" * 16, 1, 0),
    "write memory": (311, OWN, b"\0" * 16, 1, b"\0" * 16, 1, 0),
    "kcmp": (312, OWN, OWN, 0, 0, 0),
    "unshare": (272, 0x10000000),
    "setns": (308, 0, 0),
    "mount": (165, b"none", b"/tmp", b"tmpfs", 0, 0),
    "umount": (166, b"/scratch", 2),
    "pivot_root": (155, b".", b"."),
    "chroot": (161, b"."),
    "open_tree": (428, -100, b".", 1),
    "fsopen": (430, b"tmpfs", 0),
    "open_by_handle_at": (304, -100, b"\0" * 32, 0),
    "name_to_handle_at": (303, -100, b".", b"\0" * 128, b"\0" * 8, 0),
    "bpf": (321, 0, b"\0" * 128, 128),
    "perf_event_open": (298, b"\0" * 128, 0, -1, -1, 0),
    "io_uring_setup": (425, 8, b"\0" * 128),
    "userfaultfd": (323, 1),
    "add_key": (248, b"user", b"a", b"b", 1, -3),
    "keyctl": (250, 0, -3, 0),
    "request_key": (249, b"user", b"a", 0, -3),
    "kexec_load": (246, 0, 0, 0, 0),
    "init_module": (175, b"", 0, b""),
    "setuid": (105, 0),
    "setsid": (112,),
    "prctl: outlive the parent": (157, 1, 0, 0, 0, 0),
    "seccomp": (317, 1, 0, b"\0" * 16),
    "personality": (135, 0xFFFFFFFF),
    "quotactl": (179, 0, b"/", 0, 0),
    "fanotify_init": (300, 0, 0),
    "inotify_init": (294, 0),
    "sched_setaffinity": (203, OWN, 8, b"\xff" * 8),
    "setpriority": (141, 0, OWN, 19),
    "vmsplice": (278, 1, 0, 0, 0),
    "mlockall": (151, 3),
    "syslog": (103, 10, 0, 0),
    "setxattr": (188, b".", b"user.a", b"b", 1, 0),
    "chown": (92, b".", 0, 0),
    "a call of x32": (0x40000000 | 39,),
    "a call that no kernel has": (9999,),
}


def test_system_calls_are_refused(user: str, setting: str) -> None:
    asked = [
        f"call({', '.join(one if type(one) is str else repr(one) for one in given)})"
        for given in CALLS.values()
    ]
    got = dict(zip(CALLS, values(ran(NATIVE, *asked)), strict=True))
    assert {name: value for name, value in got.items() if value != -1} == {}
    (own,) = values(ran(NATIVE, "call(39) == os.getpid()"))  # calls do get through
    assert own is True


def test_calls_of_another_machine_end_the_program(setting: str) -> None:
    """The 32-bit entry has numbers of its own: 20 is getpid there."""
    code = (
        NATIVE
        + """
import mmap
page = mmap.mmap(-1, 4096, prot=7)
page.write(bytes.fromhex("b814000000cd80c3"))
def go():
    import ctypes
    where = ctypes.addressof(ctypes.c_char.from_buffer(page))
    return ctypes.CFUNCTYPE(ctypes.c_int)(where)()
"""
    )
    assert values(ran(code, "1", "go()", "2")) == [1]


def test_what_holds_is_said(user: str, setting: str) -> None:
    held = ran("").isolation
    assert all(held["kernel"].values())
    assert held["seccomp"] is True
    assert held["namespaces"] is ("no namespaces" not in setting)
    assert held["root"] is held["namespaces"]


@pytest.mark.parametrize(
    ("parts", "weak"),
    [
        ((NO_NAMESPACES, NO_LANDLOCK), "files"),
        ((NO_NAMESPACES, NO_FILTER), "network, files, processes"),
        ((NO_FILTER, NO_GROUP), "memory"),
    ],
    ids=lambda value: "" if isinstance(value, tuple) else value,
)
def test_what_does_not_hold_is_refused(user: str, lacking: Any, parts: Any, weak: str) -> None:
    lacking(*parts)
    with pytest.raises(WeakIsolationError, match=rf"isolate {weak}.*trust_weak=True"):
        ran("", "1")
    assert values(ran("", "1", trust_weak=True)) == [1]


SEGMENTS = (
    NATIVE
    + """
def memory(megabytes):
    # fill a segment, let go of it, and take the next: no address space stays in use
    import ctypes
    libc.syscall.restype = ctypes.c_long
    got = 0
    while got < megabytes:
        segment = call(29, 0, 64 << 20, 0o1600)
        place = call(30, segment, 0, 0) if segment >= 0 else -1
        if place == -1: break
        ctypes.memset(place, 1, 64 << 20)
        call(67, ctypes.c_long(place))
        got += 64
    return got
def files(megabytes):
    got = 0
    for _ in range(60):
        file = call(319, b"x", 0)
        if file < 0: break
        try:
            while got < megabytes: got += os.write(file, bytes(1 << 20)) >> 20
        except OSError: pass
    return got
"""
)


def segments() -> list[str]:
    return Path("/proc/sysvipc/shm").read_text().splitlines()[1:]


def test_shared_memory_is_no_way_round_the_limit(user: str, setting: str) -> None:
    before = segments()
    assert values(ran(SEGMENTS, "memory(1800)", "files(1800)")) == [0, 0]
    assert segments() == before


@pytest.mark.skipif(os.geteuid() != 0, reason="making a group")
def test_a_group_holds_shared_memory_where_there_is_no_filter(lacking: Any) -> None:
    lacking(NO_FILTER)
    outcome = ran(SEGMENTS, "1", "files(1800)", "2")
    if not outcome.isolation["cgroup"]:
        pytest.skip("no control group can be made here")
    assert values(outcome) == [1]  # ended in the second
    assert groups() == []


def groups() -> list[Path]:
    """Control groups whose makers are gone, and that stay.

    A living maker is another worker's of the test run, and so may be what is gone in a moment.
    """
    left: list[Path] = []
    for _ in range(100):
        found = [p for p in Path("/sys/fs/cgroup").rglob("guerdon-sandbox-*") if p.is_dir()]
        left = [p for p in found if not Path("/proc", p.name.rpartition("-")[2]).exists()]
        if not left:
            break
        time.sleep(0.1)
    return left


FAMILY = (
    NATIVE
    + """
import time
def go(count, megabytes):
    for _ in range(count):
        if call(57) == 0:
            kept = bytearray(os.urandom(1 << 20) * megabytes)
            time.sleep(60)
    time.sleep(3)
    return "still here"
"""
)


@pytest.mark.parametrize("parts", [(), (NO_GROUP,)], ids=["a group", "no group"])
def test_processes_share_one_limit_of_memory(lacking: Any, parts: Any) -> None:
    lacking(*parts)
    several = Limits(cpu_seconds=4, wall_seconds=20, memory_mb=200, processes=4)
    (little,) = values(ran(FAMILY, "go(2, 8)", limits=several))
    assert little == "still here"
    began = time.monotonic()
    outcome = ran(FAMILY, "go(3, 120)", limits=several)
    killed_by_the_group = outcome.isolation["cgroup"] and values(outcome) == ["still here"]
    # Without a group a process may come to its own limit before the watch looks at the sum.
    assert values(outcome) in ([], ["MemoryError: "]) or killed_by_the_group
    assert time.monotonic() - began < 19
    assert sandboxed_processes() == []
    assert groups() == []


def test_a_killed_launcher_takes_its_program_along() -> None:
    """What it can't take along, an empty control group, the next one removes."""
    several = Limits(cpu_seconds=4, wall_seconds=60, memory_mb=200, processes=2)
    with ThreadPoolExecutor() as threads:
        running = threads.submit(ran, "import time; time.sleep(50)", "1", limits=several)
        deadline = time.monotonic() + 30
        while len(found := sandboxed_processes()) < 2 and time.monotonic() < deadline:
            time.sleep(0.1)
        os.kill(found[0], signal.SIGKILL)
        assert values(running.result()) == []
    assert sandboxed_processes() == []
    assert values(ran("", "1", limits=several)) == [1]
    assert groups() == []


def test_threads_run_where_processes_are_allowed() -> None:
    threads = """
import threading
def go():
    found = []
    several = [threading.Thread(target=found.append, args=(k,)) for k in range(2)]
    for one in several: one.start()
    for one in several: one.join()
    return sorted(found)
"""
    four = Limits(cpu_seconds=2, wall_seconds=10, processes=4)
    assert values(ran(threads, "go()", limits=four)) == [{"list": [0, 1]}]


FILL = """
def files(count, size):
    for k in range(count):
        with open(f"f{k}", "wb") as file: file.write(bytes(size))
    import time; time.sleep(1)
    return "still here"
def removed(count, size):
    kept = []
    for k in range(count):
        kept.append(open("f", "wb")); os.unlink("f"); kept[-1].write(bytes(size)); kept[-1].flush()
    import time; time.sleep(1)
    return "still here"
def nested():
    for k in range(3000):
        os.mkdir("d"); os.chdir("d")
"""


def test_the_scratch_folder_is_bounded_and_goes(
    user: str, setting: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A place of its own: tests beside this one have sandboxes in the common one.
    place = Path(tempfile.mkdtemp())
    place.chmod(0o777)
    monkeypatch.setattr(tempfile, "tempdir", str(place))
    for attack in ("files(40, 10 ** 6)", "removed(40, 10 ** 6)", "files(3000, 1)"):
        said = values(ran(NATIVE + FILL, attack))
        assert said == [] or "No space left" in said[0], attack
    assert values(ran(NATIVE + FILL, "files(10, 10 ** 5)")) == ["still here"]
    ran(NATIVE + FILL, "nested()")
    assert os.listdir(place) == []


def test_files_outside_stay_as_they_are(user: str, setting: str) -> None:
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o777)
    secret = folder / "secret"
    secret.write_text("42")
    secret.chmod(0o666)
    where, flags = str(secret).encode(), os.O_WRONLY | os.O_CREAT
    tries = [
        f"call(2, {where!r}, 0, 0)",
        f"call(2, {where!r}, {os.O_RDONLY | os.O_TRUNC}, 0)",
        f"call(2, {where!r}, {flags}, 0o600)",
        f"call(85, {where!r}, 0o600)",
        f"call(76, {where!r}, 0)",
        f"call(87, {where!r})",
        f"call(90, {where!r}, 0)",
        f"call(92, {where!r}, 1, 1)",
        f"call(132, {where!r}, 0)",
        f"call(82, {where!r}, b'stolen')",
        f"call(86, {where!r}, b'stolen')",
        f"call(83, {str(folder / 'new').encode()!r}, 0o700)",
        "call(2, b'/dev/shm/guerdon-test', 0o102, 0o600)",
        "call(2, b'/proc/self/mem', 2, 0)",
        "call(2, b'/etc/passwd', 0, 0)",
    ]
    before = secret.stat()
    assert values(ran(NATIVE, *tries)) == [-1] * len(tries)
    after = secret.stat()
    assert secret.read_text() == "42"
    assert (after.st_mode, after.st_mtime) == (before.st_mode, before.st_mtime)
    assert stat.S_IMODE(after.st_mode) == 0o666
    shutil.rmtree(folder)


def test_python_past_the_hook_meets_the_kernel(user: str, setting: str) -> None:
    """Four lines switch the hook off; what it refused, the kernel refuses."""
    tries = ("socket.socket()", "os.fork()", "os.kill(os.getppid(), 9)", "os.system('true')")
    tries += ("os.memfd_create('x')", "subprocess.run('true')", "open('/etc/passwd').read()")
    tries += ("threading.Thread(target=print).start()", "signal.pthread_kill(1, 9)")
    with_hook = values(ran("import os, socket", *tries[:4]))
    assert all("PermissionError" in one for one in with_hook)
    past = values(ran(DISARM + "import socket, subprocess, threading, signal", *tries))
    for said in past[:3] + past[4:8]:
        assert "implemented" in said or "OSError" in said or "Error: " in said, past
    assert past[3] in (-1, 32512, 65280) or "Error" in str(past[3])
    assert not any("sandbox refuses" in str(one) for one in past), "the hook was not off"


ORDINARY = """
import asyncio, bisect, calendar, cmath, collections, copy, csv, ctypes.util, dataclasses, datetime
import decimal, difflib, enum, fractions, functools, hashlib, heapq, inspect, io, itertools, json
import locale, logging, math, operator, os, pathlib, pickle, queue, random, re, resource, secrets
import shutil, signal, statistics, string, struct, sys, tempfile, textwrap, threading, time, typing
import unicodedata, uuid, zlib, zoneinfo
def go():
    sys.setrecursionlimit(20_000)
    resource.setrlimit(resource.RLIMIT_STACK, resource.getrlimit(resource.RLIMIT_STACK))
    signal.signal(signal.SIGALRM, lambda *_: None)
    signal.setitimer(signal.ITIMER_REAL, 0.01)
    time.sleep(0.02)
    signal.raise_signal(signal.SIGALRM)
    with tempfile.NamedTemporaryFile("w+") as file:
        file.write("a"); file.seek(0)
        assert file.read() == "a"
    pathlib.Path("a.csv").write_text("1,2")
    rows = list(csv.reader(open("a.csv")))
    os.rename("a.csv", "b.csv"); os.remove("b.csv")
    lock = threading.Lock()
    with lock: pass
    assert os.cpu_count() and os.getpid() and os.urandom(4) and uuid.uuid4() and random.random()
    assert time.time() and time.process_time() and datetime.datetime.now().year > 2000
    big = sum(len(str(k)) for k in range(10 ** 5))
    return rows, os.listdir("."), sys.stdout.write(""), big
"""


def test_ordinary_programs_run(user: str, setting: str) -> None:
    (value,) = values(ran(ORDINARY, "go()"))
    rows = {"list": [{"list": ["1", "2"]}]}
    assert value == {"tuple": [rows, {"list": []}, 0, 488890]}, value


def test_a_control_group_is_found_by_version(tmp_path: Path) -> None:
    """Version 2 is tried on a folder that looks like one; version 1 above, where it is there."""
    from guerdon.rewards.programs.sandbox import cgroup

    own = tmp_path / "self"
    own.write_text("4:cpu:/x\n0::/app/job\n")
    place = tmp_path / "cgroup" / "app" / "job"
    place.mkdir(parents=True)
    assert cgroup.make(1000, str(tmp_path / "cgroup"), str(own)) is None
    (place.parent / "cgroup.subtree_control").write_text("cpu memory\n")
    stale = place.parent / "guerdon-sandbox-999999999"
    stale.mkdir()
    made = cgroup.make(1000, str(tmp_path / "cgroup"), str(own))
    assert made == str(place.parent / f"guerdon-sandbox-{os.getpid()}")
    assert not stale.exists()
    cgroup.remove(made)
    assert not os.path.exists(made)
    assert cgroup.make(1000, str(tmp_path / "cgroup"), str(tmp_path / "none")) is None
