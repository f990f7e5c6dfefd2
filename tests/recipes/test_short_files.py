"""Short recipe files, and settings written as one: read by the rules of whole ones."""

from __future__ import annotations

from pathlib import Path

import pytest

from guerdon.advantages import GroupNormalised
from guerdon.cli.recipe_files import load_recipe_file
from guerdon.cli.settings import recipe_from
from guerdon.cli.sheet import sheet
from guerdon.objectives import GSPO, KL, ConstantLength, TokenMean, k2
from guerdon.parts import PartError
from guerdon.recipes import all_recipes, build_recipe, named_recipes
from guerdon.schedules import Linear
from guerdon.shaping import KLPenalty, OverlongPenalty
from guerdon.training import FixedReference, PolicyRecipe


def read(tmp_path: Path, text: str, trust: tuple[str, ...] = ()) -> PolicyRecipe:
    file = tmp_path / "short.yaml"
    file.write_text(text)
    return load_recipe_file(file, trust)


def test_a_short_file_is_laid_over_the_recipe_it_names(tmp_path: Path) -> None:
    made = read(tmp_path, "recipe: grpo\nobjective: gspo\nloop: {steps: 3}\n")
    base = build_recipe("grpo")
    assert (made.objective, made.loop.steps) == (GSPO(), 3)
    assert (made.loop.groups, made.reward, made.optimiser) == (
        base.loop.groups,
        base.reward,
        base.optimiser,
    )
    assert made.name == "grpo+gspo"


def test_a_part_may_bring_settings_however_deep(tmp_path: Path) -> None:
    made = read(
        tmp_path,
        """
objective.clip-low: 0.002
recipe: grpo
objective:
  part: gspo
  clip_high: linear:0.004,0.001
  aggregation: {part: constant-length, max_tokens: 40}
  kl: {part: "guerdon.objectives.kl:KL", coefficient: 0.1, estimator: k2}
shaping:
  - part: overlong
    buffer: 8
    limit: 40
  - kl-penalty
reference: fixed
sampling: {stop: ["."], max-tokens: 20}
name: mine
""",
    )
    assert made.objective == GSPO(
        clip_low=0.002,
        clip_high=Linear(0.004, 0.001),
        aggregation=ConstantLength(40),
        kl=KL(0.1, k2),
    )
    assert made.shaping == (OverlongPenalty(40, 8), KLPenalty())
    assert made.reference == FixedReference()
    assert (made.sampler.sampling.stop, made.sampler.sampling.max_tokens) == ((".",), 20)
    assert made.name == "mine"


def test_the_example_of_the_docs_is_read(tmp_path: Path) -> None:
    page = (Path(__file__).parents[2] / "docs" / "commands.md").read_text()
    made = read(tmp_path, page.partition("```yaml\n")[2].partition("```")[0])
    assert made.name == "grpo+overlong+kl-penalty+gspo+fixed"
    assert made.advantage == GroupNormalised(unbiased=False)
    assert made.optimiser.lr == Linear(0.0003, 0)


def test_options_go_over_a_short_file(tmp_path: Path) -> None:
    file = tmp_path / "short.yaml"
    file.write_text("recipe: grpo\nloop: {steps: 3}\n")
    made = recipe_from(str(file), ["--steps", "4", "--objective.aggregation", "token-mean"])
    assert made.loop.steps == 4
    assert made.objective.aggregation == TokenMean()  # type: ignore[attr-defined]


NEEDS = {
    "dpo": {"pairs": "pairs.jsonl"},
    "reward-model": {"pairs": "pairs.jsonl"},
    "sft": {"demonstrations": "written.jsonl"},
}
"""What some recipes learn from, which can't be left out."""


@pytest.mark.parametrize("name", [*all_recipes(), *named_recipes()])
def test_settings_written_out_are_read_as_the_same_recipe(name: str, tmp_path: Path) -> None:
    recipe = build_recipe(name, **NEEDS.get(name, {}))
    assert read(tmp_path, sheet(recipe, name)) == recipe


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("recipe: grop", "there is no recipe 'grop'; did you mean 'grpo'"),
        ("recipe: 3", "recipe is 3; give a recipe's name"),
        ("recipe: grpo\nlooop: 3", "the recipe has no looop; did you mean"),
        ("recipe: grpo\nloop: {stpes: 3}", "the recipe has no loop.stpes; did you mean loop.steps"),
        ("recipe: grpo\nloop: {steps: x}", "loop.steps is 'x'; give a whole number"),
        ("recipe: grpo\nloop: {steps: -1}", "loop.steps is -1; give a whole number of 0 or more"),
        ("recipe: grpo\nobjective: gsop", "objective takes cispo, clipped-surrogate"),
        ("recipe: grpo\nobjective: {part: gspo, clip: 1}", "GSPO has no setting 'clip'"),
        ("recipe: grpo\nobjective.kl.estimator: k2", "nothing stands there"),
        ("recipe: grpo\nsampler: {size: 1}", "GroupNormalised compares"),
        ("recipe: grpo\nloop: {part: gspo}", "loop.part is 'gspo'; no part has a name"),
        (f"recipe: grpo\ntasks: {'x' * 999}", "tasks: there is no file or folder 'xxx"),
        ("recipe: grpo\nshaping: [3]", "shaping[0] is 3; give a part"),
        ("steps: 3", "neither `recipe: NAME`"),
    ],
)
def test_what_is_wrong_is_told_with_the_file_and_the_place(
    text: str, told: str, tmp_path: Path
) -> None:
    with pytest.raises(PartError) as caught:
        read(tmp_path, text)
    assert str(caught.value).startswith(str(tmp_path / "short.yaml"))
    assert told in str(caught.value)


@pytest.mark.parametrize(
    ("text", "reaches"),
    [
        ("reward: {mine}:f", "runs {mine}"),
        ("reward: {{part: '{mine}:Own'}}", "runs {mine}"),
        ("objective.aggregation: {{function: '{mine}:f'}}", "runs {mine}"),
        ("shaping: [{{function: '{mine}:f'}}]", "runs {mine}"),
        ("model: {{engine: 'endpoint:http://far.example/v1'}}", "sends to http://far.example"),
        ("model.engine: {{part: endpoint, url: 'http://far.example'}}", "sends to http://far.ex"),
        ("model.engine: {{part: endpoint, url: 'http://localhost', key_variable: KEY}}", "KEY"),
        ("reward: {{part: sql, databases: ['/etc']}}", "/etc"),
        ("reward: {{part: code, trust_weak: true}}", "less isolation"),
    ],
)
def test_a_short_file_runs_and_reaches_nothing_untrusted(
    text: str, reaches: str, tmp_path: Path
) -> None:
    mine, ran = tmp_path / "mine.py", tmp_path / "ran"
    mine.write_text(f"open({str(ran)!r}, 'w')\n\n\ndef f(completion):\n    return 1.0\n")
    with pytest.raises(PartError) as caught:
        read(tmp_path, "recipe: grpo\n" + text.format(mine=mine))
    assert reaches.format(mine=mine) in str(caught.value)
    assert "--trust" in str(caught.value)
    assert not ran.exists()


def test_a_trusted_function_judges(tmp_path: Path) -> None:
    mine = tmp_path / "mine.py"
    mine.write_text("def brevity(completion):\n    return 1.0\n")
    made = read(tmp_path, f"recipe: grpo\nreward: {mine}:brevity\n", (str(mine),))
    assert made.name == "grpo+brevity"
    assert read(tmp_path, sheet(made, "grpo"), (str(mine),)) == made


@pytest.mark.parametrize(
    "name", ["os:system", "guerdon.cli:main", "guerdon.parts:importlib.import_module"]
)
def test_what_is_no_part_is_refused(name: str, tmp_path: Path) -> None:
    for text in (
        f"reward: {name}",
        f"reward: {{function: '{name}'}}",
        f"filter: {{part: '{name}'}}",
    ):
        with pytest.raises(PartError):
            read(tmp_path, f"recipe: grpo\n{text}\n")
