"""Programs in the sandbox: tests that pass and fail, and programs that try to get out."""

from __future__ import annotations

import errno
import os
import platform
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from rewards.completions import rollouts_of
from rewards.launched import sandboxed_processes

from guerdon.records import Progress, Scores, Task
from guerdon.rewards.programs import sandbox
from guerdon.rewards.programs.code import CodeReward, program_of
from guerdon.rewards.programs.code_cases import passes, read_assertion, read_case
from guerdon.rewards.programs.sandbox import Limits, run_sandboxed

try:
    HELD = bool(sandbox.isolation_in_force()["kernel"])
except sandbox.SandboxError:
    HELD = False
kernel = pytest.mark.skipif(not HELD, reason="the kernel grants no namespaces here")
x86 = pytest.mark.skipif(platform.machine() != "x86_64", reason="numbers of system calls")
QUICK = Limits(cpu_seconds=1, wall_seconds=6, memory_mb=256, output_kb=64, scratch_mb=2)


def judged(*programs: str, tests: Any = ("assert f(2) == 3",), **settings: Any) -> Scores:
    task = Task("t", "q", None, {"tests": list(tests)})
    return CodeReward(**{"limits": QUICK, **settings})(rollouts_of(programs, task), Progress())


def value_of(program: str, **more: Any) -> float:
    scores = judged(program, **more)
    assert scores.valid.all(), scores.reasons
    return float(scores.value.item())


def inside(source: str, *expressions: str, limits: Limits = QUICK, **more: Any) -> list[Any]:
    """What expressions give after ``source`` in a sandbox."""
    cases = [{"expression": e} for e in expressions]
    lines = run_sandboxed(source, cases, limits, **more).lines
    return [line.get("value", line.get("error")) for line in lines if line]


NATIVE = """
import gc, os
libc = next(o for o in gc.get_objects() if type(o).__name__ == "CDLL")
NUMBERS = dict(
    open=2, pause=34, socket=41, connect=42, sendto=44, fork=57, kill=62, mkdir=83, unlink=87,
    ptrace=101, setuid=105, setsid=112, chroot=161, mount=165, umount2=166, unshare=272,
)
class Native:
    def __getattr__(self, name):
        return lambda *given: libc.syscall(NUMBERS[name], *given)
native = Native()
"""
"""Finds the C library's syscall function in memory, so that nothing passes the audit hook."""


@kernel
def test_right_and_wrong_programs() -> None:
    right = "def f(x):\n    return x + 1"
    assert value_of(right) == 1
    assert value_of(f"So:\n```python\n{right}\n```\ndone") == 1
    for wrong in ("def f(x): return x", "def f(x): 1/0", "def g(x): return 3", "not python", ""):
        assert value_of(wrong) == 0
    tests = ("assert f(2) == 3", "assert f(0) == 5")
    assert value_of(right, tests=tests) == 0
    assert value_of(right, tests=tests, partial=True) == 0.5


@kernel
def test_values_keep_their_types() -> None:
    program = "def f(x): return {1: (2, [3.5, None]), 'a': {x}}"
    assert value_of(program, tests=["assert f(4) == {1: (2, [3.5, None]), 'a': {4}}"]) == 1
    assert value_of(program, tests=["assert f(5) == {1: (2, [3.5, None]), 'a': {4}}"]) == 0
    nan = "def f(x): return float('nan')"
    assert value_of(nan, tests=["assert f(4) == 1"]) == 0
    assert value_of("def f(x): return object()", tests=["assert f(4) == 1"]) == 0


@kernel
def test_programs_on_standard_input() -> None:
    tests = [{"stdin": "2 3\n", "stdout": "5\n"}, {"stdin": "1 1", "stdout": "2"}]
    assert value_of("print(sum(map(int, input().split())))", tests=tests) == 1
    by_bytes = "import sys\na = sys.stdin.buffer.read().split()\nprint(int(a[0]) + int(a[1]), ' ')"
    assert value_of(by_bytes, tests=tests) == 1
    assert value_of("print(5)", tests=tests, partial=True) == 0.5
    assert value_of("print(5)\nraise SystemExit(0)", tests=tests[:1]) == 1


@kernel
def test_many_programs_keep_their_order() -> None:
    programs = [f"def f(x): return x + {k % 3}" for k in range(12)]
    assert judged(*programs).value.tolist() == [float(k % 3 == 1) for k in range(12)]


@kernel
def test_endless_programs_end() -> None:
    began = time.monotonic()
    tests = ["assert f(1) == 1", "assert f(2) == 3"]
    loop = "def f(x):\n    if x == 1: return 1\n    while True: pass"
    assert value_of(loop, tests=tests, partial=True) == 0.5
    deaf = """
import signal
for n in (2, 14, 15, 24): signal.signal(n, signal.SIG_IGN)
while True:
    try:
        while True: pass
    except BaseException: pass
"""
    assert value_of(deaf) == 0
    assert value_of("import time\ntime.sleep(1000)", limits=Limits(wall_seconds=2)) == 0
    assert time.monotonic() - began < 40


@kernel
def test_memory_and_output_end() -> None:
    assert inside("", "len('x' * 10**9)") == ["MemoryError: "]
    flood = """
import os
while True:
    for n in range(64):
        try: os.write(n, b"x" * 9999)
        except OSError: pass
"""
    deep = """
def f(x):
    nested = []
    for _ in range(10**5): nested = [nested]
    return nested
"""
    for program in (
        "x = []\nwhile True: x.append('y' * 10**6)",
        "def f(x): return 'x' * 10**7",
        "while True: print('x' * 1000)",
        "def f(x): return f(x)",
        flood,
        deep,
    ):
        assert value_of(program) == 0


@kernel
@x86
def test_files_are_out_of_reach(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("42")
    tmp_path.chmod(0o777)
    secret.chmod(0o666)
    read, write, scratch = inside(
        "",
        f"open({str(secret)!r}).read()",
        f"open({str(secret)!r}, 'w').write('43')",
        "open('mine', 'w').write('hello') + len(open('mine').read())",
    )
    assert "FileNotFoundError" in read
    assert "PermissionError" in write
    assert scratch == 10
    # past the audit hook: open for writing, remove, make a folder
    flags = os.O_WRONLY | os.O_CREAT
    paths = [str(secret), "/x", "/usr/lib/x", os.path.dirname(os.__file__) + "/x"]
    tries = [f"native.open({p.encode()!r}, {flags}, 0o600)" for p in paths]
    tries += [f"native.unlink({str(secret).encode()!r})", "native.mkdir(b'/new', 0o700)"]
    assert inside(NATIVE, *tries) == [-1] * len(tries)
    assert inside(NATIVE, f"native.open(b'/scratch/x', {flags}, 0o600) > 0") == [True]
    assert secret.read_text() == "42"


@kernel
def test_the_scratch_folder_is_small_and_goes() -> None:
    fill = """
def go():
    for k in range(20):
        open(str(k), "wb").write(b"x" * 10**6)
"""
    assert "No space left" in inside(fill, "go()")[0]
    assert inside("import os", "os.listdir('.')") == [{"list": []}]


@kernel
@x86
def test_the_network_is_out_of_reach() -> None:
    refused = inside("import socket", "socket.socket()", "socket.getaddrinfo('localhost', 80)")
    assert all("PermissionError" in one for one in refused)
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        # struct sockaddr_in: family, port, address
        address = (2).to_bytes(2, sys.byteorder) + port.to_bytes(2, "big")
        address += bytes([127, 0, 0, 1]) + bytes(8)
        tcp = f"native.connect(native.socket(2, 1, 0), {address!r}, 16)"
        udp = f"native.sendto(native.socket(2, 2, 0), b'x', 1, 0, {address!r}, 16)"
        assert inside(NATIVE, "native.socket(2, 1, 0)", tcp, udp) == [-1, -1, -1]


@kernel
@x86
def test_processes_are_limited() -> None:
    tries = ("os.fork()", "os.system('true')", "subprocess.run('true')")
    refused = inside("import os, subprocess", *tries)
    assert all("PermissionError" in one for one in refused)
    assert inside(NATIVE, "native.fork()") == [-1]
    (thread,) = inside("import threading", "threading.Thread(target=print).start()")
    assert "start new thread" in thread
    forks = """
def go():
    made = 0
    while made < 50 and (child := native.fork()) >= 0:
        if child == 0:
            native.pause()
        made += 1
    return made
"""
    four = Limits(cpu_seconds=1, wall_seconds=6, processes=4)
    assert inside(NATIVE + forks, "go()", limits=four) == [3]


@kernel
@x86
def test_a_fork_bomb_ends_with_its_sandbox() -> None:
    bomb = NATIVE + "\nnative.setsid()\nwhile True: native.fork()"
    began = time.monotonic()
    assert value_of(bomb, limits=Limits(cpu_seconds=1, wall_seconds=3, processes=8)) == 0
    assert time.monotonic() - began < 20
    assert sandboxed_processes() == []


@kernel
@x86
def test_other_processes_are_out_of_sight() -> None:
    me = os.getpid()
    tries = [f"native.kill({me}, 0)", "native.kill(-1, 9)", f"native.ptrace(16, {me}, 0, 0)"]
    tries += ["os.getpid()", "os.path.exists('/proc')"]
    assert inside(NATIVE, *tries) == [-1, -1, -1, 1, False]


@kernel
@x86
def test_no_way_back_to_privileges() -> None:
    tries = [
        "native.setuid(0)",
        "native.mount(b'none', b'/scratch', b'tmpfs', 0, b'')",
        "native.umount2(b'/scratch', 2)",
        "native.chroot(b'/scratch')",
    ]
    assert inside(NATIVE, *tries) == [-1] * 4
    # a user namespace of its own gives capabilities there, yet neither mounts nor processes
    more = ["native.unshare(0x10020000)", "native.mount(b'none', b'/scratch', b'tmpfs', 0, b'')"]
    assert inside(NATIVE, *more)[1] == -1
    assert inside(NATIVE + "native.unshare(0x10000000)", "native.fork()") == [-1]


@kernel
def test_expected_values_are_not_there_to_be_found() -> None:
    search = """
import gc, sys
def strings():
    found = []
    frame = sys._getframe()
    while frame:
        found.append(repr(frame.f_locals)); frame = frame.f_back
    found += [repr(o) for o in gc.get_objects() if type(o) in (dict, list, tuple)]
    return "".join(found)
def f(x): return "".join(("90785", "63412")) in strings(), str(777000 + 123) in strings()
"""
    cases = [read_assertion("assert f(777123) == 9078563412")]
    (line, *_) = run_sandboxed(search, [g for c in cases for g in c.given], QUICK).lines
    assert line["value"] == {"tuple": [False, True]}  # the input is there, the answer is not


@kernel
def test_packages_only_where_allowed() -> None:
    numpy = "import numpy\ndef f(x): return int(numpy.arange(x + 2)[-1]) + 0"
    assert value_of(numpy) == 0
    assert value_of(numpy, packages=True, limits=Limits(cpu_seconds=8, memory_mb=2048)) == 1


@kernel
def test_a_killed_owner_takes_the_sandbox_along(tmp_path: Path) -> None:
    script = """
from guerdon.rewards.programs.sandbox import Limits, run_sandboxed
run_sandboxed("import time; time.sleep(60)", [{"expression": "1"}], Limits(wall_seconds=60))
"""
    here = {**os.environ, "TMPDIR": str(tmp_path)}
    owner = subprocess.Popen([sys.executable, "-c", script], env=here)
    deadline = time.monotonic() + 60
    while len(sandboxed_processes()) < 2 and time.monotonic() < deadline:
        time.sleep(0.2)
    assert len(sandboxed_processes()) == 2
    owner.kill()
    owner.wait()
    time.sleep(0.5)
    assert sandboxed_processes() == []
    assert os.listdir(tmp_path) == []


def test_weak_isolation_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    weak = b'{"kernel": {"network": false, "files": true}}\n'
    monkeypatch.setattr(sandbox, "_exchange", lambda *_: (weak, ""))
    with pytest.raises(sandbox.WeakIsolationError, match=r"isolate network of .*trust_weak=True"):
        run_sandboxed("", [], QUICK)
    assert run_sandboxed("", [], QUICK, trust_weak=True).isolation["kernel"]["files"]
    scores = judged("def f(x): return x + 1")
    assert (scores.valid.tolist(), "isolate network of" in str(scores.reasons)) == ([False], True)
    assert str(scores.errors[0]).startswith("WeakIsolationError: the kernel does not isolate")
    task = Task("t", "q", None, {"tests": ["assert f(2) == 3"]})
    with pytest.raises(ValueError, match=r"isolate network of .*trust_weak=True"):
        CodeReward().check_tasks([task])
    CodeReward(trust_weak=True).check_tasks([task])


def test_a_sandbox_that_does_not_start_is_invalid(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sandbox, "_LAUNCHER", Path("/nowhere/launcher.py"))
    scores = judged("def f(x): return x + 1")
    assert not scores.valid.any()
    assert "did not start" in str(scores.reasons[0])
    assert str(scores.errors[0]).startswith("SandboxError: ")


@pytest.mark.parametrize("place", ["subprocess.Popen", "tempfile.TemporaryDirectory"])
def test_a_machine_without_room_makes_a_row_invalid(place: str) -> None:
    """No process, no file: it is no fault of the program's, and ends nothing."""

    def full(*_: Any, **__: Any) -> Any:
        raise OSError(errno.EAGAIN, "Resource temporarily unavailable")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(f"guerdon.rewards.programs.sandbox.{place}", full)
        scores = judged("def f(x): return x + 1")
    assert (scores.valid.tolist(), "unavailable" in str(scores.reasons)) == ([False], True)
    assert str(scores.errors[0]).startswith("SandboxError: ")


def test_no_program_is_no_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("guerdon.rewards.programs.code.run_sandboxed", None)
    texts = ["", " \n", "<think>```python\nx = 1\n```", "```js\nx\n```", "x" * 100_001]
    assert judged(*texts).value.tolist() == [0.0] * 5


def test_tests_that_cannot_be_graded_make_rows_invalid() -> None:
    for tests in (None, [], "assert f() == 1", [3], ["assert f(1) == 2", "assert f(1) == g(1)"]):
        task = Task("t", "q", None, {"tests": tests})
        scores = CodeReward()(rollouts_of(["x = 1", ""], task), Progress())
        assert not scores.valid.any()
        assert all("task 't': column 'tests'" in str(reason) for reason in scores.reasons)
        with pytest.raises(ValueError, match="task 't': column 'tests'"):
            CodeReward().check_tasks([task])
    assert "test 2: 'assert f(1) == g(1)'" in str(scores.reasons[0])
    many = [Task(str(k), "q", None, {"tests": []}) for k in range(8)]
    with pytest.raises(ValueError, match=r"task '4'.* and 3 tasks more"):
        CodeReward().check_tasks(many)
    CodeReward().check_tasks([Task("t", "q", None, {"tests": ["assert f(1) == 2"]})])


def test_the_last_block_counts() -> None:
    two = "```python\nfirst\n```\ntext ```PY\nsecond\n```"
    assert program_of(two) == "second\n"
    assert program_of(two + " ```python\nnever closed") == "never closed"
    assert program_of("```js\nx\n```") is None
    assert program_of("<answer>x = 1</answer>") == "x = 1"
    assert program_of("<think>```python\nx = 1\n```") == ""


def test_a_tolerance_is_of_numbers_and_of_nothing_else() -> None:
    def came(printed: str, tolerance: float) -> bool:
        case = read_case({"stdin": "", "stdout": "a 1.0\n\nb 20", "tolerance": tolerance})
        return passes(case, [{"case": 0, "output": printed}])

    assert came("a 1.0\n\nb 20\n", 0.0)
    assert not came("a 1.00\n\nb 20", 0.0)
    assert came("a  1.009 \n\nb 19.9", 0.01)
    for printed in ("a 1.02\n\nb 20", "a 1.0\nb 20", "c 1.0\n\nb 20", "a 1.0\n\nb nan", "a 1\n\nb"):
        assert not came(printed, 0.01)
    for wrong in (True, 1.0, -0.1, "x", None):
        with pytest.raises(ValueError, match="tolerance is"):
            read_case({"stdin": "", "stdout": "", "tolerance": wrong})


def test_limits_must_be_positive() -> None:
    with pytest.raises(ValueError, match=r"Limits\.processes is 0"):
        Limits(processes=0)
