"""A run on disk: whole files, lines that survive a crash, every completion kept."""

import json

import pyarrow.parquet
import pytest
import torch

from guerdon.records import Ending, Rollouts, Scores, Task
from guerdon.training.run_folder import RunFolder, write_whole


def two_groups():
    """Two groups of two; the last row is invalid and only its first position is acted."""
    mask = torch.tensor([[1, 1, 1], [1, 1, 0], [1, 0, 0], [1, 0, 0]], dtype=torch.bool)
    rollouts = Rollouts(
        tasks=(Task("a", "1+1?", answer=2), Task("b", "hostile \ud800", answer="x")),
        group=torch.tensor([0, 0, 1, 1]),
        prompts=(torch.tensor([1]), torch.tensor([1])),
        ids=torch.arange(12).reshape(4, 3),
        mask=mask,
        lengths=torch.tensor([3, 2, 1, 1]),
        logps=torch.tensor([[-1.0, -2.0, -3.0], [-1.0, -1.0, 0.0], [-0.5, 0, 0], [-4.0, 0, 0]]),
        texts=("two", "</script>", "", "?"),
        endings=Ending.of(torch.tensor([True, True, False, True]), Ending.TOKEN_LIMIT),
    )
    scores = Scores(
        value=torch.tensor([1.0, 0.0, 0.5, 9.0]),
        parts={"accuracy": torch.tensor([1.0, 0.0, 0.5, float("nan")])},
        valid=torch.tensor([True, True, True, False]),
        reasons=(None, None, None, "grader timed out"),
    )
    advantage_NT = torch.tensor([[1.0, 2.0, 3.0], [-1.0, -1.0, 0.0], [0.0] * 3, [0.0] * 3])
    return rollouts, scores, advantage_NT


def started(path):
    run = RunFolder(path)
    run.claim("part: x\n")
    run.release()
    return run


def test_a_foreign_run_is_never_overwritten(tmp_path):
    started(tmp_path / "run")
    with pytest.raises(FileExistsError, match="--resume"):
        RunFolder(tmp_path / "run")
    RunFolder(tmp_path / "run", resume=True)


def test_there_must_be_a_run_to_resume(tmp_path):
    with pytest.raises(FileNotFoundError, match="no run to resume"):
        RunFolder(tmp_path / "none", resume=True)


def test_metrics_come_back_and_what_is_not_finite_is_null(tmp_path):
    run = started(tmp_path)
    run.log_metrics({"step": 0, "reward": 0.5, "kl": float("nan")})
    run.log_metrics({"step": 1, "reward": float("inf")})
    assert run.metrics() == [
        {"step": 0, "reward": 0.5, "kl": None},
        {"step": 1, "reward": None},
    ]


def test_a_line_cut_short_by_a_crash_is_left_out_and_resume_writes_past_it(tmp_path):
    run = started(tmp_path)
    run.log_metrics({"step": 0, "reward": 1.0})
    with (tmp_path / "metrics.jsonl").open("a") as file:
        file.write('{"step": 1, "rew')
    assert [m["step"] for m in run.metrics()] == [0]
    again = RunFolder(tmp_path, resume=True)
    again.truncate_after(0)
    again.log_metrics({"step": 1, "reward": 2.0})
    assert [m["reward"] for m in again.metrics()] == [1.0, 2.0]


def test_truncate_forgets_later_steps_and_their_rollouts(tmp_path):
    run = started(tmp_path)
    rollouts, scores, advantage_NT = two_groups()
    for step in range(4):
        run.log_metrics({"step": step, "reward": float(step)})
        run.log_rollouts(step, rollouts, scores, advantage_NT, scores, [[]] * 4)
    run.truncate_after(1)
    assert [m["step"] for m in run.metrics()] == [0, 1]
    kept = sorted(p.name for p in (tmp_path / "rollouts").iterdir())
    assert kept == ["step-000000.parquet", "step-000001.parquet"]
    run.truncate_after(-1)
    assert run.metrics() == []
    assert not list((tmp_path / "rollouts").iterdir())


def test_every_completion_is_a_row(tmp_path):
    run = started(tmp_path)
    rollouts, scores, advantage_NT = two_groups()
    shaped = scores.map(lambda value: value * 10)
    texts = [["t", "w", "o"], ["</", "script>"], [""], ["?"]]
    run.log_rollouts(12, rollouts, scores, advantage_NT, shaped, texts)
    rows = pyarrow.parquet.read_table(tmp_path / "rollouts" / "step-000012.parquet").to_pylist()
    assert [r["member"] for r in rows] == [0, 1, 0, 1]
    first, last = rows[0], rows[3]
    assert (first["task"], first["answer"], first["completion"]) == ("a", "2", "two")
    assert (first["value"], first["shaped_value"], first["part:accuracy"]) == (1.0, 10.0, 1.0)
    assert first["token"] == ["t", "w", "o"]
    assert first["token_advantage"] == [1.0, 2.0, 3.0]
    assert (first["advantage"], first["logp"]) == (2.0, -2.0)
    assert [r["length"] for r in rows] == [3, 2, 1, 1]
    assert (last["valid"], last["reason"]) == (False, "grader timed out")
    assert last["prompt"] == "hostile ?"


def test_a_step_without_completions_is_a_file_without_rows(tmp_path):
    run = started(tmp_path)
    rollouts, scores, advantage_NT = two_groups()
    none = torch.zeros(4, dtype=torch.bool)
    empty = scores.select(none)
    run.log_rollouts(0, rollouts.select(none), empty, advantage_NT[none, :0], empty, [])
    table = pyarrow.parquet.read_table(tmp_path / "rollouts" / "step-000000.parquet")
    assert table.num_rows == 0


def test_files_are_whole_or_old(tmp_path, monkeypatch):
    run = started(tmp_path)
    run.write_summary({"seconds": 1.0, "after": {"mean": float("nan")}})
    before = (tmp_path / "summary.json").read_text()
    assert json.loads(before) == {"seconds": 1.0, "after": {"mean": None}}

    def full_disk(descriptor):
        raise OSError("no space left on device")

    monkeypatch.setattr("os.fsync", full_disk)
    with pytest.raises(OSError, match="no space"):
        write_whole(tmp_path / "summary.json", "half a file")
    assert (tmp_path / "summary.json").read_text() == before
