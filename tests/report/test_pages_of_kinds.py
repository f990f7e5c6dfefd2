"""The pages of runs that sample nothing: chains, rounds, and what only measures."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from guerdon.report import build_report
from guerdon.report.curves import is_drawn


def a_page(folder: Path, summary: dict[str, Any], *figures: dict[str, Any]) -> str:
    folder.mkdir()
    (folder / "recipe.yaml").write_text("name: it\n")
    (folder / "summary.json").write_text(
        json.dumps({"recipe": "it", "steps": 1, "seconds": 1.0, **summary})
    )
    (folder / "metrics.jsonl").write_text("".join(json.dumps(one) + "\n" for one in figures))
    return build_report(folder).read_text()


def stage(name: str, metric: str, mean: float) -> dict[str, Any]:
    told = {"metric": metric, "mean": mean, "low": None, "high": None, "tasks": 4}
    return {"name": name, "recipe": "grpo", "before": told, "after": told}


def test_a_chain_links_to_its_stages_and_draws_what_compares(tmp_path: Path) -> None:
    steps = [{"step": n, "before": 0.1, "after": 0.2} for n in range(2)]
    other = {"trains": False, "stages": [stage("01-a b", "value", 1.0), stage("02-c", "loss", 2.0)]}
    page = a_page(tmp_path / "stages", other, *steps)
    assert '<a href="01-a%20b/report.html">its page</a>' in page
    assert "<h2>Curves</h2>" not in page
    assert "no held-out tasks" not in page
    alike = {**other, "stages": [stage("01-a", "value", 1.0), stage("02-a", "value", 2.0)]}
    assert "<h2>Curves</h2>" in a_page(tmp_path / "rounds", alike, *steps)
    assert is_drawn(steps, alike)
    assert not is_drawn(steps, other)


def test_what_only_measures_shows_its_figures(tmp_path: Path) -> None:
    rows = [{"reward": "<b>", "L2": 0.123456}, {"reward": "other", "L2": None}]
    page = a_page(tmp_path / "distances", {"trains": False, "distances": rows}, {"step": 0})
    for text in ("<th>L2</th>", "<td>&lt;b&gt;</td>", "<td>0.1235</td>", "1 step ·"):
        assert text in page
    assert "no held-out tasks" not in page
    assert "<h2>Curves</h2>" not in page
    page = a_page(tmp_path / "figures", {"trains": False, "figures": {"seven": 7.0}}, {"step": 0})
    assert "<td>seven</td><td>7</td>" in page
    assert "no held-out tasks" in a_page(tmp_path / "trained", {}, {"step": 0, "grad_norm": 1.0})
