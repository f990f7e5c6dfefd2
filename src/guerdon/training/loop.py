"""The loop: sample, score, shape, credit, update. Read it top to bottom."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Unpack

import torch

from guerdon.records import Progress, Task, first_views
from guerdon.schedules import at, schedules_in
from guerdon.stages import Policy
from guerdon.tasks import PreparedTasks
from guerdon.training.agreement import check_start
from guerdon.training.ahead import Batches
from guerdon.training.checkpoint import seed_generators
from guerdon.training.collect import Collected, credit, observe
from guerdon.training.held_out import HeldOut, evaluate
from guerdon.training.processes import processes
from guerdon.training.recipe import PolicyRecipe, Result, RunOptions
from guerdon.training.run import Learner, Run
from guerdon.training.task_checks import check_tasks
from guerdon.training.telemetry import step_metrics
from guerdon.training.update import Shard, minibatches, update


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
        tasks, held_out = _tasks(recipe)
        seed_generators(recipe.loop.seed)
        policy = policy or recipe.model.load([*tasks, *held_out])
        seed_generators(recipe.loop.seed)  # vLLM seeds them for itself when it starts, always alike
        tasks = _prepared(recipe, policy, tasks)
        check_tasks(recipe.reward, [*tasks, *held_out])
        learner, reference = Learner(policy, recipe.optimiser), recipe.reference.start(policy)
        with Batches(recipe, policy, tasks, shard) as batches:
            run.start(
                policy,
                {"batches": batches, "learner": learner, "reference": reference},
                lambda progress: _evaluate(recipe, policy, batches, held_out, progress),
                breakable=not batches.ahead,
            )
            for progress in run.steps():
                with run.undone_by(batches.take_back):
                    batch = batches.take(progress)
                    run.judged(batch.tally)
                    observe(recipe, batch)
                    batches.begin(Progress(progress.step + 1, progress.total))
                    collected = credit(recipe, policy, batch, progress, reference)
                figures = _learn(recipe, learner, collected, progress, shard)
                if reference is not None:
                    reference.after_step(policy, progress.step)
                run.log(step_metrics(collected, figures), collected)
    return run.result


def _learn(
    recipe: PolicyRecipe,
    learner: Learner[Policy],
    collected: Collected,
    progress: Progress,
    shard: Shard,
) -> dict[str, float]:
    """Several epochs of minibatches over one step's experience; metrics averaged over updates.

    Invalid rows and rows where the policy did nothing take no part.
    """
    began = time.perf_counter()
    experience = collected.experience
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
    for _, schedule in schedules_in((recipe.objective, recipe.shaping, recipe.optimiser)):
        schedule.adapt(means)
    means |= {**first, "updates": float(updates), "lr": rate}
    return {**means, "seconds/update": time.perf_counter() - began}


def _tasks(recipe: PolicyRecipe) -> tuple[Sequence[Task], Sequence[Task]]:
    """Training tasks and held-out tasks; an overlap of ids is an error."""
    tasks = recipe.tasks.load("train")
    if not tasks:
        raise ValueError("the recipe's tasks are empty: nothing to train on")
    held_out = first_views(recipe.tasks.load("test"))[: recipe.loop.evaluation_tasks]
    shared = {t.id for t in tasks} & {t.id for t in held_out}
    if shared:
        raise ValueError(
            f"{len(shared)} held-out tasks are also trained on, e.g. {sorted(shared)[0]!r}; "
            "give every task its own id and keep the splits apart"
        )
    return tasks, held_out


def _prepared(recipe: PolicyRecipe, policy: Policy, tasks: Sequence[Task]) -> Sequence[Task]:
    """The training tasks, as the policy's own answers before training change or choose them."""
    if not isinstance(recipe.tasks, PreparedTasks):
        return tasks
    with torch.no_grad():
        found = recipe.tasks.prepare(policy, tasks)
    if not found:
        raise ValueError(f"{type(recipe.tasks.by).__name__} leaves no task to train on")
    return found


def _evaluate(
    recipe: PolicyRecipe,
    policy: Policy,
    batches: Batches,
    tasks: Sequence[Task],
    progress: Progress,
) -> HeldOut | None:
    """The held-out tasks' results, once nothing is being sampled; None without tasks."""
    batches.wait()
    if not tasks:
        return None
    return evaluate(
        policy,
        tasks,
        recipe.reward,
        recipe.evaluation_sampling,
        seed=recipe.loop.seed,
        progress=progress,
        shard=batches.shard,
    )
