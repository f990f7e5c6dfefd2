"""Two processes train as one does on the same global batch."""

import json
import subprocess
import sys

import pytest

SCRIPT = """
import sys
from pathlib import Path
from guerdon.curriculum import ReplayedRows
from guerdon.monitors import GroupSpread
from guerdon.recipes.grpo import build
from guerdon.rollout import Groups
from guerdon.tasks import Arithmetic
from guerdon.training import Exam, Loop, train
beside = {
    "buffer": ReplayedRows(share=0.5),
    "monitors": (GroupSpread(),),
    "exams": (Exam("five", Arithmetic(), count=5),),
}
loop = Loop(steps=3, groups=4, evaluation_tasks=6, minibatch=8, checkpoint_every=0)
train(build(loop=loop, sampler=Groups(4), **beside), Path(sys.argv[1]), quiet=True)
"""


def curve(folder):
    lines = (folder / "metrics.jsonl").read_text().splitlines()
    names = ("loss", "grad_norm", "reward", "learned_rows", "monitor/group-spread/dead")
    return [[m[name] for name in names] for m in map(json.loads, lines)]


def test_two_processes_have_the_curve_of_one(tmp_path):
    script = tmp_path / "run.py"
    script.write_text(SCRIPT)
    subprocess.run([sys.executable, script, tmp_path / "one"], check=True)
    launch = [sys.executable, "-m", "accelerate.commands.launch", "--cpu", "--num_processes", "2"]
    subprocess.run([*launch, str(script), str(tmp_path / "two")], check=True, timeout=240)
    one, two = curve(tmp_path / "one"), curve(tmp_path / "two")
    assert len(one) == len(two) == 3
    assert one[-1][3] > 16  # rows of earlier steps come again
    for a, b in zip(one, two, strict=True):
        assert a == pytest.approx(b, abs=2e-4)
    summaries = [json.loads((tmp_path / n / "summary.json").read_text()) for n in ("one", "two")]
    assert summaries[0]["before"]["mean"] == summaries[1]["before"]["mean"]
    exams = [summary["exams"]["five"]["before"] for summary in summaries]
    assert exams[0]["mean"] == exams[1]["mean"]
    assert exams[0]["tasks"] == exams[1]["tasks"] == 5
