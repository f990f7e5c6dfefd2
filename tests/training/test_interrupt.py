"""Signals to a real process and to the handler: a run ends between two steps, whole."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from kills.comparing import left_behind

from guerdon.training.checkpoint import load_newest
from guerdon.training.interrupt import Ended, Interrupt

ARGUMENTS = [
    "--loop.groups", "2", "--sampler.size", "4", "--loop.evaluation-tasks", "4",
    "--loop.checkpoint-every", "0", "--steps", "1000",
]  # fmt: skip


@pytest.fixture(autouse=True)
def hangups_are_heard():
    """As in a terminal; under nohup they are not, and children would not hear them either."""
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    yield
    signal.signal(signal.SIGHUP, before)


def until_written(process: subprocess.Popen[str], file: Path) -> None:
    started = time.monotonic()
    while not (file.exists() and file.stat().st_size > 0) and process.poll() is None:
        time.sleep(0.05)
        assert time.monotonic() - started < 240


def signalled(folder: Path, number: int, *arguments: str) -> tuple[int, str, str]:
    """Train, send a signal after the first step; status, stdout and stderr."""
    command = [sys.executable, "-m", "guerdon.cli", "train", "--out", str(folder), *arguments]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        until_written(process, folder / "metrics.jsonl")
        process.send_signal(number)
        printed, told = process.communicate(timeout=240)
    finally:
        process.kill()
    return process.returncode, printed, told


@pytest.mark.timeout(600)
@pytest.mark.parametrize(
    ("name", "ahead", "status"), [("SIGINT", "1", 130), ("SIGTERM", "0", 143), ("SIGHUP", "0", 129)]
)
def test_a_signal_saves_a_checkpoint_and_says_how_to_go_on(
    tmp_path: Path, name: str, ahead: str, status: int
) -> None:
    folder = tmp_path / "a run"
    number = getattr(signal, name)
    ended, printed, told = signalled(folder, number, *ARGUMENTS, "--loop.ahead", ahead)
    assert ended == status
    steps = len((folder / "metrics.jsonl").read_text().splitlines())
    assert 1 <= steps < 1000
    assert f"grpo stopped after {steps} of 1000 steps" in printed
    assert f"go on with: guerdon train --resume '{folder}'" in printed
    assert "grpo done" not in printed
    assert "a checkpoint is written" in told
    saved = load_newest(folder / "checkpoints", pytest.fail)
    assert saved is not None
    assert saved["step"] == steps
    summary = json.loads((folder / "summary.json").read_text())
    assert summary["steps"] == steps
    assert summary["stopped"]["by"] == name
    if name == "SIGINT":
        assert {"before", "after"} <= set(summary)
        assert "skipped" not in summary["stopped"]
        assert (folder / "report.html").is_file()
    else:
        assert "after" not in summary
        assert summary["stopped"]["skipped"] == ["held-out evaluation", "page"]
        assert "held-out evaluation" in printed
    assert (folder / "model/model.safetensors").is_file()
    assert left_behind(folder) == []


@pytest.mark.timeout(600)
def test_a_run_on_a_file_ends_whole_and_can_be_gone_on_with(tmp_path: Path) -> None:
    file, folder = tmp_path / "pairs.jsonl", tmp_path / "run"
    rows = [{"prompt": f"{i}+1?\n", "chosen": f"{i + 1}", "rejected": "no"} for i in range(4000)]
    file.write_text("\n".join(map(json.dumps, rows)))
    arguments = ["--rankings", str(file), "--batch", "2", "--pairs.held-out", "0.002"]
    ended, printed, told = signalled(folder, signal.SIGTERM, *arguments)
    assert ended == 143
    assert "a checkpoint is written" in told
    assert f"go on with: guerdon train --resume {folder}" in printed
    summary = json.loads((folder / "summary.json").read_text())
    assert summary["stopped"]["by"] == "SIGTERM"
    assert (folder / "model/model.safetensors").is_file()
    saved = load_newest(folder / "checkpoints", pytest.fail)
    assert saved is not None
    assert saved["step"] == summary["steps"] == len((folder / "metrics.jsonl").open().readlines())
    assert left_behind(folder) == []


def send(name: str) -> None:
    os.kill(os.getpid(), getattr(signal, name))


def test_before_there_is_anything_to_keep_a_signal_ends_at_once() -> None:
    for name, status in (("SIGINT", 130), ("SIGTERM", 143), ("SIGHUP", 129)):
        with pytest.raises(Ended) as ended, Interrupt():
            send(name)
        assert ended.value.status == status


def test_the_second_is_urgent_and_the_third_gives_up_and_says_what_is_lost(
    capfd: pytest.CaptureFixture[str],
) -> None:
    with Interrupt() as interrupt:
        interrupt.patient(lambda: "3 steps are lost", lambda: " (within about 9 s)")
        send("SIGINT")
        assert (interrupt.requested, interrupt.urgent) == (True, False)
        assert "the step under way ends (within about 9 s), a checkpoint" in capfd.readouterr().err
        send("SIGINT")
        assert interrupt.urgent
        assert "a third one gives up" in capfd.readouterr().err
        with pytest.raises(Ended, match="3 steps") as ended:
            send("SIGINT")
    assert ended.value.status == 130


def test_sigterm_is_urgent_at_once_and_outranks_ctrl_c() -> None:
    with Interrupt() as interrupt:
        interrupt.patient(str)
        send("SIGINT")
        assert not interrupt.urgent
        send("SIGTERM")
        assert interrupt.urgent
        assert interrupt.name == "SIGTERM"
        assert interrupt.measure(lambda: pytest.fail("there is no time")) is None


def test_giving_up_waits_for_what_is_being_written_and_not_for_longer() -> None:
    done = []

    def write(signals: int) -> None:
        with Interrupt() as interrupt:
            interrupt.patient(str)
            with interrupt.whole():
                for _ in range(signals):
                    send("SIGINT")
                done.append("written")
            done.append("gone on")

    with pytest.raises(Ended):
        write(3)
    assert done == ["written"]
    with pytest.raises(Ended):
        write(4)
    assert done == ["written"]


def test_measuring_is_broken_off_when_it_is_urgent_and_only_then() -> None:
    def one() -> str:
        send("SIGINT")
        return "measured"

    def two() -> str:
        one()
        return one()

    with Interrupt() as interrupt:
        interrupt.patient(str)
        assert interrupt.measure(one) == "measured"
    with Interrupt() as interrupt:
        interrupt.patient(str)
        assert interrupt.measure(two) is None
        assert interrupt.count == 2  # and the run goes on to save


def test_handlers_are_those_of_before_again_and_nohup_stays() -> None:
    before = [signal.getsignal(s) for s in (signal.SIGINT, signal.SIGTERM)]
    hangup = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with Interrupt() as interrupt:
            interrupt.patient(str)
            send("SIGHUP")
            assert not interrupt.requested
        assert [signal.getsignal(s) for s in (signal.SIGINT, signal.SIGTERM)] == before
    finally:
        signal.signal(signal.SIGHUP, hangup)


@pytest.mark.parametrize(("name", "survives"), [("SIGINT", True), ("SIGTERM", False)])
def test_a_forked_worker_is_its_owners_to_end(name: str, survives: bool) -> None:
    with Interrupt() as interrupt:
        interrupt.patient(str)
        child = os.fork()
        if child == 0:
            send(name)
            os._exit(7)
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    assert status == (7 if survives else -signal.SIGTERM)
    assert not interrupt.requested
