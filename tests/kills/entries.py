"""The kinds of runs that are killed, each in small."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from guerdon.advantages import GAE
from guerdon.curriculum import (
    EasyToHard,
    Informative,
    KeepRate,
    PeerReview,
    ReplayedRows,
    SequentialTasks,
)
from guerdon.monitors import CommonestAnswer, GroupSpread
from guerdon.objectives import KL, PPO, ClippedSurrogate
from guerdon.rankings import Ranking
from guerdon.recipes import d3po, gigpo, grpo
from guerdon.records import Loss, Progress, Rollouts, Scores, Task
from guerdon.rollout import Groups, LanguagePolicy, Network, Table
from guerdon.shaping import RunningStandardise
from guerdon.stages import Sampling
from guerdon.tasks import Arithmetic, GridTasks
from guerdon.training import (
    AdamW,
    AsReward,
    Demonstration,
    Exam,
    FixedReference,
    Learner,
    Loop,
    Model,
    MovingReference,
    PolicyRecipe,
    PreferenceRecipe,
    Recipe,
    Result,
    RewardModelRecipe,
    Rounds,
    Run,
    Stage,
    Stages,
    SupervisedRecipe,
    Weights,
    demonstrations_to_rollouts,
)
from guerdon.training.peer_recipe import PeerReviewRecipe

BRIEF = Sampling(max_tokens=12)
LOOP = Loop(steps=4, groups=2, evaluation_tasks=2, checkpoint_every=2, keep_checkpoints=2)

CHOICES = ("a", "b", "c", "d", "e")
"""What a policy without language chooses from."""


@dataclass(frozen=True)
class Lottery:
    """Pays by a checksum of the text, in steps of 1 / ``levels``.

    A group's rows nearly always differ, so every step has something to learn.
    """

    levels: int = 1000

    def __call__(self, rollouts: Rollouts, progress: Progress) -> Scores:
        sums = [zlib.crc32(text.encode()) % (self.levels + 1) for text in rollouts.texts]
        return Scores(torch.tensor(sums) / self.levels)


@dataclass(frozen=True)
class Fragile(Lottery):
    """Raises where it meets one text of eight."""

    def __call__(self, rollouts: Rollouts, progress: Progress) -> Scores:
        if any(zlib.crc32(text.encode()) % 8 == 0 for text in rollouts.texts):
            raise LookupError("eighth")
        return super().__call__(rollouts, progress)


@dataclass(frozen=True)
class Entry:
    """One kind of run. ``start`` and ``go_on`` train in a folder and return the exit status."""

    name: str
    start: Callable[[Path], int]
    go_on: Callable[[Path], int]


def policy_run(name: str, **changes: Any) -> Entry:
    """A run of the loop."""

    def recipe() -> PolicyRecipe:
        made = replace(
            grpo.build(),
            reward=Lottery(),
            optimiser=AdamW(lr=3e-3),
            sampler=Groups(4, BRIEF),
            evaluation_sampling=replace(BRIEF, temperature=0.0),
            loop=LOOP,
        )
        return replace(made, **changes)

    return run_of(name, recipe)


def run_of(name: str, recipe: Callable[[], Recipe]) -> Entry:
    """A recipe of any kind. It is made anew for each process, as its parts may have memory."""

    def start(folder: Path) -> int:
        return _status(recipe().run(folder, quiet=True).signal)

    def go_on(folder: Path) -> int:
        return _status(recipe().run(folder, quiet=True, resume=True).signal)

    return Entry(name, start, go_on)


def _status(signal: int) -> int:
    return 128 + signal if signal else 0


def _world() -> PolicyRecipe:
    brief = Sampling(max_turns=3, max_turn_tokens=6)
    made = gigpo.build(loop=LOOP, optimiser=AdamW(lr=1e-3), sampler=Groups(4, brief))
    return replace(made, evaluation_sampling=replace(brief, temperature=0.4))


def _denoiser() -> PolicyRecipe:
    """Pairs of chains, two updates a step, a reference that moves with each."""
    brief = replace(LOOP, minibatch=3, microbatch=10, checkpoint_every=1)
    return d3po.build(loop=brief, sampler=Groups(3))


@dataclass(frozen=True)
class Written:
    """Sums as rankings, right before wrong, or with ``shown`` as tasks to imitate."""

    shown: bool = False

    def load(self, split: str) -> list[Any]:
        numbers = range(8) if split == "train" else range(8, 10)
        tasks = [Task(str(n), f"{n}+{n}?\n", str(2 * n)) for n in numbers]
        return tasks if self.shown else [Ranking(t, (str(t.answer), "no")) for t in tasks]


PASSES: dict[str, Any] = {"epochs": 2, "batch": 4, "checkpoint_every": 1}
"""Four updates over two passes, so that the second pass's order counts."""


@dataclass(frozen=True)
class OwnLoop:
    """A user's own kind: a few lines over `Run`."""

    name: str = "own"

    def run(self, folder: Path | None = None, **options: Any) -> Result:
        with Run(self, folder, Loop(steps=4, checkpoint_every=1), **options) as run:
            policy = LanguagePolicy.load()
            learner = Learner(policy, AdamW(lr=1e-3))
            tasks = Written(shown=True).load("train")
            rows = demonstrations_to_rollouts(
                policy, [Demonstration(task, task.answer) for task in tasks]
            )
            run.start(policy, {"learner": learner})
            for progress in run.steps():
                learner.begin(progress)
                some = rows.select(torch.tensor([2 * progress.step, 2 * progress.step + 1]))
                run.log(learner.descend(Loss(-policy.forward(some).logps.sum(1).mean(), {})))
        return run.result


def _stages() -> Stages:
    """Demonstrations, a reward model from them, and a policy that is paid by it."""
    brief = replace(LOOP, steps=2, checkpoint_every=1)
    paid = replace(grpo.build(), sampler=Groups(4, BRIEF), evaluation_sampling=BRIEF, loop=brief)
    once: dict[str, Any] = {"batch": 4, "checkpoint_every": 1}
    return Stages(
        (
            Stage("sft", SupervisedRecipe(Written(shown=True), **once)),
            Stage("rm", RewardModelRecipe(Written(), **once)),
            Stage("rl", replace(paid, optimiser=AdamW(lr=1e-3)), AsReward()),
        )
    )


def _small(model: Table | Network) -> PolicyRecipe:
    """A small policy in a world, which plays a lottery too."""
    loop = replace(LOOP, groups=4, checkpoint_every=1)
    turns = Sampling(max_turns=4)
    return PolicyRecipe(
        model=model,
        tasks=GridTasks(size=3, train=8, test=4),
        reward=Lottery(),
        sampler=Groups(4, turns),
        evaluation_sampling=turns,
        optimiser=AdamW(lr=0.1),
        loop=loop,
    )


ENTRIES = {
    entry.name: entry
    for entry in (
        policy_run("default"),
        policy_run("lora", model=Model(adapter="lora", rank=4)),
        policy_run("value head", objective=PPO(), advantage=GAE(), model=Model(value_head=True)),
        policy_run(
            "replay",
            buffer=ReplayedRows(share=0.5, capacity=24),
            monitors=(CommonestAnswer(), GroupSpread()),
            exams=(Exam("lottery", Arithmetic(), Lottery(), count=3),),
        ),
        policy_run(
            "memory in shaping",
            shaping=(RunningStandardise(),),
            curriculum=SequentialTasks(),
        ),
        run_of("multi-turn", _world),
        policy_run("table", model=Table(actions=CHOICES)),
        policy_run("network", model=Network(actions=CHOICES)),
        run_of("denoiser", _denoiser),
        policy_run("one step ahead", loop=replace(LOOP, ahead=1), reference=MovingReference(0.5)),
        policy_run("failing", reward=Fragile(), loop=replace(LOOP, max_failed=1.0)),
        policy_run("evaluated between", loop=replace(LOOP, evaluate_every=1)),
        policy_run(
            "filtered",
            reward=Lottery(levels=1),
            filter=Informative(),
            loop=replace(LOOP, resample=2),
        ),
        policy_run(
            "reference",
            objective=ClippedSurrogate(kl=KL(0.01)),
            reference=FixedReference(),
            loop=replace(LOOP, epochs=2, minibatch=4, checkpoint_every=1),
        ),
        run_of(
            "preference",
            lambda: PreferenceRecipe(Written(), reference=MovingReference(0.5), **PASSES),
        ),
        run_of("own loop", OwnLoop),
        run_of("stages", _stages),
        run_of(
            "rounds",
            lambda: Rounds(
                PreferenceRecipe(Written(), epochs=2, batch=8, checkpoint_every=1),
                carry=Weights(optimiser=True, reference=True),
            ),
        ),
        run_of(
            "stages of tables",
            lambda: Stages(
                (
                    Stage("first", _small(Table())),
                    Stage("second", _small(Table()), Weights(optimiser=True)),
                )
            ),
        ),
        run_of("rounds of a network", lambda: Rounds(_small(Network(width=4)))),
        run_of("supervised", lambda: SupervisedRecipe(Written(shown=True), **PASSES)),
        run_of(
            "reward model",
            lambda: RewardModelRecipe(Written(), microbatch=2, evaluate_every=1, **PASSES),
        ),
        run_of(
            "peer review",
            lambda: PeerReviewRecipe(
                Written(), review=PeerReview(KeepRate(0.5, ramp=1), order=EasyToHard(2)), **PASSES
            ),
        ),
    )
}
