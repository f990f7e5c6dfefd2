"""The loop: sample, score, shape, credit, update, evaluate, save. Read it top to bottom."""

from __future__ import annotations

import copy
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from guerdon.parts import Memory, memories
from guerdon.records import Progress, Task
from guerdon.stages import Policy
from guerdon.training.agreement import check_start
from guerdon.training.ahead import Batches
from guerdon.training.allocator import keep_freed_memory
from guerdon.training.checkpoint import (
    generator_states,
    latest_checkpoint,
    load_checkpoint,
    restore_generators,
    save_checkpoint,
    seed_generators,
    trained_state,
)
from guerdon.training.collect import Collected, credit
from guerdon.training.held_out import HeldOut, evaluate
from guerdon.training.interrupt import Interrupt
from guerdon.training.policies import load_policy
from guerdon.training.processes import processes
from guerdon.training.recipe import Recipe
from guerdon.training.reference import RunningReference
from guerdon.training.telemetry import Telemetry, step_metrics
from guerdon.training.update import Guard, Shard, adamw, minibatches, set_rate, update


@dataclass(frozen=True)
class Result:
    """What a run ends with. ``before`` and ``after`` are None where nothing was held out.

    ``interrupted``: Ctrl-C ended it before its last step.
    """

    policy: Policy
    before: HeldOut | None
    after: HeldOut | None
    history: tuple[dict[str, Any], ...]
    folder: Path | None
    interrupted: bool = False


def train(
    recipe: Recipe,
    folder: Path | None = None,
    *,
    policy: Policy | None = None,
    resume: bool = False,
    quiet: bool = False,
    trackers: Sequence[str] = (),
    stop_after: int | None = None,
) -> Result:
    """Train by ``recipe``; write the run to ``folder`` (None = keep nothing on disk).

    ``policy`` replaces the recipe's model. ``resume`` continues the run in ``folder`` from its
    newest checkpoint, bit for bit as if it had never stopped. ``stop_after`` ends the run
    early after that many steps, as Ctrl-C does: whole, with a checkpoint and a summary.

    Raises:
        TrainingStopped: too many updates in a row were not finite.
        ValueError: the recipe contradicts itself; the message names the setting and the mend.
    """
    check_start(recipe, loads_model=policy is None)
    recipe = copy.deepcopy(recipe)  # a curriculum with memory belongs to this run alone
    loop, shard = recipe.loop, processes()
    keep_freed_memory()
    seed_generators(loop.seed)
    policy = policy or load_policy(recipe.model)
    seed_generators(loop.seed)  # vLLM seeds them for itself when it starts, always alike
    tasks, held_out = _tasks(recipe)
    batches = Batches(recipe, policy, tasks, shard)
    state = _State(recipe, policy, batches)
    telemetry = Telemetry(
        folder if shard.rank == 0 else None,
        recipe,
        policy,
        resume=resume,
        quiet=quiet or shard.rank > 0,
        trackers=trackers if shard.rank == 0 else (),
    )
    step = state.resume(folder) if resume and folder is not None else 0
    if step == 0:
        state.before = _evaluate(recipe, policy, held_out, Progress(0, loop.steps), shard)
    with telemetry, Interrupt() as interrupt, batches:
        telemetry.begin(step, state.before)
        while step < min(loop.steps, stop_after or loop.steps) and not interrupt.requested:
            progress = Progress(step, loop.steps)
            batch = batches.take(progress)
            recipe.curriculum.observe(batch.rollouts, batch.raw)
            batches.begin(Progress(step + 1, loop.steps))  # with loop.ahead: sampled from here on
            collected = credit(recipe, policy, batch, progress, state.reference)
            began = time.perf_counter()
            figures = _learn(recipe, policy, state, collected, progress, shard)
            figures["seconds/update"] = time.perf_counter() - began
            if state.reference is not None:
                state.reference.after_step(policy, step)
            step += 1
            if loop.evaluate_every and step % loop.evaluate_every == 0 and step < loop.steps:
                batches.wait()
                between = _evaluate(recipe, policy, held_out, progress, shard)
                figures |= {} if between is None else {"held_out": between.mean}
            telemetry.step(step - 1, collected, step_metrics(collected, figures))
            if loop.checkpoint_every and step % loop.checkpoint_every == 0:
                state.save(folder, step, shard)
        if interrupt.requested:
            telemetry.note(f"interrupted after {step} steps: the run can be resumed")
        state.save(folder, step, shard)
        batches.wait()
        after = _evaluate(recipe, policy, held_out, Progress(step, loop.steps), shard)
        telemetry.finish(step, state.seconds, state.before, after)
    cut = interrupt.requested and step < loop.steps
    return Result(policy, state.before, after, tuple(telemetry.history), folder, cut)


def _learn(
    recipe: Recipe,
    policy: Policy,
    state: _State,
    collected: Collected,
    progress: Progress,
    shard: Shard,
) -> dict[str, float]:
    """Several epochs of minibatches over one step's experience; metrics averaged over updates.

    Invalid rows and rows where the policy did nothing take no part.
    """
    use = collected.scores.valid & collected.rollouts.mask.any(1)
    rows = use.nonzero().flatten()
    if not len(rows):
        return {"updates": 0.0}
    rate = set_rate(state.optimiser, recipe.optimiser, progress)
    sums: dict[str, float] = {}
    updates = 0
    for epoch in range(recipe.loop.epochs):
        seed = recipe.loop.seed * 1_000_003 + progress.step * 1_009 + epoch
        for batch in minibatches(rows, collected.rollouts.group, recipe.loop.minibatch, seed):
            rollouts = collected.rollouts.select(batch)
            figures = update(
                policy,
                state.optimiser,
                recipe.objective,
                rollouts,
                collected.advantage[batch, : rollouts.ids.shape[1]],
                guard=state.guard,
                clip=recipe.optimiser.clip,
                microbatch=recipe.loop.microbatch,
                shard=shard,
            )
            updates += 1
            for name, value in figures.items():
                sums[name] = sums.get(name, 0.0) + value
    return {**{k: v / updates for k, v in sums.items()}, "updates": float(updates), "lr": rate}


class _State:
    """All that changes during a run, in one place, so that a checkpoint can hold it whole."""

    def __init__(self, recipe: Recipe, policy: Policy, batches: Batches) -> None:
        self.recipe, self.policy, self.batches = recipe, policy, batches
        self.optimiser = adamw(policy, recipe.optimiser)
        self.guard = Guard(recipe.optimiser.max_bad_updates, recipe.optimiser.skip_above)
        self.reference: RunningReference | None = recipe.reference.start(policy)
        self.before: HeldOut | None = None
        self.started = time.perf_counter()

    @property
    def seconds(self) -> float:
        """How long the run has gone on, in all processes that led to this state."""
        return time.perf_counter() - self.started

    def save(self, folder: Path | None, step: int, shard: Shard) -> None:
        """A checkpoint after ``step`` steps, written by the first process."""
        if folder is None or shard.rank:
            return
        ahead = self.batches.state_dict()  # first: it waits for the thread that uses the rest
        before = self.before
        state = {
            "step": step,
            "seconds": self.seconds,
            "module": trained_state(self.policy),
            "optimiser": self.optimiser.state_dict(),
            "guard": self.guard.state_dict(),
            "reference": None if self.reference is None else self.reference.state_dict(),
            "parts": {place: part.state_dict() for place, part in self._memories().items()},
            "generators": generator_states(),
            "before": None if before is None else dict(vars(before)),
            "ahead": ahead,
        }
        save_checkpoint(folder / "checkpoints", step, state, self.recipe.loop.keep_checkpoints)

    def resume(self, folder: Path) -> int:
        """Take up the newest checkpoint; returns the steps done (0 when there is none)."""
        newest = latest_checkpoint(folder / "checkpoints")
        if newest is None:
            return 0
        state = load_checkpoint(newest)
        self.started -= state["seconds"]
        self.policy.module.load_state_dict(state["module"], strict=False)
        self.optimiser.load_state_dict(state["optimiser"])
        self.guard.load_state_dict(state["guard"])
        if self.reference is not None:
            self.reference.load_state_dict(state["reference"])
        self._remember(state["parts"])
        restore_generators(state["generators"])
        self.batches.load_state_dict(state.get("ahead", {}))
        before = state["before"]
        if before is not None:
            self.before = HeldOut(**{**before, "results": tuple(before["results"])})
        return int(state["step"])

    def _memories(self) -> dict[str, Memory]:
        names = ("reward", "shaping", "advantage", "objective", "curriculum", "filter")
        return memories({name: getattr(self.recipe, name) for name in names})

    def _remember(self, saved: Mapping[str, Any]) -> None:
        parts = self._memories()
        if parts.keys() != saved.keys():
            places = ", ".join(sorted(parts.keys() ^ saved.keys()))
            raise ValueError(
                f"the checkpoint is of another recipe: {places} is not in both; resume with the "
                "recipe.yaml of the run"
            )
        for place, part in parts.items():
            part.load_state_dict(saved[place])


def _tasks(recipe: Recipe) -> tuple[Sequence[Task], Sequence[Task]]:
    """Training tasks and held-out tasks; an overlap of ids is an error."""
    tasks = recipe.tasks.load("train")
    if not tasks:
        raise ValueError("the recipe's tasks are empty: nothing to train on")
    held_out = list(recipe.tasks.load("test"))[: recipe.loop.evaluation_tasks]
    shared = {t.id for t in tasks} & {t.id for t in held_out}
    if shared:
        raise ValueError(
            f"{len(shared)} held-out tasks are also trained on, e.g. {sorted(shared)[0]!r}; "
            "give every task its own id and keep the splits apart"
        )
    return tasks, held_out


def _evaluate(
    recipe: Recipe, policy: Policy, tasks: Sequence[Task], progress: Progress, shard: Shard
) -> HeldOut | None:
    if not tasks:
        return None
    return evaluate(
        policy,
        tasks,
        recipe.reward,
        recipe.evaluation_sampling,
        seed=recipe.loop.seed,
        progress=progress,
        shard=shard,
    )
