"""``guerdon nursery grow``: seedlings of other seeds, and where they are found."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from guerdon.cli import main
from guerdon.models import sources
from guerdon.models.sources import ModelError, grown_path, model_source
from guerdon.nursery import growing, load_seedling, seedling_path
from guerdon.nursery.growing import Growth

Captured = pytest.CaptureFixture[str]
Report = Callable[[float], None]


@pytest.fixture(autouse=True)
def grown(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[int]:
    """The seeds that the command grew: what it writes is the seedling that ships."""
    seeds: list[int] = []

    def copied(growth: Growth, folder: Path, report: Report) -> None:
        seeds.append(growth.seed)
        report(0.5)
        shutil.copytree(seedling_path(), folder, dirs_exist_ok=True)

    monkeypatch.setattr(growing, "grow", copied)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return seeds


def test_it_is_grown_once_and_found_by_its_seed(grown: list[int], capsys: Captured) -> None:
    with pytest.raises(ModelError, match="guerdon nursery grow --seed 2 grows it"):
        seedling_path(2)
    with pytest.raises(ModelError, match="guerdon nursery grow --seed 2 grows it"):
        load_seedling(2)
    for _ in range(2):
        assert main(["nursery", "grow", "--seed", "2", "--quiet"]) == 0
        assert capsys.readouterr().out.strip() == str(seedling_path(2))
    assert grown == [2]
    assert seedling_path(2) == grown_path(2) != grown_path(1)
    assert model_source("seedling-2") == str(grown_path(2))
    model, tokenizer = load_seedling(2)
    assert next(model.parameters()).dtype == torch.float32
    assert len(tokenizer) == model.config.vocab_size


def test_that_of_seed_0_ships(grown: list[int], capsys: Captured) -> None:
    assert main(["nursery", "grow", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told == {"seed": 0, "path": str(seedling_path()), "grown": False, "seconds": 0}
    assert model_source("seedling-0") == model_source("seedling") == str(seedling_path(0))
    assert grown == []


def test_out_is_where_it_goes_whatever_is_kept(
    grown: list[int], tmp_path: Path, capsys: Captured
) -> None:
    out = tmp_path / "deep" / "here"
    assert main(["nursery", "grow", "--out", str(out), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["path"], told["grown"]) == (str(out), True)
    assert (out / "config.json").is_file()
    assert [path.name for path in out.parent.iterdir()] == ["here"]
    assert main(["nursery", "grow", "--out", str(out)]) == 2
    assert "there is something in" in capsys.readouterr().err
    assert grown == [0]


def test_what_is_interrupted_leaves_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(growth: Growth, folder: Path, report: Report) -> None:
        (folder / "config.json").write_text("{}")
        raise KeyboardInterrupt

    monkeypatch.setattr(growing, "grow", interrupted)
    assert main(["nursery", "grow", "--seed", "1", "--quiet"]) == 130
    assert list(grown_path(1).parent.iterdir()) == []


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["water"], "ACTION is 'water'; give grow"),
        ([], "give ACTION"),
        (["grow", "--seed", "-1"], "--seed"),
        (["grow", "--seed", "x"], "--seed is 'x'"),
        (["grow", "--tokens", "5"], "unknown argument '--tokens'"),
    ],
)
def test_wrong_words_are_2(words: list[str], told: str, capsys: Captured) -> None:
    assert main(["nursery", *words]) == 2
    assert told in capsys.readouterr().err


def test_other_code_grows_another(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    now = grown_path(1)
    for name in sources.GROWN_BY:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes((sources._PACKAGE / name).read_bytes())
    monkeypatch.setattr(sources, "_PACKAGE", tmp_path)
    assert grown_path(1) == now
    with (tmp_path / "tasks" / "facts.py").open("a") as file:
        file.write("\n")
    assert grown_path(1) != now


@pytest.mark.parametrize("name", ["seedling-", "seedling-x", "seedling-1-2", "seedling-²"])
def test_other_names_are_names_of_the_hub(name: str) -> None:
    assert model_source(name) == name
