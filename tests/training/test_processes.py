"""Two processes train as one does on the same global batch."""

import json
import subprocess
import sys

import pytest

SCRIPT = """
import sys
from pathlib import Path
from guerdon.recipes.grpo import build
from guerdon.rollout import Groups
from guerdon.training import Loop, train
loop = Loop(steps=3, groups=4, evaluation_tasks=6, minibatch=8, checkpoint_every=0)
train(build(loop=loop, sampler=Groups(4)), Path(sys.argv[1]), quiet=True)
"""


def curve(folder):
    lines = (folder / "metrics.jsonl").read_text().splitlines()
    return [(m["loss"], m["grad_norm"], m["reward"]) for m in map(json.loads, lines)]


def test_two_processes_have_the_curve_of_one(tmp_path):
    script = tmp_path / "run.py"
    script.write_text(SCRIPT)
    subprocess.run([sys.executable, script, tmp_path / "one"], check=True)
    launch = [sys.executable, "-m", "accelerate.commands.launch", "--cpu", "--num_processes", "2"]
    subprocess.run([*launch, str(script), str(tmp_path / "two")], check=True, timeout=240)
    one, two = curve(tmp_path / "one"), curve(tmp_path / "two")
    assert len(one) == len(two) == 3
    for a, b in zip(one, two, strict=True):
        assert a == pytest.approx(b, abs=2e-4)
    summaries = [json.loads((tmp_path / n / "summary.json").read_text()) for n in ("one", "two")]
    assert summaries[0]["before"]["mean"] == summaries[1]["before"]["mean"]
