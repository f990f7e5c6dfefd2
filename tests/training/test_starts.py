"""A start that fails leaves nothing, and what can't be resumed says what to do instead."""

from __future__ import annotations

import json
import shlex
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from kills.entries import LOOP, policy_run

from guerdon.cli import main
from guerdon.recipes.grpo import build
from guerdon.records import Progress, Rollouts, Scores
from guerdon.sealed import SUMS
from guerdon.training import TooManyFailed, train
from guerdon.training.recipe_file import recipe_text
from guerdon.training.telemetry import Telemetry

Captured = pytest.CaptureFixture[str]

QUICK = ["--steps", "1", "--loop.groups", "2", "--sampler.size", "4"]
QUICK += ["--loop.evaluation-tasks", "2", "--quiet"]


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs") / "a run"
    assert policy_run("default").start(folder) == 0
    return folder


@pytest.mark.parametrize("there", [False, True])
@pytest.mark.parametrize(
    "wrong",
    [
        ["--reward", "{mine}:wrong"],
        ["--trackers", "no-such-tracker"],
        ["--model.name", "./no-such-folder"],
        ["--tasks.train", "0"],
        ["--advantage", "gae"],
    ],
)
def test_a_start_that_fails_leaves_no_folder_and_the_next_one_begins(
    tmp_path: Path, capsys: Captured, wrong: list[str], there: bool
) -> None:
    mine, folder = tmp_path / "mine.py", tmp_path / "runs/run"
    mine.write_text("def wrong(completion, no_such_column):\n    return 1.0\n")
    if there:
        folder.mkdir(parents=True)
        (folder / "notes.txt").write_text("mine")
    arguments = [a.format(mine=mine) for a in wrong]
    try:
        status = main(["train", *QUICK, "--out", str(folder), *arguments])
    except Exception:  # a reward's own, until it is told: what counts here is the folder
        status = 1
    assert status != 0
    capsys.readouterr()
    left = sorted(p.name for p in tmp_path.rglob("*"))
    assert left == (["mine.py", "notes.txt", "run", "runs"] if there else ["mine.py"])
    assert main(["train", *QUICK, "--out", str(folder)]) == 0


class Failing:
    """A reward that breaks after ``at`` calls, and for good."""

    def __init__(self, at: int) -> None:
        self.at = at

    def __call__(self, rollouts: Rollouts, progress: Progress) -> Scores:
        self.at -= 1
        if self.at < 0:
            raise RuntimeError("the reward broke")
        return Scores(torch.tensor([float(len(text)) for text in rollouts.texts]))


@pytest.mark.parametrize(("at", "left"), [(0, False), (1, False), (2, True)])
def test_a_run_is_on_disk_from_its_first_step_on(tmp_path: Path, at: int, left: bool) -> None:
    """It breaks in the first evaluation, the first step, the second step."""
    made = build(loop=replace(LOOP, checkpoint_every=1))
    object.__setattr__(made, "reward", Failing(at))
    describable = build(loop=made.loop)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("guerdon.training.telemetry.recipe_text", lambda _: recipe_text(describable))
        with pytest.raises(TooManyFailed, match="the reward broke"):
            train(made, tmp_path / "run", quiet=True)
    assert (tmp_path / "run").exists() == left
    if left:
        assert not (tmp_path / "run/run.lock").exists()
        assert train(describable, tmp_path / "run", quiet=True, resume=True).history


def test_a_tracker_that_fails_to_start_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_account(*arguments: object) -> None:
        raise ValueError("no account")

    begun = Telemetry.begin

    def begin(self: Telemetry, *arguments: object) -> None:
        monkeypatch.setattr("guerdon.training.telemetry.Trackers", no_account)
        begun(self, *arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(Telemetry, "begin", begin)
    with pytest.raises(ValueError, match="no account"):
        train(build(loop=LOOP), tmp_path / "runs/run", quiet=True)
    assert list(tmp_path.iterdir()) == []


def refused(folder: Path, capsys: Captured) -> str:
    """What `--resume` says of a folder that it can't resume: one line; nothing is written."""
    before = sorted(folder.rglob("*")) if folder.exists() else []
    capsys.readouterr()
    assert main(["train", "--resume", str(folder), "--quiet", "--trust", "kills.entries"]) == 1
    told = capsys.readouterr().err
    assert told.count("\n") == 1
    assert "Errno" not in told
    assert (sorted(folder.rglob("*")) if folder.exists() else []) == before
    return told


def mended(told: str, more: list[str], after: str = "guerdon ") -> int:
    """Run the command that a message ends with."""
    command = shlex.split(told[told.rindex(after) + len(after) :].strip())
    return main([*command, *more])


def test_resuming_nothing(tmp_path: Path, capsys: Captured, finished: Path) -> None:
    told = refused(tmp_path / "nothing", capsys)
    assert f"there is no folder {tmp_path / 'nothing'} to resume; guerdon train --out" in told
    told = refused(finished.parent / "nothing", capsys)
    assert f"there are {finished}" in told
    (tmp_path / "empty").mkdir()
    assert "holds no run (it has no recipe.yaml)" in refused(tmp_path / "empty", capsys)


def test_resuming_a_finished_run(tmp_path: Path, capsys: Captured, finished: Path) -> None:
    told = refused(finished, capsys)
    assert f"has done all its {LOOP.steps} steps" in told
    assert mended(told, [*QUICK, "--out", str(tmp_path / "on")]) == 0


def test_resuming_a_model(tmp_path: Path, capsys: Captured, finished: Path) -> None:
    told = refused(finished / "model", capsys)
    assert f"the run is resumed by guerdon train --resume '{finished}'" in told
    elsewhere = tmp_path / "copied"
    _copy(finished / "model", elsewhere)
    told = refused(elsewhere, capsys)
    assert "holds a model, not a run" in told
    assert f"--model {elsewhere} trains it on" in told


def _copy(source: Path, target: Path) -> None:
    target.mkdir()
    for file in source.iterdir():
        (target / file.name).write_bytes(file.read_bytes())


@pytest.mark.parametrize("form", ["--pairs", "--rankings"])
def test_a_run_on_a_file_that_is_done_says_what_its_model_is_for(
    tmp_path: Path, capsys: Captured, form: str
) -> None:
    file, folder = tmp_path / "pairs.jsonl", tmp_path / "run"
    rows = [{"prompt": f"{i}+1?\n", "chosen": f"{i + 1}", "rejected": "no"} for i in range(20)]
    file.write_text("\n".join(map(json.dumps, rows)))
    assert main(["train", form, str(file), "--out", str(folder), "--quiet"]) == 0
    told = refused(folder, capsys)
    assert "has done all its 1 steps" in told
    use = f"{'--model ' if form == '--pairs' else '--reward reward-model:'}{folder / 'model'}"
    assert use in told
    if form == "--rankings":
        (folder / "recipe.yaml").unlink()
        told = refused(folder / "model", capsys)
        assert f"--reward reward-model:{folder / 'model'}" in told


def test_a_recipe_that_is_not_as_it_was_written(tmp_path: Path, capsys: Captured) -> None:
    folder = tmp_path / "run"
    arguments = ["train", *QUICK, "--steps", "4", "--loop.checkpoint-every", "1"]
    assert main([*arguments, "--steps", "2", "--out", str(folder)]) == 0
    (folder / "summary.json").unlink()
    recipe = folder / "recipe.yaml"
    text = recipe.read_text()
    assert "lr: 0.0003" in text
    recipe.write_text(text.replace("lr: 0.0003", "lr: 0.0007"))  # one bit
    told = refused(folder, capsys)
    assert "not as the run wrote it (edited or damaged)" in told
    source, target = shlex.split(told[told.index("cp ") + 3 : told.index(", or ")])
    recipe.write_bytes(Path(source).read_bytes())
    assert Path(target) == recipe
    assert recipe.read_text() == text
    recipe.write_text(text.replace("steps: 2", "steps: 3"))
    told = refused(folder, capsys)
    (Path(shlex.split(told[told.index("rm ") + 3 :])[0])).unlink()  # an edit that was meant
    assert main(["train", "--resume", str(folder), "--quiet"]) == 0
    assert len((folder / "metrics.jsonl").read_text().splitlines()) == 3
    recipe.write_text("part: [\n")
    (folder / SUMS).unlink()
    assert "not as the run wrote it" in refused(folder, capsys)


def test_a_damaged_line_of_the_metrics_is_named_and_kept_aside(
    tmp_path: Path, capsys: Captured
) -> None:
    folder = tmp_path / "run"
    made = build(loop=replace(LOOP, checkpoint_every=3))
    train(made, folder, quiet=True, stop_after=3)
    file = folder / "metrics.jsonl"
    lines = file.read_bytes().split(b"\n")
    lines[1] = lines[1][:20] + bytes([lines[1][20] ^ 0x80]) + lines[1][21:]
    file.write_bytes(b"\n".join(lines))
    (folder / "rollouts/step-000000.parquet").write_bytes(b"PAR1")
    capsys.readouterr()
    assert main(["report", str(folder)]) == 0
    told = capsys.readouterr().err
    assert "metrics.jsonl, line 2 can't be read (no JSON:" in told
    assert "rollouts/step-000000.parquet can't be read (" in told
    assert "metrics.jsonl, line 2" in (folder / "report.html").read_text()
    result = train(made, folder, quiet=True, resume=True)
    told = capsys.readouterr().err
    assert "metrics.jsonl, line 2 can't be read" in told
    assert "metrics.jsonl.damaged" in told
    assert [figures["step"] for figures in result.history] == [0, 2, 3]
    assert (folder / "metrics.jsonl.damaged").read_bytes() == b"\n".join(lines)


def test_a_changed_figure_of_a_run_that_ended_is_found(
    tmp_path: Path, capsys: Captured, finished: Path
) -> None:
    folder = tmp_path / "run"
    _copy(finished / "rollouts", _made(folder) / "rollouts")
    for name in ("recipe.yaml", "metrics.jsonl", "summary.json", SUMS):
        (folder / name).write_bytes((finished / name).read_bytes())
    assert main(["report", str(folder)]) == 0
    assert capsys.readouterr().err == ""
    file = folder / "metrics.jsonl"
    text = file.read_text()
    digit = text.index('"reward": 0.') + len('"reward": 0.')
    file.write_text(text[:digit] + str((int(text[digit]) + 1) % 10) + text[digit + 1 :])
    assert main(["report", str(folder)]) == 0
    assert "metrics.jsonl is not what was written" in capsys.readouterr().err


def _made(folder: Path) -> Path:
    folder.mkdir()
    return folder
