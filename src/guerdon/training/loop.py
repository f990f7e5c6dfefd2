"""The loop: sample, score, shape, credit, update, evaluate, save. Read it top to bottom."""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Mapping, Sequence
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
    load_newest,
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
from guerdon.training.run_folder import RunFolder, resume_command, telling_how_to_go_on
from guerdon.training.soundness import Soundness, naming
from guerdon.training.task_checks import check_tasks
from guerdon.training.telemetry import PAGE, Stopped, Telemetry, step_metrics
from guerdon.training.update import Guard, Shard, adamw, minibatches, set_rate, update


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
    with Interrupt() as interrupt, telemetry:
        seed_generators(loop.seed)
        policy = policy or load_policy(recipe.model)
        seed_generators(loop.seed)  # vLLM seeds them for itself when it starts, always alike
        tasks, held_out = _tasks(recipe)
        batches = Batches(recipe, policy, tasks, shard)
        state, soundness = _State(recipe, policy, batches), Soundness(loop)
        with telling_how_to_go_on(folder, lambda: _lost(state)), batches:
            if resume and folder is not None:
                state.resume(folder, telemetry.warn, shard)
            if state.step == 0:
                state.before = _evaluate(recipe, policy, held_out, Progress(0, loop.steps), shard)
                soundness.evaluated(state.before, fewest=2)
                soundness.check()
            telemetry.begin(state.step, policy, state.before)
            soundness.take_up(telemetry.history)
            interrupt.patient(lambda: _lost(state), lambda: _about(state))
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
    recipe: Recipe,
    state: _State,
    telemetry: Telemetry,
    interrupt: Interrupt,
    soundness: Soundness,
    held_out: Sequence[Task],
    folder: Path | None,
    until: int,
) -> None:
    """Sample, score, shape, credit, update, evaluate, save, until the last step, a signal, or
    what `Soundness` says can't go on."""
    loop, policy, batches, shard = recipe.loop, state.policy, state.batches, state.batches.shard
    while state.step < min(loop.steps, until) and not _agreed(interrupt, shard):
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
            batches.wait()
            between = _evaluate(recipe, policy, held_out, progress, shard)
            soundness.evaluated(between)
            figures |= {} if between is None else {"held_out": between.mean}
        state.slowest = max(state.slowest, time.perf_counter() - began)
        with interrupt.whole():
            telemetry.step(progress.step, collected, step_metrics(collected, figures))
            state.step = done
            soundness.step(collected.tally, figures)
            if loop.checkpoint_every and done % loop.checkpoint_every == 0:
                state.save(folder, shard)
        if soundness.stopped is not None:
            return


def _experience(
    recipe: Recipe, state: _State, progress: Progress, soundness: Soundness
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
    recipe: Recipe,
    state: _State,
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


def _lost(state: _State) -> str:
    """What a run that ends here and now does again when it is resumed; "" before it began."""
    if state.step == 0:
        return ""
    if state.saved == state.step:
        return f"nothing is lost: step {state.step} is saved"
    since = f"after step {state.saved}'s checkpoint" if state.saved else "from the first step on"
    return f"what was done {since} is done again"


def _about(state: _State) -> str:
    """How long a step may take, where that is worth saying."""
    return f" (within about {state.slowest:.0f} s)" if state.slowest >= 2 else ""


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
                collected.advantage[batch, : rollouts.ids.shape[1]],
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


class _State:
    """All that changes during a run, in one place, so that a checkpoint can hold it whole."""

    def __init__(self, recipe: Recipe, policy: Policy, batches: Batches) -> None:
        self.recipe, self.policy, self.batches = recipe, policy, batches
        self.optimiser = adamw(policy, recipe.optimiser)
        self.guard = Guard(recipe.optimiser.max_bad_updates, recipe.optimiser.skip_above)
        self.reference: RunningReference | None = recipe.reference.start(policy)
        self.before: HeldOut | None = None
        self.step = self.saved = 0  # steps that are done, and those that a checkpoint holds
        self.slowest = 0.0  # seconds that a step took at most
        self.started = time.perf_counter()

    @property
    def seconds(self) -> float:
        """How long the run has gone on, in all processes that led to this state."""
        return time.perf_counter() - self.started

    def save(self, folder: Path | None, shard: Shard) -> None:
        """A checkpoint after the steps that are done, written by the first process."""
        if folder is None or shard.rank:
            return
        ahead = self.batches.state_dict()  # first: it waits for the thread that uses the rest
        before = self.before
        state = {
            "step": self.step,
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
        keep, recipe = self.recipe.loop.keep_checkpoints, folder / "recipe.yaml"
        save_checkpoint(folder / "checkpoints", self.step, state, keep, recipe)
        self.saved = self.step

    def resume(self, folder: Path, say: Callable[[str], None], shard: Shard) -> None:
        """Take up the newest whole checkpoint; nothing where there is none yet."""
        state = load_newest(folder / "checkpoints", say, aside=shard.rank == 0)
        if state is None:
            return
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
        self.step = self.saved = int(state["step"])

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
    check_tasks(recipe.reward, [*tasks, *held_out])
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
