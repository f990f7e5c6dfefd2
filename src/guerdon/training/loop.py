"""The loop: sample, score, shape, credit, update, evaluate, save. Read it top to bottom."""

from __future__ import annotations

import copy
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from guerdon.records import Progress, Task
from guerdon.stages import Policy
from guerdon.training.agreement import check_start
from guerdon.training.ahead import Batches
from guerdon.training.allocator import keep_freed_memory
from guerdon.training.checkpoint import seed_generators
from guerdon.training.collect import Collected, credit
from guerdon.training.held_out import HeldOut, evaluate
from guerdon.training.interrupt import Interrupt
from guerdon.training.output import lasting_output
from guerdon.training.policies import load_policy
from guerdon.training.processes import processes
from guerdon.training.recipe import PolicyRecipe
from guerdon.training.run_folder import RunFolder, resume_command, telling_how_to_go_on
from guerdon.training.soundness import Soundness
from guerdon.training.state import State
from guerdon.training.stopping import naming
from guerdon.training.task_checks import check_tasks
from guerdon.training.telemetry import PAGE, Stopped, Telemetry, step_metrics
from guerdon.training.update import Shard, minibatches, update


@dataclass(frozen=True)
class Result:
    """What a run ends with. ``before`` and ``after`` are None where nothing was held out.

    ``signal``: the number of the one that ended it before it was done, else 0.
    ``nothing_learned``: why not one of its steps updated the weights, "" where one did.
    """

    policy: Policy
    before: HeldOut | None
    after: HeldOut | None
    history: tuple[dict[str, Any], ...]
    folder: Path | None
    signal: int = 0
    nothing_learned: str = ""

    @property
    def interrupted(self) -> bool:
        """Whether a signal ended it before it was done."""
        return self.signal != 0


def train(
    recipe: PolicyRecipe,
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
    newest whole checkpoint, bit for bit as if it had never stopped. ``stop_after`` ends the run
    early after that many steps, as Ctrl-C does: whole, with a checkpoint and a summary. Nothing
    is written before the model is loaded and the held-out tasks are answered, and a run that
    fails before its first step leaves nothing.

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
    recipe = copy.deepcopy(recipe)  # a curriculum with memory belongs to this run alone
    loop, shard = recipe.loop, processes()
    keep_freed_memory()
    first = shard.rank == 0
    run = RunFolder(folder, resume=resume) if folder is not None and first else None
    telemetry = Telemetry(run, recipe, quiet=quiet or not first, trackers=trackers if first else ())
    with Interrupt() as interrupt, lasting_output(), telemetry:
        seed_generators(loop.seed)
        policy = policy or load_policy(recipe.model)
        seed_generators(loop.seed)  # vLLM seeds them for itself when it starts, always alike
        tasks, held_out = _tasks(recipe)
        batches = Batches(recipe, policy, tasks, shard)
        state, soundness = State(recipe, policy, batches), Soundness(loop)
        with telling_how_to_go_on(folder, state.lost), batches:
            if resume and folder is not None:
                state.resume(folder, telemetry.warn, shard)
            if state.step == 0:
                state.before = _evaluate(recipe, policy, held_out, Progress(0, loop.steps), shard)
                soundness.evaluated(state.before, fewest=2)
                soundness.check()
            telemetry.begin(state.step, policy, state.before)
            soundness.take_up(telemetry.history)
            interrupt.patient(state.lost, state.about)
            until = loop.steps if stop_after is None else stop_after
            _steps(recipe, state, telemetry, interrupt, soundness, held_out, folder, until)
            after, stopped = _end(recipe, state, interrupt, soundness, held_out, folder)
            idle = soundness.nothing_learned(state.step)
            if idle:
                telemetry.note(idle)
            telemetry.finish(state.step, state.seconds, state.before, after, stopped)
    soundness.check()
    number = interrupt.number if stopped is not None else 0
    return Result(policy, state.before, after, tuple(telemetry.history), folder, number, idle)


def _steps(
    recipe: PolicyRecipe,
    state: State,
    telemetry: Telemetry,
    interrupt: Interrupt,
    soundness: Soundness,
    held_out: Sequence[Task],
    folder: Path | None,
    until: int,
) -> None:
    """Sample, score, shape, credit, update, evaluate, save, until the last step, a signal, or
    what `Soundness` says can't go on."""
    loop, policy, shard = recipe.loop, state.policy, state.batches.shard
    if state.unanswered:
        progress = Progress(state.step - 1, loop.steps)
        figures = _between(recipe, state, interrupt, soundness, held_out, progress)
        if figures:
            with interrupt.whole():
                telemetry.amend(figures)
                state.save(folder, shard, again=True)
    end = min(loop.steps, until)
    while soundness.stopped is None and state.step < end and not _agreed(interrupt, shard):
        progress = Progress(state.step, loop.steps)
        began = time.perf_counter()
        collected = _experience(recipe, state, progress, soundness)
        if collected is None:
            return
        learning = time.perf_counter()
        figures = _learn(recipe, policy, state, collected, progress, shard)
        figures["seconds/update"] = time.perf_counter() - learning
        if state.reference is not None:
            state.reference.after_step(policy, progress.step)
        done = progress.step + 1
        if loop.evaluate_every and done % loop.evaluate_every == 0 and done < loop.steps:
            figures |= _between(recipe, state, interrupt, soundness, held_out, progress)
        state.slowest = max(state.slowest, time.perf_counter() - began)
        with interrupt.whole():
            telemetry.step(progress.step, collected, step_metrics(collected, figures))
            state.step = done
            soundness.step(collected.tally, figures)
            if loop.checkpoint_every and done % loop.checkpoint_every == 0:
                state.save(folder, shard)


def _between(
    recipe: PolicyRecipe,
    state: State,
    interrupt: Interrupt,
    soundness: Soundness,
    held_out: Sequence[Task],
    progress: Progress,
) -> dict[str, float]:
    """The held-out figure after a step that is not the last.

    {} where a signal that is urgent breaks it off: all is then as before, and a run that goes on
    answers first. Not with several processes, nor with a batch in flight: what reward and
    generators remember would come in another order.
    """
    shard, batches = state.batches.shard, state.batches
    batches.wait()

    def answered() -> HeldOut | None:
        return _evaluate(recipe, state.policy, held_out, progress, shard)

    before, whole = state.marks(), batches.ahead or shard.world > 1
    found = answered() if whole else interrupt.measure(answered)
    state.unanswered = found is None and bool(held_out)
    if state.unanswered:
        state.take_back(before)
    soundness.evaluated(found)
    return {} if found is None else {"held_out": found.mean}


def _experience(
    recipe: PolicyRecipe, state: State, progress: Progress, soundness: Soundness
) -> Collected | None:
    """What this step learns from; None where a part raised, and all is as before the step."""
    batches = state.batches
    try:
        batch = batches.take(progress)
        if progress.step == 0:
            soundness.begin(batch.tally)
        with naming("the curriculum", recipe.curriculum):
            recipe.curriculum.observe(batch.rollouts, batch.raw)
        batches.begin(Progress(progress.step + 1, progress.total))  # with loop.ahead: from here on
        return credit(recipe, state.policy, batch, progress, state.reference)
    except Exception as error:
        if progress.step == 0:
            raise  # nothing was learned yet that could be lost
        batches.take_back()
        soundness.stopped = error
        return None


_ERROR = "an error"


def _end(
    recipe: PolicyRecipe,
    state: State,
    interrupt: Interrupt,
    soundness: Soundness,
    held_out: Sequence[Task],
    folder: Path | None,
) -> tuple[HeldOut | None, Stopped | None]:
    """The last checkpoint, before anything that takes long; then the held-out tasks.

    Returns their result, and what to say of a run that ends before it is done.
    """
    shard, loop = state.batches.shard, recipe.loop
    go_on = "" if folder is None else resume_command(folder)
    with interrupt.whole():
        state.save(folder, shard)
    if soundness.stopped is not None:
        return None, Stopped(_ERROR, loop.steps, (), go_on, str(soundness.stopped))
    state.batches.wait()
    _agreed(interrupt, shard)

    def answered() -> HeldOut | None:
        return _evaluate(recipe, state.policy, held_out, Progress(state.step, loop.steps), shard)

    # With several processes one must not leave the others waiting.
    hurried = any(shard.gather(interrupt.urgent)) if shard.world > 1 else interrupt.urgent
    after = None
    if not hurried:
        after = interrupt.measure(answered) if shard.world == 1 else answered()
    soundness.evaluated(after)
    if soundness.stopped is not None:
        return after, Stopped(_ERROR, loop.steps, (), go_on, str(soundness.stopped))
    skipped = ["held-out evaluation"] if held_out and after is None else []
    skipped += [PAGE] if interrupt.urgent else []
    if state.step >= loop.steps and not skipped:
        return after, None
    return after, Stopped(interrupt.name or "stop_after", loop.steps, tuple(skipped), go_on)


def _agreed(interrupt: Interrupt, shard: Shard) -> bool:
    """Whether any process was asked to end: all must end after the same step."""
    if shard.world > 1:
        interrupt.number = max(shard.gather(interrupt.number))
    return interrupt.requested


def _learn(
    recipe: PolicyRecipe,
    policy: Policy,
    state: State,
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
    rate = recipe.optimiser.follow(state.optimiser, progress)
    sums: dict[str, float] = {}
    updates, first = 0, {}
    for epoch in range(recipe.loop.epochs):
        seed = recipe.loop.seed * 1_000_003 + progress.step * 1_009 + epoch
        for batch in minibatches(rows, collected.rollouts.group, recipe.loop.minibatch, seed):
            rollouts = collected.rollouts.select(batch)
            figures = update(
                policy,
                state.optimiser,
                recipe.objective,
                rollouts,
                collected.advantage[batch, : rollouts.mask.shape[1]],
                guard=state.guard,
                clip=recipe.optimiser.clip,
                microbatch=recipe.loop.microbatch,
                shard=shard,
            )
            if not updates:
                first = {"first_off_policy": figures.get("off_policy", 0.0)}
            updates += 1
            for name, value in figures.items():
                sums[name] = sums.get(name, 0.0) + value
    means = {k: v / updates for k, v in sums.items()}
    return {**means, **first, "updates": float(updates), "lr": rate}


def _tasks(recipe: PolicyRecipe) -> tuple[Sequence[Task], Sequence[Task]]:
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
    check_tasks(recipe.reward, [*tasks, *held_out])
    return tasks, held_out


def _evaluate(
    recipe: PolicyRecipe, policy: Policy, tasks: Sequence[Task], progress: Progress, shard: Shard
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
