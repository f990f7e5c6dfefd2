"""Small policies on disk: what is saved begins a stage, a round and a command again."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from kills.comparing import differences

from guerdon.cli import main
from guerdon.cli.part_names import part_of
from guerdon.diffusion import RingDenoiser, RingTasks
from guerdon.models.saved_policy import read_key, saved_policy, source_in, written_key
from guerdon.models.sources import ModelError
from guerdon.recipes import build_recipe, d3po
from guerdon.rewards import EnvironmentReturn
from guerdon.rollout import Groups, LanguagePolicy, Model, NetworkPolicy, TabularPolicy
from guerdon.rollout.slots import SlotPolicy
from guerdon.rollout.sources import Network, Table
from guerdon.sealed import seal
from guerdon.stages import Sampling
from guerdon.tasks import GridTasks
from guerdon.training import (
    AdamW,
    Loop,
    PolicyRecipe,
    Rounds,
    Stage,
    Stages,
    Weights,
)

TURNS = Sampling(max_turns=4)
WORLDS = GridTasks(size=3, train=8, test=4)


def small(model: Any, **loop: Any) -> PolicyRecipe:
    return PolicyRecipe(
        name="small",
        model=model,
        tasks=WORLDS,
        reward=EnvironmentReturn(),
        sampler=Groups(4, TURNS),
        evaluation_sampling=TURNS,
        optimiser=AdamW(lr=0.1),
        loop=Loop(**{"steps": 2, "groups": 4, "checkpoint_every": 1, **loop}),
    )


def moved(policy: Any) -> Any:
    """The policy with other weights than at its start."""
    with torch.no_grad():
        for number, weights in enumerate(policy.parameters()):
            weights.copy_(torch.linspace(-1, 1, weights.numel()).view_as(weights) + number)
    return policy


@pytest.mark.parametrize(
    "source", [Table(), Network(width=4, layers=2), Network(layers=0)], ids=["t", "n2", "n0"]
)
def test_what_is_saved_is_loaded_bit_for_bit(source: Any, tmp_path: Path) -> None:
    tasks = WORLDS.load("train")
    policy = moved(source.load(tasks))
    policy.save(tmp_path / "m")
    assert sorted(p.name for p in (tmp_path / "m").iterdir()) == [
        "policy.json",
        "policy.safetensors",
    ]
    again = source_in(str(tmp_path / "m"))
    assert again == replace(source, actions=policy.actions, name=str(tmp_path / "m"))
    rows = policy.sample(tasks, 3, TURNS, 0)
    loaded = again.load(tasks)
    assert torch.equal(loaded.forward(rows).logps, policy.forward(rows).logps)
    loaded.save(tmp_path / "twice")
    names = ("policy.json", "policy.safetensors")
    assert all(
        (tmp_path / "m" / n).read_bytes() == (tmp_path / "twice" / n).read_bytes() for n in names
    )


def test_a_table_keeps_what_it_knew_and_is_uniform_where_it_is_new(tmp_path: Path) -> None:
    TabularPolicy(["a", ("b", 1)], "xy", torch.tensor([[1.0, 2.0], [3.0, 4.0]])).save(tmp_path)
    made = TabularPolicy.begun(saved_policy(str(tmp_path), Table), ["c", ("b", 1)], "xy")
    assert list(made.index) == ["a", ("b", 1), "c"]
    assert made.logits.tolist() == [[1.0, 2.0], [3.0, 4.0], [0.0, 0.0]]


def test_a_network_reads_its_columns_by_what_they_say(tmp_path: Path) -> None:
    policy = moved(NetworkPolicy([("g", 0), ("g", 1)], "xy", width=2))
    policy.save(tmp_path)
    saved = saved_policy(str(tmp_path), Network)
    assert saved.facts["columns"] == [[0, "g"], [1, 0], [1, 1]]
    made = NetworkPolicy.begun(saved, [("g", 2), ("g", 1), ("g", 0)], "xy", 2, 1)
    assert torch.equal(made.scores(torch.tensor([2, 1])), policy.scores(torch.tensor([0, 1])))
    # A value that it has not met adds nothing: only "g" is read of ("g", 2).
    bare = policy.network[0][0]
    hidden = torch.tanh(bare.weight[:, 0] + bare.bias)
    assert torch.allclose(made.scores(torch.tensor([0]))[0], policy.network[1](hidden))


def test_keys_are_written_as_plain_values() -> None:
    for key in ("a", 3, 2.5, None, True, ("g", (0, 1), None)):
        assert read_key(json.loads(json.dumps(written_key(key)))) == key
    assert written_key((np.int64(3), np.float32(0.5))) == [3, 0.5]
    for odd in (object(), frozenset({1}), float("nan"), ("a", b"b")):
        with pytest.raises(TypeError, match="no plain value"):
            written_key(odd)


def test_states_without_a_plain_form_are_left_out_and_told(tmp_path: Path) -> None:
    policy = moved(TabularPolicy(["a", frozenset({1}), "b"], "xy"))
    with pytest.warns(UserWarning, match=r"1 states are not saved, since frozenset\(\{1\}\)"):
        policy.save(tmp_path)
    kept = saved_policy(str(tmp_path))
    assert kept.facts["states"] == ["a", "b"]
    assert torch.equal(kept.weights["logits"], policy.logits[[0, 2]])


def test_a_denoiser_goes_on_where_it_was(tmp_path: Path) -> None:
    source = RingDenoiser(width=8, guidance=2.0)
    policy = moved(source.load())
    policy.save(tmp_path)
    again = source_in(str(tmp_path))
    assert again == replace(source, name=str(tmp_path))
    tasks = RingTasks(train=2, test=0).load("train")
    rows = policy.sample(tasks, 2, Sampling(), 0)
    assert torch.equal(again.load().forward(rows).logps, policy.forward(rows).logps)
    with pytest.raises(ModelError, match=r"another RingDenoiser: its .* of shape"):
        replace(again, width=9).load()


def test_a_policy_made_by_hand_is_loaded_by_hand(tmp_path: Path) -> None:
    form = moved(SlotPolicy(["a"], [["x", "y"], ["z"]], lambda task, said: " ".join(said)))
    form.save(tmp_path)
    other = SlotPolicy(["a"], [["x", "y"], ["z"]], lambda task, said: " ".join(said))
    saved_policy(str(tmp_path)).into(other)
    assert torch.equal(other.logits, form.logits)
    with pytest.raises(ModelError, match="a program of its own"):
        source_in(str(tmp_path))


def test_a_value_head_goes_on(tmp_path: Path) -> None:
    policy = LanguagePolicy.load(value_head=True)
    moved(policy.actor.value_head)
    policy.save(tmp_path)
    again = LanguagePolicy.load(str(tmp_path), value_head=True).actor.value_head
    assert again is not None
    assert torch.equal(again.weight, policy.actor.value_head.weight)  # type: ignore[union-attr]
    assert LanguagePolicy.load(str(tmp_path)).actor.value_head is None


def _other_part(folder: Path) -> None:
    told = json.loads((folder / "policy.json").read_text())
    told["made_by"] = {"part": "os:system"}
    (folder / "policy.json").write_text(json.dumps(told))


def _no_part(folder: Path) -> None:
    told = json.loads((folder / "policy.json").read_text())
    told["made_by"] = {"part": "guerdon.rewards.answers.answer:AnswerMatch"}
    (folder / "policy.json").write_text(json.dumps(told))


def _cut(folder: Path) -> None:
    (folder / "policy.safetensors").write_bytes(b"\x10")


def _list(folder: Path) -> None:
    (folder / "policy.json").write_text("[1]")


def _sealed(folder: Path) -> None:
    seal(folder)
    (folder / "policy.json").write_text("{}")


@pytest.mark.parametrize(
    ("harm", "told"),
    [
        (_other_part, "of Python's own library"),
        (_no_part, "no part that makes a policy"),
        (_cut, "weights are damaged"),
        (_list, "says of no part"),
        (_sealed, "is damaged"),
    ],
)
def test_a_folder_that_is_wrong_is_told(
    harm: Callable[[Path], None], told: str, tmp_path: Path
) -> None:
    TabularPolicy(["a"], "xy").save(tmp_path)
    harm(tmp_path)
    with pytest.raises(ValueError, match=told):
        part_of("model", str(tmp_path))


def test_what_is_none_of_its_kind_is_refused(tmp_path: Path) -> None:
    tasks = WORLDS.load("train")
    Table().load(tasks).save(tmp_path / "model")
    model = str(tmp_path / "model")
    with pytest.raises(ModelError, match="holds a Table, not a Network; --model"):
        Network(name=model).load(tasks)
    with pytest.raises(ModelError, match="no language model"):
        Model(model).load()
    with pytest.raises(ModelError, match=f"give {model}"):
        Table(name=str(tmp_path)).load(tasks)
    with pytest.raises(ModelError, match=f"give {model}"):
        Model(str(tmp_path)).load()
    TabularPolicy(["a"], ("x", "y")).save(tmp_path / "other")
    with pytest.raises(ModelError, match="takes x, y, and the tasks offer up, down"):
        Table(name=str(tmp_path / "other")).load(tasks)


def _stages() -> Stages:
    return Stages((Stage("a", small(Table())), Stage("b", small(Table()), Weights(optimiser=True))))


CHAINS: dict[str, Callable[[], Any]] = {
    "two tables": _stages,
    "rounds of a network": lambda: Rounds(small(Network(width=4))),
    "rounds of a denoiser": lambda: Rounds(
        d3po.build(
            tasks=RingTasks(train=4, test=2),
            sampler=Groups(3),
            loop=Loop(steps=2, groups=2, minibatch=3, checkpoint_every=1),
        )
    ),
}


@pytest.mark.parametrize("name", CHAINS)
def test_the_second_begins_with_what_the_first_saved(name: str, tmp_path: Path) -> None:
    CHAINS[name]().run(tmp_path / "run", quiet=True)
    told = json.loads((tmp_path / "run/summary.json").read_text())["stages"]
    if name == "two tables":  # rounds have other seeds, hence other draws
        assert told[1]["before"]["mean"] == pytest.approx(told[0]["after"]["mean"], abs=1e-6)
    first, second = (tmp_path / "run" / one["name"] for one in told)
    begun = torch.load(second / "checkpoints/step-000001/state.pt", weights_only=True)
    left = torch.load(first / "checkpoints/step-000002/state.pt", weights_only=True)
    weights, before = (one["memory"]["learner"]["weights"] for one in (begun, left))
    assert weights.keys() == before.keys()
    # One step of Adam moves no weight by more than its rate (0.1, or less).
    assert all(float((weights[k] - before[k]).abs().max()) <= 0.11 for k in weights)
    assert any(not torch.equal(weights[k], before[k]) for k in weights)


@pytest.mark.parametrize("name", CHAINS)
def test_a_chain_that_was_stopped_goes_on_bit_for_bit(name: str, tmp_path: Path) -> None:
    whole, other = tmp_path / "whole", tmp_path / "other"
    CHAINS[name]().run(whole, quiet=True)
    CHAINS[name]().run(other, quiet=True, stop_after=1)
    CHAINS[name]().run(other, quiet=True, resume=True)
    assert differences(whole, other) == []


def test_commands_take_a_run_of_a_table(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = tmp_path / "run"
    result = small(Table(), steps=6).run(run, quiet=True)
    assert result.after is not None
    capsys.readouterr()
    assert main(["evaluate", str(run), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["mean"] == pytest.approx(result.after.mean, abs=1e-6)
    assert main(["sample", str(run), "--count", "2", "--json"]) == 0
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert len(rows) == 2
    assert all({*row["completion"].split()} <= {"up", "down", "left", "right"} for row in rows)
    by_place = ["--recipe", str(run / "recipe.yaml"), "--model", str(run / "model"), "--json"]
    assert main(["evaluate", *by_place]) == 0
    assert json.loads(capsys.readouterr().out)["mean"] == pytest.approx(result.after.mean, abs=1e-6)


def test_named_recipes_with_values_keep_their_head(tmp_path: Path) -> None:
    brief = Loop(steps=1, groups=2, evaluation_tasks=0, epochs=1)
    recipe = build_recipe("ppo", loop=brief, sampler=Groups(1, Sampling(max_tokens=8)))
    recipe.run(tmp_path / "run", quiet=True)
    saved = LanguagePolicy.load(str(tmp_path / "run/model"), value_head=True)
    assert saved.actor.value_head is not None
    assert float(saved.actor.value_head.bias.detach().abs()) > 0
