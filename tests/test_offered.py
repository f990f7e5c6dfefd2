"""Parts chosen by name on the command line, and their settings after them."""

from __future__ import annotations

from pathlib import Path

import pytest

from guerdon.advantages import GAE, BatchStd, GroupNormalised
from guerdon.cli.helping import overrides
from guerdon.cli.offered import POLICY_CHOICES
from guerdon.cli.part_names import part_of
from guerdon.cli.settings import recipe_from
from guerdon.curriculum import Informative
from guerdon.objectives import GSPO, KL, PPO, ConstantLength, k2
from guerdon.rewards import FormatReward, FunctionReward, WeightedSum
from guerdon.shaping import KLPenalty, OverlongPenalty
from guerdon.tasks import FileTasks, MultiChoice, ToyTextTasks
from guerdon.training import SGD, FixedReference, MovingReference, PolicyRecipe


def chosen(*arguments: str) -> PolicyRecipe:
    return recipe_from("grpo", list(arguments))


def test_ppo_from_the_command_line() -> None:
    made = chosen("--advantage", "gae", "--advantage.lam", "0.9", "--objective", "ppo")
    assert made.advantage == GAE(lam=0.9)
    assert made.objective == PPO()


def test_a_composed_reward_from_a_file_stays_what_it_is(tmp_path: Path) -> None:
    mine = tmp_path / "composed.py"
    mine.write_text(
        "from guerdon.rewards import FormatReward, LengthReward, WeightedSum\n"
        "both = WeightedSum({'form': FormatReward(), 'length': LengthReward()}, {'length': 0.5})\n"
    )
    reward = chosen("--reward", f"{mine}:both").reward
    assert isinstance(reward, WeightedSum)
    assert reward.weights == {"length": 0.5}


def test_a_part_comes_before_what_is_inside_it_in_any_order() -> None:
    arguments = ["--objective.kl.estimator", "k2", "--objective.aggregation=constant-length:48"]
    made = chosen(*arguments, "--kl", "0.01", "--objective", "gspo", "--objective.clip-low", "0.1")
    assert made.objective == GSPO(clip_low=0.1, kl=KL(0.01, k2), aggregation=ConstantLength(48))
    assert made.reference == FixedReference()


def test_kl_keeps_a_reference_that_was_chosen() -> None:
    made = chosen("--kl", "0.1", "--reference", "moving:0.9")
    assert made.reference == MovingReference(0.9)
    assert chosen("--kl", "0").objective.kl is None  # type: ignore[attr-defined]


def test_shapers_are_several_and_numbered() -> None:
    made = chosen("--shaping", "overlong,kl-penalty", "--shaping.0.limit", "40",
                  "--shaping.0.buffer", "8", "--shaping.1.coefficient", "0.5",
                  "--reference", "fixed")  # fmt: skip
    assert made.shaping == (OverlongPenalty(40, 8), KLPenalty(0.5))
    assert chosen("--shaping", "none").shaping == ()


def test_the_other_stages(tmp_path: Path) -> None:
    made = chosen("--tasks", "multi-choice", "--tasks.options", "4", "--reward", "format",
                  "--filter", "informative", "--optimiser", "sgd:0.2",
                  "--advantage.scale", "batch-std")  # fmt: skip
    assert made.tasks == MultiChoice(options=4)
    assert made.reward == FormatReward()
    assert made.filter == Informative()
    assert made.optimiser == SGD(0.2)
    assert made.advantage == GroupNormalised(scale=BatchStd())
    assert chosen("--tasks", "toy-text:Taxi-v9").tasks == ToyTextTasks("Taxi-v9")
    file = tmp_path / "mine.jsonl"
    file.write_text("")
    assert chosen("--tasks", str(file)).tasks == FileTasks(str(file))


@pytest.mark.parametrize("option", POLICY_CHOICES)
def test_help_lists_every_name(option: str) -> None:
    assert f"--{option}" in overrides()
    assert all(name in overrides() for name in POLICY_CHOICES[option])


VALUES = {
    "file": "rows.jsonl",
    "reasoning-gym": "basic_arithmetic",
    "constant-length": "8",
    "gated-sum": "format",
    "reward-model": "runs/reward-model/model",
}
"""What parts without a default for their first setting are given."""

BESIDE = {
    "objective.kl.estimator": ("--kl", "0.1"),
    "kl-penalty": ("--reference", "fixed"),
    "gae": ("--objective", "ppo"),
    "ppo": ("--advantage", "gae"),
    "on-pairs": ("--reference", "fixed", "--selection", "best-against-worst"),
    "stepwise-dpo": ("--reference", "refreshed", "--selection", "all-pairs"),
}
"""What a part contradicts the rest of the recipe without."""


@pytest.mark.parametrize(
    ("option", "name"), [(o, n) for o, names in POLICY_CHOICES.items() for n in names]
)
def test_every_name_makes_a_part(option: str, name: str) -> None:
    defaults = (option, name) == ("reward", "reasoning-gym")
    text = f"{name}:{VALUES[name]}" if name in VALUES and not defaults else name
    recipe = chosen(f"--{option}", text, *BESIDE.get(option, ()), *BESIDE.get(name, ()))
    assert recipe_from_file(recipe) == recipe


def recipe_from_file(recipe: PolicyRecipe) -> PolicyRecipe:
    """Through YAML and back."""
    from guerdon.parts import build, describe

    built: PolicyRecipe = build(describe(recipe))
    return built


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("def f(:\n", r"line 1 can't be run: SyntaxError"),
        ("\nimport no_such_package\n", r"line 2 can't be run: ModuleNotFoundError"),
        ("f = 3\n", r":f is 3; name a function"),
        ("class f:\n    def __init__(self, k): ...\n", r"needs settings .*'k'"),
    ],
)
def test_what_is_wrong_with_a_users_file_is_told(tmp_path: Path, text: str, told: str) -> None:
    file = tmp_path / "mine.py"
    file.write_text(text)
    with pytest.raises(ValueError, match=told):
        part_of("reward", f"{file}:f")


def test_an_object_of_a_users_class_judges(tmp_path: Path) -> None:
    file = tmp_path / "mine.py"
    file.write_text(
        "class Judge:\n    def __call__(self, completion):\n        return len(completion)\n"
    )
    assert isinstance(part_of("reward", f"{file}:Judge"), FunctionReward)


@pytest.mark.parametrize(
    ("base", "arguments", "name"),
    [
        ("grpo", "--objective gspo", "grpo+gspo"),
        ("grpo", "--objective clipped-surrogate --objective.clip-high 0.3 --steps 3", "grpo"),
        ("grpo", "--kl 0.1", "grpo+fixed+kl"),
        ("grpo", "--advantage leave-one-out --reward format", "grpo+format+leave-one-out"),
        ("grpo", "--objective gspo --name mine", "mine"),
        ("gspo", "--objective cispo", "cispo"),
        ("reinforce++", "--advantage reinforce++-baseline --sampler.size 4",
         "reinforce++-baseline"),
        ("dapo", "--filter none --loop.resample 1", "dapo+no-filter"),
        ("dapo", "--shaping none", "dapo+no-shaping"),
        ("dapo", "--shaping overlong,length-penalty --shaping.0.limit 40 --shaping.0.buffer 8",
         "dapo+overlong+length-penalty"),
    ],
)  # fmt: skip
def test_a_run_is_called_after_what_it_is(base: str, arguments: str, name: str) -> None:
    assert recipe_from(base, arguments.split()).name == name


def test_a_users_function_gives_its_name_if_a_folder_can_have_it(tmp_path: Path) -> None:
    mine = tmp_path / "mine.py"
    long = "very" * 40
    mine.write_text(f"def short(completion): return 1.0\n\n\ndef {long}(completion): return 1.0\n")
    assert chosen("--reward", f"{mine}:short").name == "grpo+short"
    assert chosen("--reward", f"{mine}:{long}").name == "grpo"
