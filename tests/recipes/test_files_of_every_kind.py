"""Short files, options and settings of recipes of every kind: chains, rounds, what reads a file."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from guerdon.cli import main
from guerdon.cli.recipe_files import load_recipe_file
from guerdon.cli.settings import overlaid, recipe_from
from guerdon.objectives import GSPO, IPO, PlackettLuce
from guerdon.parts import PartError
from guerdon.recipes import all_recipes, build_recipe, named_recipes
from guerdon.rollout.sources import Table
from guerdon.tasks import FileTasks, RankingFile
from guerdon.tasks.flipped import FlippedLabels
from guerdon.training import (
    AsReward,
    PolicyRecipe,
    PreferenceRecipe,
    RewardModelRecipe,
    Rounds,
    Stage,
    Stages,
    SupervisedRecipe,
    Weights,
)
from guerdon.training.recipe_file import recipe_text

Captured = pytest.CaptureFixture[str]

PAIRS = '{"prompt": "1+1?", "chosen": "2", "rejected": "3"}\n'
WRITTEN = '{"prompt": "1+1?", "completion": "2"}\n'


def read(tmp_path: Path, text: str) -> Any:
    file = tmp_path / "short.yaml"
    file.write_text(text)
    return load_recipe_file(file)


SHORT = {
    "dpo": "recipe: dpo\npairs: p.jsonl\nobjective: ipo\nepochs: 2\n",
    "dpo with settings": "recipe: dpo\npairs: {path: p.jsonl, held_out: 0.5}\n",
    "reward model": "recipe: reward-model\npairs: p.jsonl\nobjective: plackett-luce\n",
    "another source": "recipe: reward-model\npairs:\n  part: guerdon.tasks.flipped:FlippedLabels\n"
    "  source: {part: 'guerdon.tasks.files:RankingFile', path: p.jsonl}\n  share: 0.5\n",
    "sft": "recipe: sft\ndemonstrations: w.jsonl\noptimiser.lr: 0.001\n",
    "crm": "recipe: crm\nepochs: 1\nreview.keep.final: 0.5\n",
    "crm on a file": "recipe: crm\npairs: p.jsonl\n",
    "starc": "recipe: starc\ndiscount: 0.9\n",
    "stages": "recipe: stages\nname: mine\nstages:\n  sft: {recipe: sft, demonstrations: w.jsonl}\n"
    "  rm: {recipe: reward-model, pairs: p.jsonl, epochs: 2}\n"
    "  rl: {recipe: grpo, objective: gspo, loop: {steps: 3}, carry: as-reward}\n",
    "rounds": "recipe: rounds\ntimes: 3\ncarry: {part: weights, optimiser: true}\n"
    "round: {recipe: dpo, pairs: p.jsonl, batch: 4}\n",
    "rounds of stages": "recipe: rounds\nround:\n  recipe: stages\n  stages:\n"
    "    rm: {recipe: reward-model, pairs: p.jsonl}\n    rl: {recipe: grpo, carry: as-reward}\n",
}


def made(name: str, tmp_path: Path) -> Any:
    return read(tmp_path, SHORT[name])


def test_a_short_file_of_each_kind_is_laid_over_its_own(tmp_path: Path) -> None:
    file = RankingFile("p.jsonl")
    dpo = made("dpo", tmp_path)
    assert dpo == PreferenceRecipe(file, name="ipo", objective=IPO(), epochs=2)
    assert made("dpo with settings", tmp_path).pairs == RankingFile("p.jsonl", held_out=0.5)
    ranked = made("reward model", tmp_path)
    assert (type(ranked), ranked.pairs, ranked.objective) == (
        RewardModelRecipe,
        file,
        PlackettLuce(),
    )
    assert made("another source", tmp_path).pairs == FlippedLabels(file, 0.5)
    sft = made("sft", tmp_path)
    assert sft.demonstrations == FileTasks("w.jsonl", answer="completion")
    assert sft.optimiser.lr == 0.001
    crm = made("crm", tmp_path)
    assert (crm.epochs, crm.review.keep.final) == (1, 0.5)
    assert crm.pairs == build_recipe("crm").pairs
    assert made("crm on a file", tmp_path).pairs == file
    assert made("starc", tmp_path).discount == 0.9


def test_a_chain_says_its_stages_by_name(tmp_path: Path) -> None:
    chain = made("stages", tmp_path)
    assert (type(chain), chain.name) == (Stages, "mine")
    assert [stage.name for stage in chain.stages] == ["sft", "rm", "rl"]
    assert [type(s.recipe) for s in chain.stages] == [
        SupervisedRecipe,
        RewardModelRecipe,
        PolicyRecipe,
    ]
    assert [stage.carry for stage in chain.stages] == [Weights(), Weights(), AsReward()]
    rl = chain.stages[2].recipe
    assert (rl.name, rl.objective, rl.loop.steps) == ("grpo+gspo", GSPO(), 3)
    rounds = made("rounds", tmp_path)
    assert (rounds.times, rounds.carry) == (3, Weights(optimiser=True))
    assert (rounds.recipe.pairs, rounds.recipe.batch) == (RankingFile("p.jsonl"), 4)


ROUNDS = Rounds(PolicyRecipe(name="small", model=Table(actions=("a", "b"))))


def test_options_of_rounds_go_to_the_recipe_by_name() -> None:
    one = overlaid(ROUNDS, ["--objective", "gspo", "--loop.steps=7", "--seed", "5"])
    assert (one.recipe.objective, one.recipe.loop.steps, one.recipe.loop.seed) == (GSPO(), 7, 5)
    assert one.recipe.name == "small+gspo"
    assert (one.times, one.name) == (2, "rounds")
    own = overlaid(ROUNDS, ["--times", "4", "--name=mine", "--carry", "nothing"])
    assert (own.times, own.name, type(own.carry).__name__) == (4, "mine", "Nothing")
    assert own.recipe == ROUNDS.recipe
    by_place = overlaid(ROUNDS, ["--recipe.loop.steps", "9", "--carry.optimiser"])
    assert (by_place.recipe.loop.steps, by_place.carry) == (9, Weights(optimiser=True))
    chain = Rounds(Stages((Stage("a.b", ROUNDS.recipe), Stage("a", ROUNDS.recipe))))
    two = overlaid(chain, ["--stages.a.b.steps", "3", "--stages.a.b.carry", "nothing"])
    assert [s.recipe.loop.steps for s in two.recipe.stages] == [3, 60]
    assert type(two.recipe.stages[0].carry).__name__ == "Nothing"


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--loop.stpes", "3"], "no option --loop.stpes; did you mean --loop.steps"),
        (["--times", "0"], "times"),
        (["--objective", "gsop"], "--objective takes"),
        (["--carry", "weight"], "--carry takes weights, as-reward, nothing"),
    ],
)
def test_what_is_wrong_with_rounds_is_told(options: list[str], told: str) -> None:
    with pytest.raises(ValueError, match=told):
        overlaid(ROUNDS, options)


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--stages.rl.loop.stpes", "3"], "stages.rl: there is no option --loop.stpes; did you"),
        (["--stages.otehr.loop.steps", "3"], "there is no stage 'otehr'; did you mean 'other'"),
        (["--stages.zzz.loop.steps", "3"], "there is no stage 'zzz'; there are rl, other"),
        (["--loop.steps", "3"], "--loop.steps does not say of which stage it is: --stages.rl.loop"),
        (["--seed", "3"], "does not say of which stage"),
        (["--stages.rl.loop.steps=-1"], "stages.rl.loop.steps is -1"),
    ],
)
def test_what_is_wrong_with_stages_is_told(options: list[str], told: str) -> None:
    chain = Stages((Stage("rl", ROUNDS.recipe), Stage("other", ROUNDS.recipe)))
    with pytest.raises(ValueError, match=re.escape(told)):
        overlaid(chain, options)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("recipe: dpo\nepochs: 2", "dpo learns from pairs"),
        ("recipe: grpo\npairs: p.jsonl", "pairs does not go with --recipe grpo"),
        ("recipe: dpo\npairs: 3", "pairs is 3"),
        ("recipe: dpo\npairs: p.jsonl\nepohcs: 2", "no epohcs; did you mean epochs"),
        ("recipe: dpo\npairs: p.jsonl\nobjective: pio", "objective takes"),
        ("recipe: dpo\npairs: {path: p, held_ot: 1}", "no pairs.held_ot; did you mean pairs.held"),
        ("recipe: crm\nreview: {kep: 1}", "no review.kep; did you mean review.keep"),
        ("recipe: crm\nheads: [1, 1]", "heads is 1 twice"),
        ("recipe: stages", "stages is None; give each stage by its name"),
        ("recipe: stages\nstages: {a: 3}", "stages.a: 3 stands where a recipe belongs"),
        ("recipe: stages\nstages: {a: {recipe: gpro}}", "stages.a: there is no recipe 'gpro'; did"),
        ("recipe: stages\nstages: {a: {recipe: grpo, loop: {steps: -1}}}", "loop.steps is -1"),
        ("recipe: stages\nstages: {a: {recipe: grpo, carry: weight}}", "carry takes weights"),
        ("recipe: stages\nstages: {a/b: {recipe: grpo}}", "can't name a folder"),
        ("recipe: stages\nsteps: 3\nstages: {a: {recipe: grpo}}", "the recipe has no steps"),
        ("recipe: rounds", "round: None stands where a recipe belongs"),
        ("recipe: rounds\ntimes: 0\nround: {recipe: grpo}", "times is 0"),
        ("recipe: rounds\nround: {recipe: grpo, x: 1}", "the recipe has no x"),
    ],
)
def test_what_is_wrong_in_a_file_is_told(text: str, told: str, tmp_path: Path) -> None:
    with pytest.raises(PartError) as caught:
        read(tmp_path, text)
    assert str(caught.value).startswith(str(tmp_path / "short.yaml"))
    assert told in str(caught.value)


def test_a_stage_runs_nothing_untrusted(tmp_path: Path) -> None:
    mine, ran = tmp_path / "mine.py", tmp_path / "ran"
    mine.write_text(f"open({str(ran)!r}, 'w')\n\n\ndef f(completion):\n    return 1.0\n")
    inside = f"{{recipe: grpo, reward: '{mine}:f'}}"
    for text in (f"recipe: stages\nstages: {{a: {inside}}}", f"recipe: rounds\nround: {inside}"):
        with pytest.raises(PartError, match="--trust"):
            read(tmp_path, text)
    assert not ran.exists()


def settings(arguments: list[str], out: Path | None, capsys: Captured) -> str:
    more = [] if out is None else ["--out", str(out)]
    assert main(["train", *arguments, "--settings", *more]) == 0
    return capsys.readouterr().out


FORMS = {
    **{name: ["--recipe", name] for name in (*all_recipes(), *named_recipes())},
    "dpo": ["--recipe", "dpo", "--pairs", "p.jsonl"],
    "sft": ["--recipe", "sft", "--demonstrations", "w.jsonl"],
    "reward-model": ["--recipe", "reward-model", "--rankings", "p.jsonl"],
    "--pairs": ["--pairs", "p.jsonl", "--objective", "ipo", "--epochs", "3"],
    "--pairs --reward-model": ["--pairs", "p.jsonl", "--reward-model", "--optimiser", "sgd"],
    "--rankings": ["--rankings", "p.jsonl", "--objective", "plackett-luce"],
    "--demonstrations": ["--demonstrations", "w.jsonl", "--model.adapter", "lora"],
    "another name": ["--objective", "gspo", "--name", "grpo"],
}


@pytest.mark.parametrize("form", [*FORMS, *(f"file: {name}" for name in SHORT)])
def test_settings_that_are_written_are_read_as_the_same(
    form: str, tmp_path: Path, capsys: Captured
) -> None:
    arguments = FORMS.get(form)
    if arguments is None:
        (tmp_path / "given.yaml").write_text(SHORT[form.removeprefix("file: ")])
        arguments = ["--recipe", str(tmp_path / "given.yaml")]
    written = tmp_path / "f.yaml"
    first = settings(arguments, written, capsys)
    assert written.read_text() == first
    assert settings(["--recipe", str(written)], None, capsys) == first
    recipe = recipe_from(str(written), [])
    if form not in ("--pairs", "--rankings", "--demonstrations"):
        whole = tmp_path / "recipe.yaml"
        whole.write_text(recipe_text(recipe))
        assert recipe_from(str(whole), []) == recipe


def test_a_kind_of_its_own_is_written_whole(tmp_path: Path, capsys: Captured) -> None:
    file = tmp_path / "own.yaml"
    file.write_text("part: kills.entries:OwnLoop\nname: own\n")
    written = tmp_path / "f.yaml"
    trust = ["--trust", "kills.entries"]
    first = settings(["--recipe", str(file), *trust], written, capsys)
    assert "part: kills.entries:OwnLoop" in first
    assert settings(["--recipe", str(written), *trust], None, capsys) == first


def test_a_files_own_data_gives_way_to_an_option(tmp_path: Path) -> None:
    file = tmp_path / "f.yaml"
    file.write_text("recipe: dpo\npairs: p.jsonl\nepochs: 2\n")
    recipe = recipe_from(str(file), [], data={"pairs": "q.jsonl"})
    assert (recipe.pairs, recipe.epochs) == (RankingFile("q.jsonl"), 2)
    file.write_text(recipe_text(recipe))
    assert recipe_from(str(file), [], data={"pairs": "r.jsonl"}).pairs == RankingFile("r.jsonl")
    with pytest.raises(ValueError, match="learns from no demonstrations"):
        recipe_from(str(file), [], data={"demonstrations": "w.jsonl"})


def test_short_files_of_chains_train(tmp_path: Path, capsys: Captured) -> None:
    (tmp_path / "p.jsonl").write_text(PAIRS)
    (tmp_path / "w.jsonl").write_text(WRITTEN)
    file = tmp_path / "chain.yaml"
    file.write_text(
        "recipe: stages\nstages:\n"
        f"  sft: {{recipe: sft, demonstrations: {{path: {tmp_path}/w.jsonl, held_out: 0.0}}}}\n"
        f"  dpo: {{recipe: dpo, pairs: {{path: {tmp_path}/p.jsonl, held_out: 0.0}}}}\n"
    )
    assert main(["train", "--recipe", str(file), "--out", str(tmp_path / "run"), "--quiet"]) == 0
    assert (tmp_path / "run/02-dpo/model/model.safetensors").is_file()
