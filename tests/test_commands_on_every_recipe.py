"""Every command on every recipe and on every kind of run: done, or one sentence that says why."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from kills.entries import OwnLoop, Written
from training.test_saved_policies import small

from guerdon.cli import main
from guerdon.recipes import all_recipes, named_recipes
from guerdon.report import page
from guerdon.rollout import LanguagePolicy
from guerdon.rollout.sources import Network, Table
from guerdon.training import (
    PreferenceRecipe,
    RewardModelRecipe,
    Rounds,
    Stage,
    Stages,
    SupervisedRecipe,
)
from guerdon.training.comparison import RewardComparison
from guerdon.training.peer_recipe import PeerReviewRecipe

Captured = pytest.CaptureFixture[str]

CHAINS = {
    "stages": "recipe: stages\nstages: {a: {recipe: grpo}, b: {recipe: dpo, pairs: p.jsonl}}\n",
    "rounds": "recipe: rounds\nround: {recipe: grpo}\n",
}
NEEDED = {
    "dpo": ["--pairs", "p.jsonl"],
    "reward-model": ["--rankings", "p.jsonl"],
    "sft": ["--demonstrations", "w.jsonl"],
}
NAMES = [*all_recipes(), *named_recipes(), *CHAINS]


@pytest.fixture(autouse=True, scope="module")
def one_seedling() -> Iterator[None]:
    """Loaded once for all commands, which change no weights."""
    made: dict[str, LanguagePolicy] = {}
    load = LanguagePolicy.load

    def loaded(name: str = "seedling", **settings: Any) -> LanguagePolicy:
        key = repr((name, sorted(settings.items())))
        return made.setdefault(key, load(name, **settings))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(LanguagePolicy, "load", loaded)
        yield


@pytest.fixture
def completions(tmp_path: Path) -> Path:
    file = tmp_path / "completions.jsonl"
    rows = [{"prompt": "1+1=", "completion": text, "answer": "2", "id": "a"} for text in "23"]
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return file


def told(arguments: list[str], capsys: Captured) -> tuple[int, str]:
    """The exit status and what was said of it: a line, after notes on what the recipe runs."""
    status = main(arguments)
    said = capsys.readouterr().err.strip().splitlines()
    mine = [line for line in said if line.startswith(f"guerdon {arguments[0]}: ")]
    assert "Traceback" not in "".join(said)
    assert status in (0, 1, 2)
    if status == 2:
        assert len(mine) == 1
    return status, "".join(mine)


def recipe_of(name: str, folder: Path) -> list[str]:
    if name not in CHAINS:
        return ["--recipe", name]
    (folder / "chain.yaml").write_text(CHAINS[name])
    return ["--recipe", str(folder / "chain.yaml")]


@pytest.mark.parametrize("command", ["sample", "evaluate", "score", "settings", "dry run"])
@pytest.mark.parametrize("name", NAMES)
def test_a_command_on_a_recipe(
    command: str, name: str, tmp_path: Path, completions: Path, capsys: Captured
) -> None:
    recipe = recipe_of(name, tmp_path)
    arguments = {
        "sample": ["sample", *recipe, "--count", "1"],
        "evaluate": ["evaluate", *recipe],
        "score": ["score", str(completions), *recipe],
        "settings": ["train", *recipe, "--settings"],
        "dry run": ["train", *recipe, "--dry-run", str(completions)],
    }[command]
    if command == "evaluate" and name not in ("crm", "starc", *CHAINS, *NEEDED):
        arguments += ["--loop.evaluation-tasks", "1"]
    if command == "settings":
        arguments += NEEDED.get(name, [])
    status, said = told(arguments, capsys)
    if command == "settings":
        assert status == 0
    elif name in NEEDED:
        assert f"{name} learns from" in said
    elif name in ("crm", "starc", *CHAINS):
        assert status == 2
        assert "which this needs; guerdon train runs it" in said
    elif command in ("sample", "evaluate"):
        assert status in (0, 1), said


RUNS: dict[str, Callable[[], Any]] = {
    "table": lambda: small(Table(), steps=1),
    "network": lambda: small(Network(width=4), steps=1),
    "preference": lambda: PreferenceRecipe(Written(), batch=8),
    "reward model": lambda: RewardModelRecipe(Written(), batch=8),  # type: ignore[arg-type]
    "supervised": lambda: SupervisedRecipe(Written(shown=True), batch=8),
    "peer review": lambda: PeerReviewRecipe(Written(), batch=8),  # type: ignore[arg-type]
    "comparison": lambda: RewardComparison(world="FrozenLake-v1"),
    "own loop": OwnLoop,
    "stages": lambda: Stages((Stage("a", small(Table(), steps=1)),)),
    "rounds": lambda: Rounds(small(Table(), steps=1)),
}


def no_curves(history: object, summary: object, path: Path) -> Path:
    """The picture takes most of a small run's time."""
    path.write_bytes(b"")
    return path


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A run of each kind, done."""
    folder = tmp_path_factory.mktemp("runs")
    made = {name: folder / name.replace(" ", "-") for name in RUNS}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(page, "draw_curves", no_curves)
        for name, make in RUNS.items():
            make().run(made[name], quiet=True)
    return made


@pytest.mark.parametrize("kind", RUNS)
def test_a_command_on_a_run(
    kind: str, runs: dict[str, Path], completions: Path, capsys: Captured
) -> None:
    run, trust = str(runs[kind]), ["--trust", "kills.entries"]
    has_policy = kind in ("table", "network")
    for command in ("sample", "evaluate"):
        status, said = told([command, run, *trust], capsys)
        assert status == (0 if has_policy else 2), said
        assert has_policy or "which this needs; guerdon train runs it" in said
        assert told([command, "--recipe", run, *trust], capsys)[0] == status
    status, said = told(["score", str(completions), "--recipe", run, *trust], capsys)
    assert status == (1 if has_policy else 2), said
    assert told(["report", run], capsys)[0] == 0
    status, said = told(["train", "--resume", run, *trust], capsys)
    assert status == 1
    assert "has done all its" in said
    assert told(["train", "--recipe", run, "--settings", *trust], capsys)[0] == 0
    assert told(["train", "--recipe", run, "--out", run, *trust], capsys)[0] == 1


@pytest.mark.parametrize("command", ["sample", "evaluate", "report", "train --resume"])
@pytest.mark.parametrize("place", ["nowhere", "empty", "a file", "a model", "no model"])
def test_what_is_no_run_is_told_in_a_sentence(
    command: str, place: str, runs: dict[str, Path], tmp_path: Path, capsys: Captured
) -> None:
    folder = tmp_path / "place"
    if place == "empty":
        folder.mkdir()
    elif place == "a file":
        folder.write_text("x")
    elif place == "a model":
        folder = runs["table"] / "model"
    elif place == "no model":
        folder.mkdir()
        (folder / "recipe.yaml").write_text((runs["table"] / "recipe.yaml").read_text())
    status, said = told([*command.split(), str(folder)], capsys)
    if command != "report" and (place, command) != ("no model", "train --resume"):
        assert status in (1, 2)
        assert said
