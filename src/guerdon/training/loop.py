"""The loop: sample, score, shape, credit, update. Read it top to bottom."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Unpack

import torch

from guerdon.records import Experience, Progress, Task
from guerdon.schedules import adapt, at, schedules_in
from guerdon.stages import Policy
from guerdon.tasks import PreparedTasks
from guerdon.training.agreement import check_start
from guerdon.training.ahead import Batches
from guerdon.training.checkpoint import seed_generators
from guerdon.training.collect import credit, observe
from guerdon.training.exams import check_gradable, measures, tasks_of
from guerdon.training.processes import processes
from guerdon.training.recipe import PolicyRecipe, Result, RunOptions
from guerdon.training.run import Learner, Run
from guerdon.training.task_checks import unread_references
from guerdon.training.telemetry import step_metrics
from guerdon.training.update import Shard, minibatches, update
from guerdon.training.watching import buffered, watched


def train(
    recipe: PolicyRecipe,
    folder: Path | None = None,
    *,
    policy: Policy | None = None,
    **options: Unpack[RunOptions],
) -> Result:
    """Train by ``recipe``; write the run to ``folder`` (None = keep nothing on disk).

    ``policy`` replaces the recipe's model; for ``options`` see `RunOptions`. Nothing is written
    before the model is loaded and the held-out tasks are answered, and a run that fails before
    its first step leaves nothing.

    Raises:
        TrainingStopped: too many updates in a row were not finite; the reward fails on too many
            completions (`TooManyFailed`); a shaper, advantage, curriculum or filter raises
            (`PartFailed`); nothing is left to learn from. But for the first, and but for what
            shows before the first step, the run is ended whole before: checkpoint, summary, page.
        ValueError: the recipe contradicts itself; the message names the setting and the mend.
        CheckpointError: ``resume``, and no checkpoint is as it was written.
        DiskError: the disk refuses a file; what is there can be resumed.
        RunLocked: another process writes to the folder.
    """
    check_start(recipe, loads_model=policy is None)
    shard = processes()
    run = Run(recipe, folder, recipe.loop, shard=shard, **options)
    with run:
        recipe = run.recipe
        tasks, held_out = tasks_of(recipe)
        seed_generators(recipe.loop.seed)
        policy = policy or recipe.model.load([*tasks, *(t for one in held_out for t in one.tasks)])
        seed_generators(recipe.loop.seed)  # vLLM seeds them for itself when it starts, always alike
        tasks = _prepared(recipe, policy, tasks)
        check_gradable(recipe, tasks, held_out)
        for line in unread_references(recipe.reward, tasks) if shard.rank == 0 else ():
            run.telemetry.warn(line)
        learner, reference = Learner(policy, recipe.optimiser), recipe.reference.start(policy)
        with Batches(recipe, policy, tasks, shard) as batches:
            run.start(
                policy,
                {"batches": batches, "learner": learner, "reference": reference},
                measures(held_out, policy, recipe.loop.seed, shard, batches.wait),
                breakable=not batches.ahead,
            )
            told: set[str] = set()
            for progress in run.steps():
                with run.undone_by(batches.take_back):
                    batch = batches.take(progress)
                    run.judged(batch.tally)
                    observe(recipe, batch)
                    batches.begin(Progress(progress.step + 1, progress.total))
                    collected = credit(recipe, policy, batch, progress, reference)
                    seen = watched(recipe, collected, progress)
                    learned = buffered(recipe, collected.experience, tasks, progress)
                figures = seen | _learn(recipe, learner, learned, progress, shard)
                if reference is not None:
                    reference.after_step(policy, progress.step)
                metrics = step_metrics(collected, figures)
                for line in _follow(recipe, metrics, shard) - told:
                    run.telemetry.warn(line)
                    told.add(line)
                run.log(metrics, collected)
    return run.result


def _learn(
    recipe: PolicyRecipe,
    learner: Learner[Policy],
    experience: Experience,
    progress: Progress,
    shard: Shard,
) -> dict[str, float]:
    """Several epochs of minibatches over one step's experience; metrics averaged over updates.

    Invalid rows and rows where the policy did nothing take no part.
    """
    began = time.perf_counter()
    use = experience.scores.valid & experience.rollouts.mask.any(1)
    rows = use.nonzero().flatten()
    if not len(rows):
        return {"updates": 0.0, "seconds/update": time.perf_counter() - began}
    rate, now = learner.begin(progress), at(recipe, progress)
    sums: dict[str, float] = {}
    updates, first = 0, {}
    for epoch in range(now.loop.epochs):
        seed = now.loop.seed * 1_000_003 + progress.step * 1_009 + epoch
        for batch in minibatches(rows, experience.rollouts.group, now.loop.minibatch, seed):
            figures = update(
                learner.model,
                learner.optimiser,
                now.objective,
                experience.select(batch),
                guard=learner.guard,
                clip=now.optimiser.clip,
                microbatch=now.loop.microbatch,
                shard=shard,
            )
            if not updates:
                first = {"first_off_policy": figures.get("off_policy", 0.0)}
            updates += 1
            for name, value in figures.items():
                sums[name] = sums.get(name, 0.0) + value
    means = {k: v / updates for k, v in sums.items()}
    means |= {**first, "updates": float(updates), "learned_rows": float(len(rows)), "lr": rate}
    return {**means, "seconds/update": time.perf_counter() - began}


def _follow(recipe: PolicyRecipe, metrics: dict[str, float], shard: Shard) -> set[str]:
    """Move the schedules that follow the run; a line for each whose figure it does not have.

    All processes go by the first one's figures: times differ between them.
    """
    if not any(one.follows for _, one in schedules_in(recipe, "recipe")):
        return set()
    lacking = adapt(recipe, shard.gather(metrics)[0])
    return lacking if metrics["updates"] and shard.rank == 0 else set()


def _prepared(recipe: PolicyRecipe, policy: Policy, tasks: Sequence[Task]) -> Sequence[Task]:
    """The training tasks, as the policy's own answers before training change or choose them."""
    if not isinstance(recipe.tasks, PreparedTasks):
        return tasks
    with torch.no_grad():
        found = recipe.tasks.prepare(policy, tasks)
    if all(task.probe for task in found):
        raise ValueError(f"{type(recipe.tasks.by).__name__} leaves no task to train on")
    return found
