"""Sampling is a stage: anybody's sampler runs, and what it returns is checked."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml

from guerdon.cli import main
from guerdon.cli.recipe_files import load_recipe_file
from guerdon.curriculum import SequentialTasks
from guerdon.parts import PartError, build, describe
from guerdon.records import Progress, Rollouts, Scores, Task
from guerdon.rollout import Groups, Table
from guerdon.schedules import Steps
from guerdon.stages import Policy, Sampler, Sampling
from guerdon.training import Loop, PolicyRecipe, train
from guerdon.training.collect import collect
from guerdon.training.stopping import PartFailed
from guerdon.training.update import ALONE

Captured = pytest.CaptureFixture[str]
TASKS = [Task(name, "", columns={"choices": "AB"}) for name in "abc"]


@dataclass(frozen=True)
class ThreeTasks:
    def load(self, split: str) -> list[Task]:
        return TASKS if split == "train" else []


def first_pays(rollouts: Rollouts, progress: Progress) -> Scores:
    return Scores((rollouts.ids[:, 0] == 0).float())


def made(sampler: Any, **settings: Any) -> PolicyRecipe:
    loop = Loop(steps=3, groups=3, checkpoint_every=1, evaluation_tasks=0)
    return PolicyRecipe(
        model=Table(),
        tasks=ThreeTasks(),
        reward=first_pays,
        curriculum=SequentialTasks(),
        sampler=sampler,
        **{"loop": loop, **settings},
    )


def batch(sampler: Any, tasks: Sequence[Task] = TASKS, groups: int = 3) -> Rollouts:
    recipe = made(sampler, loop=Loop(groups=groups))
    policy = Table().load(TASKS)
    return collect(recipe, policy, tasks, Progress(), ALONE, lambda: 0.0).rollouts


def twice_each(policy: Policy, tasks: Sequence[Task], progress: Progress, seed: int) -> Rollouts:
    return policy.sample(tasks, 2, Sampling(), seed)


def test_a_function_is_a_sampler_and_draws_what_groups_of_its_size_would() -> None:
    assert isinstance(twice_each, Sampler)
    own, ours = batch(twice_each), batch(Groups(2))
    assert own.tasks == ours.tasks
    assert torch.equal(own.ids, ours.ids)
    assert torch.equal(own.logps, ours.logps)
    assert torch.equal(batch(Groups(2, portion=1)).ids, ours.ids)


def test_what_was_drawn_twice_is_asked_for_again_with_another_seed() -> None:
    asked: list[tuple[list[str], int]] = []

    def watched(policy: Policy, tasks: Sequence[Task], progress: Progress, seed: int) -> Rollouts:
        asked.append(([task.id for task in tasks], seed))
        return policy.sample(tasks, 2, Sampling(), seed)

    found = batch(watched, groups=7)
    assert [ids for ids, _ in asked] == [["a", "b", "c"], ["a", "b", "c"], ["a"]]
    assert len({seed for _, seed in asked}) == 3
    assert [task.id for task in found.tasks] == [*"abcabca"]
    assert found.group.tolist() == [g for g in range(7) for _ in range(2)]


def test_a_size_that_follows_the_run() -> None:
    result = train(made(Groups(Steps((2, 4, 3)))), quiet=True)
    assert [figures["judged_rows"] for figures in result.history] == [6, 12, 9]


@dataclass(frozen=True)
class Growing:
    """A row more in each step, by what it remembers; every group that it is shown is counted."""

    memory: dict[str, int] = field(default_factory=lambda: {"steps": 0, "shown": 0}, init=False)

    def __call__(
        self, policy: Policy, tasks: Sequence[Task], progress: Progress, seed: int
    ) -> Rollouts:
        self.memory["steps"] += 1
        return policy.sample(tasks, 1 + self.memory["steps"], Sampling(), seed)

    def observe(self, rollouts: Rollouts, scores: Scores) -> None:
        self.memory["shown"] += len(rollouts.tasks)

    def state_dict(self) -> dict[str, Any]:
        return dict(self.memory)

    def load_state_dict(self, state: Any) -> None:
        self.memory.update(state)


def test_a_sampler_with_memory_observes_and_is_resumed(tmp_path: Path) -> None:
    whole = train(made(Growing()), tmp_path / "whole", quiet=True)
    assert [figures["judged_rows"] for figures in whole.history] == [6, 9, 12]
    recipe = made(Growing())
    train(recipe, tmp_path / "cut", quiet=True, stop_after=2)
    assert recipe.sampler == Growing()  # a run has its own copy
    again = train(recipe, tmp_path / "cut", quiet=True, resume=True)
    assert [figures["judged_rows"] for figures in again.history] == [6, 9, 12]
    for one, other in zip(
        whole.model.module.parameters(), again.model.module.parameters(), strict=True
    ):
        assert torch.equal(one, other)


def test_a_sampler_with_memory_is_taken_back_with_its_batch() -> None:
    from guerdon.training.ahead import Batches

    recipe, policy = made(Growing()), Table().load(TASKS)
    with Batches(recipe, policy, TASKS, ALONE) as batches:
        batches.take(Progress(0, 3))
        batches.take_back()
        assert recipe.sampler.state_dict()["steps"] == 0  # type: ignore[attr-defined]


def changed(change: Any) -> Any:
    def sampler(policy: Policy, tasks: Sequence[Task], progress: Progress, seed: int) -> Any:
        return change(policy.sample(tasks, 2, Sampling(), seed))

    return sampler


def raises(rollouts: Rollouts) -> Rollouts:
    raise LookupError("no such prompt")


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda rollouts: None, "a sampler returns Rollouts, not NoneType"),
        (lambda rollouts: rollouts.texts, "a sampler returns Rollouts, not tuple"),
        (lambda r: r.select(r.group != 1), r"asked for \['a', 'b', 'c'\] \(3 in all\), it answers"),
        (lambda r: r.select(torch.tensor([0, 2, 4, 1])), "ordered by task, one or more for each"),
        (lambda r: replace(r, group=torch.tensor([0, 0, 0, 0, 2, 2])), "ordered by task"),
        (lambda r: replace(r, group=torch.tensor([1, 1, 1, 2, 2, 2])), "ordered by task"),
        (lambda r: replace(r, tasks=r.tasks[::-1]), r"it answers \['c', 'b', 'a'\]"),
        (raises, "the sampler sampler raised LookupError: no such prompt"),
    ],
    ids=["nothing", "texts", "fewer", "shuffled", "empty-group", "no-first", "reversed", "raises"],
)
def test_what_a_sampler_returns_is_checked(change: Any, told: str) -> None:
    with pytest.raises(PartFailed, match=told):
        batch(changed(change))


def test_rows_of_unequal_groups_are_learned_from() -> None:
    def ragged(r: Rollouts) -> Rollouts:
        return r.select(torch.tensor([0, 1, 2, 4, 5]))

    result = train(made(changed(ragged)), quiet=True)
    assert [figures["judged_rows"] for figures in result.history] == [5, 5, 5]


OLD = {
    "part": "guerdon.training.recipe:PolicyRecipe",
    "sampling": {"part": "guerdon.stages:Sampling", "max_tokens": 20},
    "loop": {
        "part": "guerdon.training.recipe:Loop",
        "steps": 2,
        "group_size": 4,
        "sampling_groups": 2,
    },
}


@pytest.mark.parametrize("name", ["training.recipe:PolicyRecipe", "training:Recipe"])
def test_older_recipe_files_are_read(name: str, tmp_path: Path) -> None:
    recipe = build({**OLD, "part": f"guerdon.{name}"})
    assert recipe == PolicyRecipe(
        sampler=Groups(4, Sampling(max_tokens=20), portion=2), loop=Loop(steps=2)
    )
    recipe.save(tmp_path / "recipe.yaml")
    assert PolicyRecipe.load(tmp_path / "recipe.yaml") == recipe
    assert build({"part": f"guerdon.{name}"}) == PolicyRecipe()


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"loop": {**OLD["loop"], "group_size": 0}}, r"sampler\.size is 0"),  # type: ignore[dict-item]
        ({"sampling": 3}, r"sampler\.sampling is 3"),
        ({"loop": "long"}, "recipe.loop is 'long'"),
        ({"sampler": describe(Groups(4))}, "Loop has no setting 'group_size'"),
    ],
)
def test_older_recipe_files_are_judged_as_all_are(change: dict[str, Any], told: str) -> None:
    with pytest.raises(PartError, match=told):
        build({**OLD, **change})


def test_short_files_may_say_it_as_they_did(tmp_path: Path, capsys: Captured) -> None:
    file = tmp_path / "short.yaml"
    file.write_text("recipe: grpo\nloop: {group_size: 4, steps: 2}\nsampling: {max_tokens: 20}\n")
    recipe = load_recipe_file(file)
    assert recipe.sampler == Groups(4, Sampling(max_tokens=20))
    assert recipe.loop.steps == 2
    assert "loop.group_size is sampler.size now" in capsys.readouterr().err
    file.write_text("recipe: grpo\nsampler: {part: groups, size: 3}\n")
    assert load_recipe_file(file).sampler == Groups(3)


def settings(capsys: Captured, *arguments: str) -> tuple[Any, str]:
    assert main(["train", "--settings", *arguments]) == 0
    told = capsys.readouterr()
    return yaml.safe_load(told.out), told.err


def test_options_may_say_it_as_they_did(capsys: Captured) -> None:
    shown, told = settings(capsys, "--loop.group-size", "4", "--loop.sampling-groups", "2")
    assert (shown["sampler"]["size"], shown["sampler"]["portion"]) == (4, 2)
    assert told.splitlines() == [
        "guerdon: --loop.group-size is --sampler.size now",
        "guerdon: --loop.sampling-groups is --sampler.portion now",
    ]
    shown, told = settings(
        capsys, "--sampling.max-tokens", "9", "--sampler.size", "3", "--sampler", "groups"
    )
    assert (shown["sampler"]["size"], shown["sampler"]["sampling"]["max_tokens"]) == (3, 9)
    assert shown["sampler"]["part"] == "groups"
    assert shown["name"] == "grpo"
    assert told == ""


OWN = """\
from guerdon.stages import Sampling

def pairs(policy, tasks, progress, seed):
    return policy.sample(tasks, 2, Sampling(max_tokens=4), seed)
"""


def test_a_file_may_name_a_sampler_of_ones_own(tmp_path: Path, capsys: Captured) -> None:
    (tmp_path / "mine.py").write_text(OWN)
    file = tmp_path / "recipe.yaml"
    own = {"function": f"{tmp_path / 'mine.py'}:pairs"}
    file.write_text(yaml.safe_dump({"recipe": "grpo", "sampler": own}))
    with pytest.raises(PartError, match="mine"):
        load_recipe_file(file)
    recipe = load_recipe_file(file, (str(tmp_path / "mine.py"),))
    loop = replace(recipe.loop, steps=1, groups=2, evaluation_tasks=0)
    (figures,) = train(replace(recipe, loop=loop), tmp_path / "run", quiet=True).history
    assert figures["judged_rows"] == 4
    sample = ["sample", "--json", "--count", "1", "--recipe", str(file)]
    assert main([*sample, "--trust", str(tmp_path / "mine.py")]) == 0
    assert json.loads(capsys.readouterr().out)["completion"]
