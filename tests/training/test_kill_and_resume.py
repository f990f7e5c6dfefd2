"""A real process is killed at random moments and resumed: the run equals one never killed."""

import random
import signal
import subprocess
import sys
import time

import pytest
from kills.comparing import differences, figures

ARGUMENTS = [
    "--loop.groups", "2", "--sampler.size", "4", "--loop.evaluation-tasks", "4",
    "--loop.checkpoint-every", "2", "--steps", "10", "--quiet",
]  # fmt: skip


def guerdon(*arguments):
    return [sys.executable, "-m", "guerdon.cli", "train", *arguments]


@pytest.mark.timeout(900)
@pytest.mark.parametrize("ahead", ["0", "1"])
def test_killed_runs_continue_bit_for_bit(tmp_path, ahead):
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    arguments = [*ARGUMENTS, "--loop.ahead", ahead]
    subprocess.run(guerdon("--out", str(whole), *arguments), check=True)
    source = random.Random(time.time_ns())  # other moments at every run of the test
    kills = 0
    command = guerdon("--out", str(killed), *arguments)
    while kills < 3:
        process = subprocess.Popen(command)
        try:
            started = time.monotonic()
            while not (killed / "metrics.jsonl").exists() and process.poll() is None:
                time.sleep(0.02)
                assert time.monotonic() - started < 240
            time.sleep(source.uniform(0.0, 1.0))
            if process.poll() is not None:
                break
        finally:
            process.send_signal(signal.SIGKILL)
            process.wait()
        kills += 1
        command = guerdon("--resume", str(killed), "--quiet")
    # A run that was quick is done already, and then this is refused.
    subprocess.run(guerdon("--resume", str(killed), "--quiet"), check=False)
    assert kills > 0
    assert differences(whole, killed) == []
    assert any(line.get("grad_norm") for line in figures(whole))
