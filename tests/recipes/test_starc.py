"""STARC: the recipe that compares rewards, tables from files, and the miniature in small."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from guerdon.claims import starc as miniature
from guerdon.cli.commands import run as command
from guerdon.evaluation.reward_distance.tables import load_process, load_reward
from guerdon.mdp import MDP
from guerdon.recipes import starc
from guerdon.training import comparison

TWO = MDP(np.array([[[0.5, 0.5]], [[0.0, 1.0]]]), 0.9)
TABLE = [[[1.0, 2.0]], [[3.0, 4.0]]]


def test_runs_on_frozen_lake(tmp_path: Path) -> None:
    starc.build().run(tmp_path / "run", quiet=True)
    written = json.loads((tmp_path / "run" / "summary.json").read_text())
    assert (written["recipe"], written["steps"]) == ("starc", 1)
    found = {(row["reward"], row["canonical"]): row for row in written["distances"]}
    for same in ("shaped", "redistributed"):
        assert found[same, "val"]["regret"] == pytest.approx(0, abs=1e-9)
        assert found[same, "val"]["L2"] == pytest.approx(0, abs=1e-9)
    assert found["shaped", "none"]["L2"] > 1
    for blind in ("epic", "dard", "val-potential"):
        assert found["redistributed", blind]["L2"] > 0.3
    assert found["negated", "val"]["L2"] == pytest.approx(2.0)
    assert found["negated", "val"]["regret"] == pytest.approx(1.0)


@pytest.mark.parametrize("kind", ["npy", "npz", "json", "csv"])
def test_a_reward_is_read_from_any_table(kind: str, tmp_path: Path) -> None:
    file = tmp_path / f"reward.{kind}"
    if kind == "npy":
        np.save(file, np.array(TABLE))
    elif kind == "npz":
        np.savez(file, reward=np.array(TABLE), other=np.zeros(3))
    elif kind == "json":
        file.write_text(json.dumps({"reward": TABLE}))
    else:
        rows = [f"{s},0,{t},{TABLE[s][0][t]}" for s in (0, 1) for t in (0, 1)]
        file.write_text("\n".join(["state,action,next_state,reward", *rows]))
    assert load_reward(file, TWO).tolist() == TABLE


def test_a_csv_without_next_states_pays_for_each(tmp_path: Path) -> None:
    file = tmp_path / "reward.csv"
    file.write_text("state,action,reward\n1,0,7\n")
    assert load_reward(file, TWO).tolist() == [[[0, 0]], [[7, 7]]]


@pytest.mark.parametrize(
    ("name", "text", "told"),
    [
        ("r.csv", "state,action,reward\n0,0,1\n2,0,1\n", r"r\.csv, line 3: .*states are 0 to 1"),
        ("r.csv", "state,action,reward\n0,-1,1\n", r"line 2: a negative number"),
        ("r.csv", "state,reward\n", r"has no column 'action'"),
        ("r.json", "[[1], [2]", r"r\.json can't be read as \.json"),
        ("r.json", "[[1, 2]]", r"r\.json: a reward table of this process is \[2, 1\]"),
        ("r.json", '{"a": 1, "b": 2}', r"r\.json has no 'reward'; it has a, b"),
        ("r.npy", "no array", r"r\.npy can't be read as \.npy"),
    ],
)
def test_what_is_no_table_is_told_with_its_place(
    name: str, text: str, told: str, tmp_path: Path
) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(ValueError, match=told):
        load_reward(tmp_path / name, TWO)


def test_a_process_is_a_world_with_a_table_or_a_file(tmp_path: Path) -> None:
    file = tmp_path / "process.json"
    file.write_text(json.dumps({"transitions": TWO.dense.tolist(), "start": [1, 0]}))
    mdp, own = load_process(str(file), 0.9)
    assert own is None
    assert mdp.start.tolist() == [1, 0]
    with pytest.raises(ValueError, match="no world that gymnasium has"):
        load_process("os:World-v1", 0.9)
    with pytest.raises(ValueError, match="no table of transitions"):
        load_process("Blackjack-v1", 0.9)


def test_tables_are_compared_once_at_the_command_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    process, good, bad = (tmp_path / f"{name}.json" for name in ("process", "good", "bad"))
    process.write_text(json.dumps({"transitions": [[[1.0], [1.0]]]}))
    good.write_text("[[1, 0]]")
    bad.write_text("[[0, 1]]")
    given = ["compare-rewards", str(process), "--discount", "0.5"]
    assert command([*given, str(good), str(bad), "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    (val,) = (row for row in rows if row["canonical"] == "val")
    assert (val["regret"], val["L2"]) == (1.0, pytest.approx(2.0))
    asked: list[int] = []
    compare = comparison.compare
    monkeypatch.setattr(comparison, "compare", lambda *of: asked.append(1) or compare(*of))
    out = tmp_path / "out"
    assert command([*given, str(good), str(bad), "--json", "--out", str(out)]) == 0
    assert json.loads(capsys.readouterr().out) == rows
    assert json.loads((out / "summary.json").read_text())["distances"] == rows
    assert asked == [1]
    assert command([*given, str(good)]) == 1
    assert "give two files" in capsys.readouterr().err
    assert command([*given, str(good), str(bad), "--norm", "L2"]) == 2


def test_the_miniature_in_small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(miniature, "PROCESSES", 1)
    monkeypatch.setattr(miniature, "PAIRS", 1)
    monkeypatch.setattr(miniature, "STATES", 8)
    monkeypatch.setattr(miniature, "LEAST_LOGIT", 0.3)
    miniature.studied.cache_clear()
    told: list[float] = []
    arms = miniature.claim().arms
    found = {name: arms[name](0, told.append) for name in ("epic", "val")}
    assert told[2] == 1.0
    for exact in ("same means", "never paid"):
        assert found["val"][f"{exact}, most"] < 1e-9
        assert found["val"][f"{exact}, regret"] < 1e-9
        assert found["epic"][exact] > 0.05
    assert 0 < found["val"]["regret per distance"] < 10
    assert arms["val"](0, told.append) == found["val"]
    miniature.studied.cache_clear()


def test_regret_is_never_studied_under_a_trivial_reward(monkeypatch: pytest.MonkeyPatch) -> None:
    """A sparse reward often pays only for what never happens: the pair is drawn again."""
    mdp = MDP(np.array([[[0.0, 1.0], [0.0, 1.0]], [[1.0, 0.0], [1.0, 0.0]]]), 0.9)
    never, paid = np.zeros((2, 2, 2)), np.zeros((2, 2, 2))
    never[0, 0, 0], paid[0, 0, 1] = 5.0, 5.0
    drawn = iter([never, paid, paid, never])
    monkeypatch.setattr(miniature, "drawn_reward", lambda mdp, rng: next(drawn))
    first, second = miniature.drawn_pair(mdp, np.random.default_rng(0))
    assert (first is paid, second is never) == (True, True)
