"""A run's rollouts are one data set, for whatever reads Parquet."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow
import pyarrow.dataset
import pyarrow.parquet
import pytest
import torch
from making import make_rollouts

from guerdon.records import Scores, Task
from guerdon.training.rollout_table import rollout_schema
from guerdon.training.run_folder import RunFolder

ROWS = 4
HOSTILE = "a\ud800b"


def log(run: RunFolder, step: int, scores: Scores, tokens: list[list[str]]) -> None:
    rollouts = replace(
        make_rollouts([0, 0, 1, 1][: len(scores)], [2, 1, 3, 0][: len(scores)]),
        texts=("x", HOSTILE, "", "y")[: len(scores)],
    )
    rollouts = replace(
        rollouts,
        tasks=(Task(HOSTILE, HOSTILE, answer=HOSTILE), Task("b", "b"))[: len(rollouts.tasks)],
    )
    advantage_NT = torch.zeros(rollouts.ids.shape)
    run.log_rollouts(step, rollouts, scores, advantage_NT, scores, tokens)


def scores(n: int = ROWS, invalid: bool = False, **parts: float) -> Scores:
    valid = torch.ones(n, dtype=torch.bool)
    reasons: list[str | None] = [None] * n
    if invalid:
        valid[1], reasons[1] = False, HOSTILE
    made = {name: torch.full((n,), value) for name, value in parts.items()}
    return Scores(torch.arange(n).float(), made, valid, tuple(reasons))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Steps that differ in all that changed a file's types: see the names of `STEPS`."""
    run = RunFolder(tmp_path / "run")
    run.claim("name: x\n")
    tokens = [["x", "y"], [HOSTILE], ["", "", ""], []]
    log(run, 0, scores(accuracy=1.0, form=0.5), tokens)
    log(run, 1, scores(invalid=True, accuracy=1.0, form=0.5), tokens)
    log(run, 2, scores(0), [])
    log(run, 3, scores(accuracy=0.25, late=7.0), [[]] * ROWS)
    run.release()
    again = RunFolder(tmp_path / "run", resume=True)  # the columns are those of the first step
    again.claim()
    log(again, 4, scores(form=0.5, later=float("nan")), tokens)
    again.release()
    return tmp_path / "run/rollouts"


VALID = [True] * 4 + [True, False, True, True] + [True] * 8
ACCURACY = [1.0] * 8 + [0.25] * 4 + [None] * 4


def test_every_file_has_the_same_schema(folder: Path) -> None:
    files = sorted(folder.iterdir())
    assert len(files) == 5
    schemas = [pyarrow.parquet.read_schema(file) for file in files]
    assert all(schema.equals(schemas[0], check_metadata=True) for schema in schemas)
    assert schemas[0].remove_metadata().equals(rollout_schema(["accuracy", "form"]))
    assert schemas[0].field("reason").type == pyarrow.string()
    assert not any(pyarrow.types.is_null(field.type) for field in schemas[0])


def check(rows: list[dict[str, Any]]) -> None:
    """What each reader has to find, in the order of steps and rows."""
    assert [row["step"] for row in rows] == [0] * 4 + [1] * 4 + [3] * 4 + [4] * 4
    assert [row["valid"] for row in rows] == VALID
    assert [row["part:accuracy"] for row in rows] == ACCURACY
    assert [row["reason"] for row in rows if row["reason"] is not None] == ["a?b"]
    assert rows[1]["completion"] == rows[0]["prompt"] == "a?b"
    assert [list(row["token"]) for row in rows[:4]] == [["x", "y"], ["a?b"], ["", "", ""], []]
    assert [list(row["token_logp"]) for row in rows[:4]] == [[0.0] * 2, [0.0], [0.0] * 3, []]
    more = [[(pair["name"], pair["value"]) for pair in row["more_parts"]] for row in rows]
    assert more[:8] == [[]] * 8
    assert more[8:12] == [[("late", 7.0)]] * 4
    assert [pairs[0][0] for pairs in more[12:]] == ["later"] * 4
    assert all(pairs[0][1] != pairs[0][1] for pairs in more[12:])


def test_pyarrow_reads_it_as_one(folder: Path) -> None:
    check(pyarrow.dataset.dataset(folder).to_table().to_pylist())


def test_pandas_reads_it_as_one(folder: Path) -> None:
    pandas = pytest.importorskip("pandas")
    frame = pandas.read_parquet(folder)
    rows = frame.astype(object).where(frame.notna(), None).to_dict("records")
    check([{**row, "step": int(row["step"]), "valid": bool(row["valid"])} for row in rows])


def test_duckdb_reads_it_as_one(folder: Path) -> None:
    duckdb = pytest.importorskip("duckdb")
    query = f"SELECT * FROM read_parquet('{folder}/*.parquet') ORDER BY step, \"group\", member"
    found = duckdb.sql(query)
    check([dict(zip(found.columns, row, strict=True)) for row in found.fetchall()])


def test_datasets_reads_it_as_one(folder: Path, tmp_path: Path) -> None:
    datasets = pytest.importorskip("datasets")
    files = sorted(map(str, folder.glob("*.parquet")))
    found = datasets.load_dataset(
        "parquet", data_files=files, split="train", cache_dir=str(tmp_path / "cache")
    )
    check(list(found))


def test_a_run_whose_first_step_had_no_rows_and_no_parts_keeps_them_in_the_list(
    tmp_path: Path,
) -> None:
    run = RunFolder(tmp_path / "run")
    run.claim("name: x\n")
    log(run, 0, scores(0), [])
    log(run, 1, scores(accuracy=1.0), [[]] * ROWS)
    run.release()
    rows = pyarrow.dataset.dataset(tmp_path / "run/rollouts").to_table().to_pylist()
    assert [row["more_parts"] for row in rows] == [[{"name": "accuracy", "value": 1.0}]] * ROWS
