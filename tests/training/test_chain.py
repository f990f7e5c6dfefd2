"""Stages and rounds: what a stage begins with, what is skipped, and what all of it leaves."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch
from kills.entries import Written

from guerdon.cli import main
from guerdon.cli.settings import overlaid
from guerdon.reward_models import SavedRewardModel
from guerdon.rollout import LanguagePolicy
from guerdon.training import (
    AsReward,
    EvaluationRecipe,
    PolicyRecipe,
    Recipe,
    RewardModelRecipe,
    Rounds,
    Stage,
    Stages,
    SupervisedRecipe,
    Weights,
)
from guerdon.training.chain import Done
from guerdon.training.recipe_file import recipe_text

SFT = SupervisedRecipe(Written(shown=True), batch=4, checkpoint_every=1)


@dataclass(frozen=True)
class Seven:
    def __call__(self) -> dict[str, float]:
        return {"seven": 7.0}


def done(name: str, makes: str) -> Done:
    return Done(name, Path(name), Path(name) / "model", makes)


def test_every_kind_is_a_recipe() -> None:
    rm = RewardModelRecipe(Written())  # type: ignore[arg-type]
    chain = Stages((Stage("sft", SFT),))
    for one in (SFT, rm, PolicyRecipe(), chain, Rounds(SFT), EvaluationRecipe(Seven())):
        assert isinstance(one, Recipe)


def test_a_stage_begins_with_the_newest_model_of_its_kind() -> None:
    before = [done("a", "policy"), done("b", "policy"), done("c", "scorer")]
    recipe, _ = Weights()(PolicyRecipe(), before)
    assert recipe.model.name == "b/model"
    scorer = RewardModelRecipe(Written())  # type: ignore[arg-type]
    assert Weights()(scorer, before)[0].model.name == "c/model"
    assert Weights()(scorer, before[:2])[0].model.name == "b/model"
    assert Weights()(PolicyRecipe(), [])[0].model.name == "seedling"
    paid, carried = AsReward(Weights(optimiser=True))(PolicyRecipe(), before)
    assert paid.reward.scorer == SavedRewardModel("c/model")
    assert (carried.folder, carried.optimiser, carried.reference) == (Path("b"), True, False)
    with pytest.raises(ValueError, match="no stage before grpo made a reward model"):
        AsReward()(PolicyRecipe(), before[:1])


def test_rounds_have_seeds_of_their_own_and_take_turns() -> None:
    rm = RewardModelRecipe(Written())  # type: ignore[arg-type]
    both = Stages((Stage("rm", rm), Stage("rl", PolicyRecipe(), AsReward())))
    stages = Rounds(both, times=2).stages
    assert [stage.name for stage in stages] == ["rm-1", "rl-1", "rm-2", "rl-2"]
    assert [s.recipe.seed for s in stages[::2]] == [0, 1]  # type: ignore[attr-defined]
    assert [s.recipe.loop.seed for s in stages[1::2]] == [0, 1]  # type: ignore[attr-defined]
    assert isinstance(stages[3].carry, AsReward)


def test_options_reach_a_stage_by_its_name_and_from_skips() -> None:
    chain = Stages((Stage("sft", SFT), Stage("rl", PolicyRecipe())))
    made = overlaid(chain, ["--stages.rl.loop.steps", "7", "--stages.rl.objective=gspo"])
    assert made.stages[1].recipe.loop.steps == 7
    assert type(made.stages[1].recipe.objective).__name__ != "ClippedSurrogate" or (
        made.stages[1].recipe.objective != PolicyRecipe().objective
    )
    assert made.stages[0].recipe == SFT
    made = overlaid(chain, ["--from", "rl", "--model", "elsewhere"])
    assert (made.start, made.given) == ("rl", "elsewhere")
    for wrong in (["--from", "rl"], ["--from", "no", "--model", "x"], ["--stages.x.loop.steps=1"]):
        with pytest.raises(ValueError, match=r"together|no stage|no option"):
            overlaid(chain, wrong)


def test_a_chain_is_run_from_a_file_and_its_parts_are_runs(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file, folder = tmp_path / "chain.yaml", tmp_path / "run"
    file.write_text(recipe_text(Stages((Stage("first", SFT), Stage("second", SFT)))))
    arguments = ["--recipe", str(file), "--trust", "kills.entries", "--quiet"]
    assert main(["train", *arguments, "--out", str(folder)]) == 0
    summary = json.loads((folder / "summary.json").read_text())
    first, second = summary["stages"]
    assert (first["name"], second["name"]) == ("01-first", "02-second")
    assert second["before"]["mean"] == pytest.approx(first["after"]["mean"], abs=1e-5)
    assert second["after"]["mean"] > first["before"]["mean"]
    assert "02-second/report.html" in (folder / "report.html").read_text()
    assert "model/model.safetensors" not in str(list(folder.glob("*")))
    skipped = tmp_path / "skipped"
    more = ["--from", "second", "--model", str(folder / "01-first/model")]
    assert main(["train", *arguments, *more, "--out", str(skipped)]) == 0
    assert [path.name for path in sorted(skipped.glob("0*"))] == ["02-second"]
    same = (LanguagePolicy.load(str(f / "02-second/model")) for f in (folder, skipped))
    weights = [list(one.module.parameters()) for one in same]
    assert all(torch.equal(a, b) for a, b in zip(*weights, strict=True))
    capsys.readouterr()
    assert main(["sample", *arguments[:-1]]) == 2
    (line,) = capsys.readouterr().err.splitlines()[-1:]
    assert "is a Stages and has no model and no tasks" in line


def test_what_trains_nothing_leaves_its_figures(tmp_path: Path) -> None:
    result = EvaluationRecipe(Seven()).run(tmp_path / "run", quiet=True)
    assert result.history == ({"step": 0, "seven": 7.0},)
    summary = json.loads((tmp_path / "run/summary.json").read_text())
    assert summary["figures"] == {"seven": 7.0}
    assert (tmp_path / "run/report.html").is_file()
    assert not (tmp_path / "run/model").exists()
