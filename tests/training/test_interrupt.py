"""Ctrl-C on a real process: it ends between two steps, whole, and can be resumed."""

import json
import signal
import subprocess
import sys
import time

import pytest

ARGUMENTS = [
    "--loop.groups", "2", "--loop.group-size", "4", "--loop.evaluation-tasks", "4",
    "--loop.checkpoint-every", "0", "--steps", "1000",
]  # fmt: skip


def has_text(path):
    return path.exists() and path.stat().st_size > 0


@pytest.mark.timeout(600)
@pytest.mark.parametrize("ahead", ["0", "1"])
def test_ctrl_c_saves_a_checkpoint_prints_a_summary_and_says_130(tmp_path, ahead):
    folder = tmp_path / "run"
    command = [sys.executable, "-m", "guerdon.cli", "train", "--out", str(folder), *ARGUMENTS]
    command += ["--loop.ahead", ahead]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        started = time.monotonic()
        # The file is there, and empty, before the first step ends.
        while not has_text(folder / "metrics.jsonl") and process.poll() is None:
            time.sleep(0.05)
            assert time.monotonic() - started < 240
        process.send_signal(signal.SIGINT)
        printed, _ = process.communicate(timeout=240)
    finally:
        process.kill()
    assert process.returncode == 130
    steps = len((folder / "metrics.jsonl").read_text().splitlines())
    assert 1 <= steps < 1000
    assert f"grpo stopped after {steps} of 1000 steps" in printed
    assert f"guerdon train --resume {folder}" in printed
    assert "grpo done" not in printed
    assert (folder / "checkpoints" / f"step-{steps:06d}" / "state.pt").is_file()
    summary = json.loads((folder / "summary.json").read_text())
    assert summary["steps"] == steps
    assert {"before", "after"} <= set(summary)
    assert (folder / "report.html").is_file()
