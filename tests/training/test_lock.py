"""Two processes never write to one run, and a dead one keeps no folder shut."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from guerdon.cli import main
from guerdon.training import lock
from guerdon.training.lock import RunLock, RunLocked
from guerdon.training.run_folder import RunFolder

HOLD = """
import sys, time
from pathlib import Path
from guerdon.training.lock import RunLock
RunLock(Path(sys.argv[1])).acquire()
print("held", flush=True)
time.sleep(300)
"""


def holder(folder: Path) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(folder)], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    return process


def said(folder: Path, **changes: object) -> None:
    """A lock's file as somebody else left it."""
    content = {**lock._myself(), **changes}
    (folder / lock.NAME).write_text(json.dumps(content))


def test_a_live_holder_is_named_with_the_mend_and_a_killed_one_is_nobody(tmp_path: Path) -> None:
    process = holder(tmp_path)
    try:
        with pytest.raises(RunLocked) as refused:
            RunLock(tmp_path).acquire()
        for part in (f"process {process.pid}", socket.gethostname(), "since 20", "--out"):
            assert part in str(refused.value)
        assert f"kill {process.pid}" in str(refused.value)
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert (tmp_path / lock.NAME).exists()
    with RunLock(tmp_path):
        assert json.loads((tmp_path / lock.NAME).read_text())["pid"] == os.getpid()
    assert not (tmp_path / lock.NAME).exists()


def test_the_same_process_can_not_hold_it_twice(tmp_path: Path) -> None:
    with RunLock(tmp_path):
        with pytest.raises(RunLocked):
            RunLock(tmp_path).acquire()
        assert json.loads((tmp_path / lock.NAME).read_text())["pid"] == os.getpid()
    RunLock(tmp_path).acquire().release()


def test_a_forked_child_that_outlives_the_holder_holds_nothing(tmp_path: Path) -> None:
    code = HOLD.replace('print("held", flush=True)', "") + "\n"
    code = code.replace(
        "time.sleep(300)", 'import os\nif os.fork() == 0: time.sleep(60)\nprint("held", flush=True)'
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path)],
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        process.wait(60)
        RunLock(tmp_path).acquire().release()
    finally:
        os.killpg(process.pid, signal.SIGKILL)


@pytest.mark.parametrize("kept", [True, None])
def test_a_dead_process_whose_number_lives_on_is_dead(
    tmp_path: Path, kept: bool | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the kernel's lock and, where there is none, by the time of birth."""
    if kept is None:
        monkeypatch.setattr(lock, "_lock", lambda handle: None)
    said(tmp_path, birth="another boot 17")
    RunLock(tmp_path).acquire().release()
    (tmp_path / lock.NAME).write_text("torn {")
    RunLock(tmp_path).acquire().release()


def test_without_the_kernels_lock_a_live_holder_is_seen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lock, "_lock", lambda handle: None)
    said(tmp_path)
    with pytest.raises(RunLocked, match=f"process {os.getpid()} on"):
        RunLock(tmp_path).acquire()


def test_a_holder_on_another_machine_lives_while_it_gives_signs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lock, "BEAT", 0.2)
    said(tmp_path, host="elsewhere", pid=7)
    RunLock(tmp_path).acquire().release()  # it was silent
    said(tmp_path, host="elsewhere", pid=7)
    over = threading.Event()

    def live() -> None:
        while not over.wait(0.05):
            os.utime(tmp_path / lock.NAME)

    other = threading.Thread(target=live)
    other.start()
    try:
        with pytest.raises(RunLocked, match="process 7 on elsewhere"):
            RunLock(tmp_path).acquire()
    finally:
        over.set()
        other.join()


def test_a_holder_gives_signs_of_life(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lock, "BEAT", 0.05)
    with RunLock(tmp_path):
        os.utime(tmp_path / lock.NAME, (0, 0))
        waiting = threading.Event()
        for _ in range(200):
            if (tmp_path / lock.NAME).stat().st_mtime > 0:
                break
            waiting.wait(0.05)
        assert (tmp_path / lock.NAME).stat().st_mtime > 0


def test_a_run_that_is_being_written_is_refused_whole_and_can_be_read(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "run"
    arguments = ["train", "--steps", "2", "--loop.groups", "2", "--sampler.size", "4"]
    arguments += ["--loop.evaluation-tasks", "0", "--loop.checkpoint-every", "1", "--quiet"]
    assert main([*arguments, "--steps", "1", "--out", str(folder)]) == 0
    (folder / "summary.json").unlink()  # as if killed before its end
    written = (folder / "metrics.jsonl").read_bytes()
    process = holder(folder)
    try:
        capsys.readouterr()
        assert main(["train", "--resume", str(folder), "--quiet"]) == 1
        assert f"process {process.pid} on" in capsys.readouterr().err
        assert (folder / "metrics.jsonl").read_bytes() == written
        assert main(["report", str(folder)]) == 0
    finally:
        process.kill()
        process.wait()
    assert main(["train", "--resume", str(folder), "--quiet"]) == 0


def test_two_starts_in_one_new_folder_do_not_both_begin(tmp_path: Path) -> None:
    """Both looked before either wrote; the second is refused and leaves the first's files."""
    first, second = RunFolder(tmp_path / "run"), RunFolder(tmp_path / "run")
    first.claim("name: first\n")
    with pytest.raises(RunLocked):
        second.claim("name: second\n")
    assert (tmp_path / "run/recipe.yaml").read_text() == "name: first\n"
    first.release()
    second.undo()
    with pytest.raises(FileExistsError, match="already holds a run"):
        second.claim("name: second\n")
    second.undo()
    assert (tmp_path / "run/recipe.yaml").read_text() == "name: first\n"
