"""One step ahead: the weights before the update sample, exactly, repeatably and in parallel."""

from __future__ import annotations

import copy
import random
import threading
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
import torch
from making import ShareOfSevens

from guerdon.curriculum import Informative
from guerdon.keyed import mixed
from guerdon.objectives import ClippedSurrogate
from guerdon.recipes.grpo import build
from guerdon.records import Experience, Progress, Rollouts, Scores
from guerdon.rollout import Groups, LanguagePolicy
from guerdon.training import AdamW, Loop, MovingReference, PolicyRecipe, train, update
from guerdon.training.ahead import Batches
from guerdon.training.update import Guard, Shard

LOOP = Loop(
    steps=4,
    groups=4,
    evaluation_tasks=4,
    checkpoint_every=2,
    evaluate_every=2,
    ahead=1,
)
SLOW = 120
"""Seconds after which a test gives up on the other thread."""


def recipe(**changes: Any) -> PolicyRecipe:
    """Sevens are never used up, so that every step has something to learn from."""
    settings = {
        "reward": ShareOfSevens(),
        "optimiser": AdamW(lr=3e-3),
        "loop": LOOP,
        "sampler": Groups(4),
    }
    return build(**{**settings, **changes})


def weights(policy: Any) -> list[torch.Tensor]:
    return [p.detach().clone() for p in policy.module.parameters()]


def same(a: Any, b: Any) -> bool:
    return all(torch.equal(x, y) for x, y in zip(weights(a), weights(b), strict=True))


def untimed(history: Any) -> list[dict[str, Any]]:
    timed = ("seconds/", "tokens_per_second")
    return [{k: v for k, v in figures.items() if not k.startswith(timed)} for figures in history]


def by_hand(made: PolicyRecipe) -> LanguagePolicy:
    """One thread, two policies: the one samples, the other learns, then it is handed on."""
    learner, sampler = LanguagePolicy.load(), LanguagePolicy.load()
    optimiser, guard = made.optimiser.start(learner), Guard()
    tasks = made.tasks.load("train")
    curriculum = copy.deepcopy(made.curriculum)
    for step in range(made.loop.steps):
        drawn = curriculum.next(tasks, made.loop.groups, Progress(step, made.loop.steps))
        with torch.no_grad():
            rollouts = sampler.sample(
                drawn, 4, made.sampler.sampling, mixed(made.loop.seed, step, 0)
            )
            rollouts = replace(rollouts, old_logps=learner.forward(rollouts).logps)
        scores = made.reward(rollouts, Progress(step, made.loop.steps))
        curriculum.observe(rollouts, scores)
        sampler.module.load_state_dict(learner.module.state_dict())
        shuffle = torch.Generator().manual_seed(made.loop.seed * 1_000_003 + step * 1_009)
        order = torch.randperm(len(rollouts), generator=shuffle)
        advantage = made.advantage(Experience(rollouts, scores))[order]
        update(
            learner,
            optimiser,
            made.objective,
            Experience(rollouts.select(order), advantage=advantage),
            guard=guard,
        )
    return learner


def test_a_run_ahead_is_the_sequential_loop_that_samples_with_the_previous_weights() -> None:
    ahead = train(recipe(), quiet=True)
    assert same(ahead.model, by_hand(recipe()))
    assert not same(ahead.model, train(recipe(loop=replace(LOOP, ahead=0)), quiet=True).model)


def test_the_same_seed_gives_the_same_run_and_metrics_say_how_far_off_it_is() -> None:
    first, second = train(recipe(), quiet=True), train(recipe(), quiet=True)
    assert same(first.model, second.model)
    assert untimed(first.history) == untimed(second.history)
    assert [figures["staleness"] for figures in first.history] == [0, 1, 1, 1]
    fresh, *stale = first.history
    # The first batch's weights are those that learn; what remains is two ways of computing.
    assert fresh["engine_gap"] < 1e-4
    assert fresh["engine_ratio"] == pytest.approx(1, abs=1e-4)
    assert all(figures["engine_gap"] > 1e-3 for figures in stale)
    assert all(0.5 < figures["engine_ratio"] < 2 for figures in stale)
    assert all(figures["seconds/waiting"] >= 0 for figures in first.history)


def test_the_weight_corrects() -> None:
    """Uncorrected, the same batches give another update."""
    cut = ClippedSurrogate(engine_cap=None)
    assert not same(
        train(recipe(), quiet=True).model, train(recipe(objective=cut), quiet=True).model
    )


def test_without_it_nothing_is_logged_or_recomputed() -> None:
    figures = train(recipe(loop=replace(LOOP, steps=1, ahead=0)), quiet=True).history[0]
    assert not {"staleness", "engine_gap", "seconds/waiting"} & figures.keys()


class Meeting(LanguagePolicy):
    """The second batch and the first update each wait until the other has begun."""

    sampling, learning = threading.Event(), threading.Event()
    batches = 0

    def sample(self, *arguments: Any, **named: Any) -> Rollouts:
        Meeting.batches += 1
        if Meeting.batches == 2:
            self.sampling.set()
            assert self.learning.wait(SLOW), "the update waits for the batch ahead"
        return super().sample(*arguments, **named)

    def forward(self, *arguments: Any, **named: Any) -> Any:
        if torch.is_grad_enabled() and not self.learning.is_set():
            self.learning.set()
            assert self.sampling.wait(SLOW), "the batch ahead waits for the update"
        return super().forward(*arguments, **named)


def test_sampling_and_learning_go_on_at_the_same_time() -> None:
    loop = replace(LOOP, steps=2, evaluate_every=0, evaluation_tasks=0)
    made = recipe(loop=loop)
    made = replace(made, tasks=replace(made.tasks, test=0))
    train(made, policy=Meeting.load(), quiet=True)
    assert Meeting.batches == 2


@dataclass
class Moody:
    """A reward with memory, which draws from the global generators as well; fails when told to."""

    fails_at: int = -1
    draws: list[float] = field(default_factory=list)

    def __call__(self, rollouts: Rollouts, progress: Progress) -> Scores:
        if len(self.draws) == self.fails_at:
            raise RuntimeError("grader is broken")
        self.draws = [*self.draws, random.random() + float(torch.rand(()))]
        return Scores(
            ShareOfSevens()(rollouts, progress).value * (len(self.draws) + self.draws[-1])
        )

    def state_dict(self) -> dict[str, Any]:
        return {"draws": self.draws}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.draws = list(state["draws"])


@pytest.mark.parametrize("stop", [1, 2, 3])
def test_a_stopped_run_goes_on_as_if_it_never_had(tmp_path: Any, stop: int) -> None:
    loop = replace(LOOP, resample=2, evaluate_every=0, evaluation_tasks=0)
    made = recipe(loop=loop, reward=Moody(), filter=Informative(), reference=MovingReference(0.5))
    made = replace(made, tasks=replace(made.tasks, test=0))
    whole = train(made, tmp_path / "whole", quiet=True)
    train(made, tmp_path / "cut", quiet=True, stop_after=stop)
    resumed = train(made, tmp_path / "cut", quiet=True, resume=True)
    assert untimed(resumed.history) == untimed(whole.history)
    assert [figures["staleness"] for figures in resumed.history] == [0, 1, 1, 1]
    assert same(resumed.model, whole.model)


def test_what_fails_on_the_thread_ends_the_run() -> None:
    made = recipe(
        reward=Moody(fails_at=2), loop=replace(LOOP, evaluate_every=0, evaluation_tasks=0)
    )
    made = replace(made, tasks=replace(made.tasks, test=0))
    learned = []
    policy = LanguagePolicy.load()
    forward = policy.forward
    policy.forward = lambda *a, **k: learned.append(torch.is_grad_enabled()) or forward(*a, **k)
    with pytest.raises(RuntimeError, match="grader is broken"):
        train(made, policy=policy, quiet=True)
    assert sum(learned) == 2  # the update under way was finished, and no further one begun
    assert not [t for t in threading.enumerate() if t.name.startswith("sampling-ahead")]


def test_what_is_contradictory_is_refused() -> None:
    with pytest.raises(ValueError, match=r"Loop\.ahead is 2; give a whole number from 0 to 1"):
        Loop(ahead=2)
    with pytest.raises(ValueError, match=r"loop\.ahead is 1 with 2 processes"):
        Batches(recipe(), LanguagePolicy.load(), [], Shard(0, 2))
