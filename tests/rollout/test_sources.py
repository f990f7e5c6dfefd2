"""Policies made by a part: tables and small networks over the states of tasks."""

from __future__ import annotations

import copy
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from guerdon.cli import main
from guerdon.records import Task
from guerdon.rewards import EnvironmentReturn
from guerdon.rollout import Grid, Groups, Model, Network, Step, Table
from guerdon.rollout.sources import states_and_actions
from guerdon.rollout.tabular import one_hot_keys
from guerdon.stages import Policy, PolicySource, Sampling
from guerdon.tasks import CornerTasks, GridTasks, MultipleChoice, ToyTextTasks
from guerdon.training import AdamW, Loop, PolicyRecipe, train

MOVES = ("up", "down", "left", "right")


def test_every_state_of_the_tasks_is_declared_once() -> None:
    tasks = [
        Task("a", "", columns={"environment": "grid", "settings": {"size": 2}}),
        Task("b", "", columns={"environment": "grid", "settings": {"size": 2, "start": (1, 0)}}),
        Task("c", "", columns={"environment": "grid", "settings": {"size": 2, "goal": (1, 0)}}),
    ]
    states, actions = states_and_actions(tasks)
    cells = [(0, 0), (1, 0), (0, 1), (1, 1)]
    assert actions == MOVES
    assert states == [("grid", c, goal, None) for goal in ((1, 1), (1, 0)) for c in cells]


def test_a_worlds_states_are_all_that_its_episodes_meet() -> None:
    for tasks in (
        GridTasks(size=3, locked=True, train=6).load("train"),
        ToyTextTasks("CliffWalking-v1", train=2).load("train"),
    ):
        policy = Table().load(tasks)
        rows = policy.sample(tasks, 8, Sampling(max_turns=20), 0)
        with torch.no_grad():
            torch.testing.assert_close(policy.forward(rows).logps, rows.logps)
    assert len(Grid(3, walls=((1, 1),), key=(2, 0)).states()) == 16


class Blind:
    actions = ("a",)
    state_key = 0

    def reset(self) -> str:
        return ""

    def step(self, action: str) -> Step:
        return Step("", 0.0, True)


@pytest.mark.parametrize(
    ("tasks", "given", "told"),
    [
        ([Task("q", "1+1=")], (), "task 'q' is no world and offers no choices"),
        ([Task("q", "", columns={"environment": Blind})], (), "Blind does not say them; give it s"),
        (
            [
                Task("q", "", columns={"choices": {"A": 1}}),
                Task("r", "", columns={"choices": "AB"}),
            ],
            (),
            "task 'r' has the actions A, B, others have A",
        ),
        (CornerTasks().load("train"), ("jump",), "has the actions up, down, left, right"),
    ],
)
def test_what_no_table_can_hold(tasks: list[Task], given: tuple[str, ...], told: str) -> None:
    for source in (Table(given), Network(given)):
        with pytest.raises(ValueError, match=told):
            source.load(tasks)


def test_one_choice_has_the_tasks_choices_or_the_given_ones() -> None:
    tasks = MultipleChoice(train=3).load("train")
    assert states_and_actions(tasks) == ([t.id for t in tasks], tuple("ABCD"))
    assert states_and_actions([Task("q", "")], ("yes", "no")) == (["q"], ("yes", "no"))


def test_a_key_is_read_place_by_place() -> None:
    # Places 0, 1 and 2 of the flat keys: "g"; 0 or 1; 5, 6 or nothing.
    found = one_hot_keys([("g", (0, 5)), ("g", (1, 5)), ("g", (0, 6)), ("g", 1)])
    assert found.tolist() == [[1, 1, 1, 0, 0], [1, 0, 1, 1, 0], [1, 1, 0, 0, 1], [1, 0, 0, 1, 0]]


@pytest.mark.parametrize("source", [Table(), Network(width=8, layers=2), Network(layers=0)])
def test_they_are_policies_uniform_at_first(source: PolicySource) -> None:
    tasks = CornerTasks(size=3).load("train")
    assert isinstance(source, PolicySource)
    policy = source.load(tasks)
    assert isinstance(policy, Policy)
    rows = policy.sample(tasks, 4, Sampling(max_turns=5), 0)
    assert rows.logps[rows.mask].exp().tolist() == pytest.approx([0.25] * int(rows.mask.sum()))
    now = policy.forward(rows, frozenset({"entropy"}))
    now.logps.sum().backward()
    assert any(
        float(p.grad.abs().sum()) > 0 for p in policy.module.parameters() if p.grad is not None
    )
    again = copy.deepcopy(policy).sample(tasks, 4, Sampling(max_turns=5), 0)
    assert torch.equal(again.ids, rows.ids)


WORLDS = [
    GridTasks(size=3, train=32, test=12, reward=1.0),
    ToyTextTasks(options={"is_slippery": False}, train=8, test=4),
]


@pytest.mark.parametrize("tasks", WORLDS, ids=["grid", "toy-text"])
@pytest.mark.parametrize("model", [Table(), Network(width=32)], ids=["table", "network"])
def test_a_world_is_learned_in_the_real_loop(tasks: Any, model: PolicySource) -> None:
    recipe = PolicyRecipe(
        model=model,
        tasks=tasks,
        reward=EnvironmentReturn(),
        sampler=Groups(8, Sampling(max_turns=12)),
        evaluation_sampling=Sampling(max_turns=12),
        optimiser=AdamW(lr=0.3 if isinstance(model, Table) else 0.03),
        loop=Loop(steps=40, groups=8, checkpoint_every=0),
    )
    result = train(recipe, quiet=True)
    assert result.before is not None
    assert result.after is not None
    assert result.before.mean < 0.5
    assert result.after.mean > 0.8


def test_the_command_line_takes_them_by_name(tmp_path: Path, capsys: Any) -> None:
    options = (
        "--tasks grid --tasks.train 16 --tasks.test 4 --reward environment-return "
        "--sampling.max-turns 6 --loop.steps 1"
    )
    arguments = f"train --model network --model.width 8 {options} --quiet --out {tmp_path / 'run'}"
    assert main(arguments.split()) == 0
    recipe = PolicyRecipe.load(tmp_path / "run" / "recipe.yaml")
    assert recipe.model == Network(width=8)
    capsys.readouterr()
    assert main(f"evaluate --model table {options} --json".split()) == 0
    assert "mean" in json.loads(capsys.readouterr().out)
    assert main(["train", "--model", "table", "--endpoint", "http://127.0.0.1:1/v1"]) == 2
    assert "the model is a Table" in capsys.readouterr().err


def test_a_models_name_keeps_its_settings() -> None:
    from guerdon.cli.settings import recipe_from

    arguments = ["--model", "owner/name", "--model.adapter", "lora"]
    assert recipe_from("grpo", arguments).model == Model("owner/name", adapter="lora")
    assert recipe_from("gazal-r1", ["--model", "x"]).model == replace(
        recipe_from("gazal-r1", []).model, name="x"
    )
