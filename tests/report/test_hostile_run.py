"""A run's folder may be anybody's: its page shows what it holds, and writes nowhere else."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from guerdon import cli
from guerdon.report import build_report

EVIL = "<script>alert(1)</script>\"'><img src=x onerror=alert(2)>{{ 7*191 }}$\\frac$\x1b[31m"


@pytest.fixture
def run(tmp_path: Path) -> Path:
    (tmp_path / "rollouts").mkdir()
    (tmp_path / "recipe.yaml").write_text(EVIL)
    steps = [
        {"step": n, "reward": 0.1, f"part/{EVIL}": 1.0, "part/$b": 2.0, "alarms": [EVIL]}
        for n in range(3)
    ]
    (tmp_path / "metrics.jsonl").write_text("".join(json.dumps(s) + "\n" for s in steps))
    held = {"metric": EVIL, "mean": 0.1, "low": 0.0, "high": 1.0, "tasks": EVIL, "invalid": EVIL}
    gain = {"mean": 0.1, "low": 0.0, "high": 0.2}
    summary = {
        "recipe": EVIL,
        "seconds": 1.0,
        "steps": 3,
        "before": held,
        "after": held,
        "gain": gain,
    }
    (tmp_path / "summary.json").write_text(json.dumps(summary))
    text = dict.fromkeys(("task", "prompt", "completion", "answer", "reason"), EVIL)
    numbers = dict.fromkeys(("value", "shaped_value", "advantage", "logp", f"part:{EVIL}"), 1.0)
    row = {"step": 0, "group": 0, "member": 0, **text, **numbers, "valid": True, "length": 1,
           "finished": True, "token": [EVIL]}  # fmt: skip
    row |= {"token_advantage": [1.0], "token_logp": [0.0]}
    pq.write_table(pa.Table.from_pylist([row]), tmp_path / "rollouts" / "step-000000.parquet")
    return tmp_path


def test_every_field_is_escaped(run: Path) -> None:
    page = build_report(run).read_text()
    assert page.count("<script>") == 1  # the page's own
    assert "<img src=x" not in page
    assert page.count("&lt;script&gt;alert(1)") >= 10
    assert str(7 * 191) not in page
    assert "\x1b" not in page


def test_links_in_the_folder_are_not_followed(run: Path, tmp_path_factory: Any) -> None:
    victim = tmp_path_factory.mktemp("home") / "precious"
    victim.write_text("precious")
    for name in ("report.html", "report.html.writing", "curves.png", "curves.png.writing"):
        (run / name).symlink_to(victim)
    build_report(run)
    assert victim.read_text() == "precious"
    assert not (run / "report.html").is_symlink()
    assert not (run / "curves.png").is_symlink()


@pytest.mark.parametrize(
    ("file", "text"),
    [
        *[
            ("summary.json", t)
            for t in ('{"before": 5}', '{"gain": {}}', '{"before": {"mean": "x"}}')
        ],
        *[
            ("metrics.jsonl", t)
            for t in ('{"step": 0, "reward": "x"}\n', '{"step": 0, "alarms": 5}\n')
        ],
    ],
)
def test_a_folder_that_training_did_not_write_is_one_sentence(
    run: Path, file: str, text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (run / file).write_text(text)
    assert cli.main(["report", str(run)]) == 1
    told = capsys.readouterr().err
    assert f"{run} can't be read as a run" in told
    assert told.count("\n") == 1


def test_a_recipe_of_any_length_and_encoding_is_shown(run: Path) -> None:
    (run / "recipe.yaml").write_bytes(b"\xff" + b"a" * 3_000_000)
    assert build_report(run).stat().st_size < 3_000_000
