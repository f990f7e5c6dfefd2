"""What a run prints may go nowhere: into a pipe that nobody reads, onto a disk that is full."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

SMALL = [
    "--loop.groups", "2", "--sampler.size", "4", "--loop.evaluation-tasks", "2",
    "--sampling.max-tokens", "12",
]  # fmt: skip

CHATTY = """
from guerdon.rewards import reward


@reward
def chatty(completion):
    print(completion * 100)
    return len(completion) / 1000
"""


def command(folder: Path) -> list[str]:
    (folder / "mine.py").write_text(CHATTY)
    begin = [sys.executable, "-m", "guerdon.cli", "train", "--reward", "mine.py:chatty"]
    return [*begin, "--steps", "3", "--out", "run", *SMALL]


@pytest.mark.timeout(300)
def test_a_closed_pipe_does_not_end_a_run(tmp_path: Path) -> None:
    reads, writes = os.pipe()
    os.close(reads)
    with (tmp_path / "err").open("wb") as errors:
        ended = subprocess.run(command(tmp_path), cwd=tmp_path, stdout=writes, stderr=errors)
    os.close(writes)
    assert ended.returncode == 0
    assert json.loads((tmp_path / "run/summary.json").read_text())["steps"] == 3
    assert (tmp_path / "run/report.html").exists()
    lines = (tmp_path / "run/metrics.jsonl").read_text().splitlines()
    assert [json.loads(line)["failed_rows"] for line in lines] == [0.0] * 3
    assert "roken" not in (tmp_path / "err").read_text()


@pytest.mark.timeout(300)
@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_full_disk_under_the_output_does_not_end_a_run(tmp_path: Path) -> None:
    with Path("/dev/full").open("wb") as full:
        ended = subprocess.run(command(tmp_path), cwd=tmp_path, stdout=full, stderr=full)
    assert ended.returncode == 0
    assert json.loads((tmp_path / "run/summary.json").read_text())["steps"] == 3
