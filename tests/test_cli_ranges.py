"""Settings out of range on the command line: one line, before anything is loaded or written."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

import guerdon.cli.evaluate
import guerdon.cli.sample
import guerdon.training.loop
import guerdon.training.pairs
import guerdon.training.reward_model
from guerdon.cli import main
from guerdon.parts import PartError, describe
from guerdon.recipes import load_recipe
from guerdon.training import Model, PolicyRecipe

Captured = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def nothing_is_loaded_or_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """An empty folder to stand in, still empty but for "given" afterwards, and no model loaded."""
    loaded: list[str] = []

    def load(*_: Any, **__: Any) -> None:
        loaded.append("a model")
        raise RuntimeError("a model was loaded")

    monkeypatch.setattr(Model, "load", load)
    monkeypatch.setattr(guerdon.training.reward_model, "load_reward_model", load)
    monkeypatch.chdir(tmp_path)
    yield
    assert not loaded
    assert {path.name for path in tmp_path.iterdir()} <= {"given"}


def refused(capsys: Captured, arguments: list[str]) -> str:
    """The one line on the error stream of a command that is wrong."""
    assert main(arguments) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"guerdon {arguments[0]}: ")
    return line


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (
            "--sampling.temperature -1",
            "--sampler.sampling.temperature is -1.0; give a number of 0 or more",
        ),
        ("--sampling.temperature nan", "--sampler.sampling.temperature is nan"),
        ("--sampling.temperature 0", "sampling.temperature is 0: a group's completions would all"),
        (
            "--sampling.top-p 7",
            "--sampler.sampling.top-p is 7.0; give a number above 0 and at most 1",
        ),
        ("--sampling.top-p 0", "--sampler.sampling.top-p is 0.0"),
        ("--sampling.min-p -0.1", "--sampler.sampling.min-p is -0.1; give a number from 0 to 1"),
        ("--sampling.top-k -1", "--sampler.sampling.top-k is -1; give a whole number of 0 or more"),
        (
            "--sampling.max-tokens 0",
            "--sampler.sampling.max-tokens is 0; give a whole number of 1 or",
        ),
        ("--sampling.stop=", "--sampler.sampling.stop[0] is ''; give a text that is not empty"),
        ("--model.name=", "--model.name is ''; give a text that is not empty"),
        ("--sampling.max-turns 0", "--sampler.sampling.max-turns is 0"),
        ("--evaluation-sampling.max-tokens 0", "--evaluation-sampling.max-tokens is 0"),
        ("--sampler.size 1", "sampler.size is 1, but GroupNormalised compares"),
        ("--sampler.size 1 --advantage leave-one-out", "LeaveOneOut compares"),
        ("--sampler.size 1 --advantage reinforce++ --shaping unlikeliness", "Unlikeliness comp"),
        ("--sampler.size 0", "--sampler.size is 0; give a whole number of 1 or more"),
        ("--steps -3", "--steps is -3; give a whole number of 0 or more"),
        ("--steps=-3", "--steps is -3"),
        ("--steps 8.0", "--steps is '8.0'; give a whole number"),
        ("--steps ²", "--steps is '²'"),
        ("--loop.steps -3", "--loop.steps is -3"),
        ("--seed -1", "--seed is -1; give a whole number from 0 to"),
        ("--loop.groups 0", "--loop.groups is 0; give a whole number of 1 or more"),
        ("--loop.epochs 0", "--loop.epochs is 0"),
        ("--loop.microbatch -1", "--loop.microbatch is -1; give a whole number of 0 or more (0 "),
        ("--loop.ahead 2", "--loop.ahead is 2; give a whole number from 0 to 1"),
        ("--loop.groups 2 --loop.minibatch 64", "loop.minibatch is 64, but a step has 16 rows"),
        ("--loop.groups 2 --sampler.portion 3", "sampler.portion is 3, but a step has 2"),
        ("--loop.resample 3", "loop.resample is 3, but there is no filter"),
        ("--loop.checkpoint-every -1", "--loop.checkpoint-every is -1"),
        ("--loop.keep-checkpoints 0", "--loop.keep-checkpoints is 0"),
        ("--optimiser.lr -0.1", "--optimiser.lr is -0.1; give a number of 0 or more"),
        ("--optimiser.lr inf", "--optimiser.lr is inf"),
        (
            "--optimiser.betas 0.9 1",
            "--optimiser.betas[1] is 1.0; give a number of 0 or more",
        ),
        ("--optimiser.clip -1", "--optimiser.clip is -1.0; give a number of 0 or more (0 is off)"),
        ("--optimiser.lr cosine:3,-3", "--optimiser.lr is Cosine"),
        ("--objective.clip-low -0.2", "--objective.clip-low is -0.2"),
        ("--kl -1", "--kl is -1.0; give a number of 0 or more"),
        ("--kl nan", "--kl is nan"),
        ("--kl 0.1 --reference moving:1.5", "--reference.decay is 1.5; give a number from 0 to 1"),
        ("--shaping kl-penalty", "compares with a reference policy"),
        ("--shaping overlong --shaping.0.factor -1", "--shaping[0].factor is -1.0"),
        ("--advantage gae --objective ppo --advantage.lam 1.5", "--advantage.lam is 1.5"),
        ("--advantage gae:-1 --objective ppo", "--advantage.discount is -1; give a number from 0 "),
        ("--advantage gae", "GAE needs value estimates, but ClippedSurrogate learns none"),
        ("--objective ppo", "PPO learns values, but GroupNormalised gives it no returns"),
        ("--objective ppo --advantage gae", "the model has no value head"),
        ("--reference adapter-off --kl 0.1", "AdapterOffReference needs a policy with an adapter"),
        ("--model.adapter lroa", '--model.adapter is \'lroa\'; give "lora", "dora", "rslora"'),
        ("--model.dtype float33", '--model.dtype is \'float33\'; give "float32", "bfloat16"'),
        ("--model.mixed-precision fp7", "--model.mixed-precision is 'fp7'"),
        ("--model.rank 0", "--model.rank is 0; give a whole number of 1 or more"),
        ("--tasks.digits 9", "--tasks.digits is 9; give a whole number from 2 to 6"),
        (
            "--reward repetition --reward.penalty 1",
            "--reward.penalty is 1.0; give a number b",
        ),
        ("--filter informative --filter.tolerance -1", "--filter.tolerance is -1.0"),
        ("--curriculum shuffled --curriculum.seed -2", "--curriculum.seed is -2"),
    ],
)
def test_train_refuses_in_one_line(arguments: str, told: str, capsys: Captured) -> None:
    assert told in refused(capsys, ["train", *arguments.split()])


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ("sample --count -1", "--count is -1; give a whole number of 1 or more"),
        ("sample --sampling.temperature -1", "--sampler.sampling.temperature is -1.0"),
        ("evaluate --evaluation-sampling.top-p 2", "--evaluation-sampling.top-p is 2.0"),
        ("score given --worst -1", "--worst is -1; give a whole number of 0 or more"),
        ("score given --reward.symbolic-seconds -1", "--reward.symbolic-seconds is -1.0"),
        ("audit format --seconds 0", "--seconds is 0.0; give a number above 0 and at most"),
        ("audit format --seconds 1e300", "--seconds is 1e+300"),
        ("audit format --seconds nan", "--seconds is nan"),
        ("audit format --memory 0", "--memory is 0; give a whole number from 1 to"),
        ("audit format --count 0", "--count is 0; give a whole number of 1 or more"),
        ("serve --port 99999", "--port is 99999; give a whole number from 0 to 65535 (0 takes a"),
        ("serve --port -1", "--port is -1"),
        ("serve --max-batch 0", "--max-batch is 0; give a whole number from 1 to"),
        ("serve --max-body 0", "--max-body is 0"),
        ("serve --timeout 0", "--timeout is 0.0; give a number above 0"),
        ("serve --timeout inf", "--timeout is inf"),
        ("serve --invalid nan", "--invalid is nan"),
        ("reproduce grpo --seeds", "--seeds is empty"),
        ("reproduce grpo --seeds 0", "--seeds is 0; give a whole number from 1 to 10000"),
        ("reproduce grpo --seeds 99999999999", "--seeds is 99999999999; give a whole number from"),
        ("reproduce grpo --seeds 3 3", "--seeds names a seed twice"),
        ("reproduce grpo --seeds 0 -1", "--seeds is -1; give a whole number from 0 to"),
        ("train --pairs given --epochs 0", "--epochs is 0; give a whole number of 1 or more"),
        ("train --pairs given --seed -1", "--seed is -1"),
        (
            "train --pairs given --objective.beta 0",
            "--objective.beta is 0.0; give a number a",
        ),
        ("train --pairs given --reward-model --batch 0", "--batch is 0"),
        ("train --pairs given --reward-model --objective.margin -1", "--objective.margin is -1.0"),
    ],
)
def test_other_commands_refuse_in_one_line(arguments: str, told: str, capsys: Captured) -> None:
    assert told in refused(capsys, arguments.split())


@pytest.mark.parametrize(
    ("place", "value", "told"),
    [
        (
            ("sampler", "sampling", "temperature"),
            -1,
            "sampler.sampling.temperature is -1; give a number of 0 or more",
        ),
        (
            ("loop", "steps"),
            8.0,
            "loop.steps is 8.0; give a whole number of 0 or more, without",
        ),
        (("loop", "steps"), "8", "loop.steps is '8'; give a whole number of 0 or more, not a text"),
        (("loop", "steps"), True, "loop.steps is True; give a whole number of 0 or more, not true"),
        (("loop", "steps"), None, "loop.steps is None"),
        (("optimiser", "betas"), [0.9], "optimiser.betas is (0.9,); give 2 values"),
        (("model", "value_head"), "no", "model.value_head is 'no'; give true or false"),
        (
            ("sampler", "sampling", "stop"),
            "end",
            "sampler.sampling.stop is 'end'; give several values, each a text",
        ),
        (("sampler", "sampling"), 3, "sampler.sampling is 3; give a part (Sampling)"),
        (("sampler", "size"), 1, "sampler.size is 1, but GroupNormalised compares"),
        (("loop", "minibatch"), 10_000, "loop.minibatch is 10000, but a step has"),
    ],
)
def test_a_recipe_file_is_refused_with_its_name_and_place(
    place: tuple[str, ...], value: Any, told: str, tmp_path: Path, capsys: Captured
) -> None:
    data = json.loads(json.dumps(describe(load_recipe("grpo").build())))
    inside = data
    for name in place[:-1]:
        inside = inside[name]
    inside[place[-1]] = value
    (tmp_path / "given").mkdir()
    file = tmp_path / "given" / "recipe.yaml"
    file.write_text(yaml.safe_dump(data))
    with pytest.raises(PartError) as caught:
        PolicyRecipe.load(file)
    assert str(file) in str(caught.value)
    assert told in str(caught.value)
    assert told in refused(capsys, ["train", "--recipe", str(file)])
