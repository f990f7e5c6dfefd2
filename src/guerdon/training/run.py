"""The one frame that every loop runs in: a folder, what is shown, and all that is remembered.

    with Run(recipe, folder, loop) as run:
        learner = Learner(model, recipe.optimiser)
        run.start(model, {"learner": learner}, measure)
        for progress in run.steps():
            learner.begin(progress)
            run.log(learner.descend(loss_of(...)))
    result = run.result

Whatever the loop, its run resumes bit for bit, is locked, heeds signals, and ends whole.
"""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any

from guerdon.failures import Tally
from guerdon.parts import Memory
from guerdon.records import Progress
from guerdon.training.checkpoint import seed_generators
from guerdon.training.collect import Collected
from guerdon.training.held_out import OWN, HeldOut
from guerdon.training.held_out_summary import figures_of
from guerdon.training.interrupt import Interrupt
from guerdon.training.learner import Learner as Learner
from guerdon.training.output import lasting_output
from guerdon.training.recipe import Loop, Result
from guerdon.training.remembered import Carried, Remembered
from guerdon.training.run_folder import (
    RunFolder,
    resume_command,
    telling_how_to_go_on,
)
from guerdon.training.soundness import Soundness
from guerdon.training.telemetry import PAGE, Stopped, Telemetry
from guerdon.training.update import ALONE, Shard

Measure = Callable[[Progress], HeldOut | None]
"""Answers held-out tasks; None where there are none."""


class Run:
    """One run, from its first step or its newest checkpoint to its summary.

    Entering it looks at the folder, and locks it where a run is resumed; nothing is written before
    `start`, and what fails before the first step leaves nothing. `steps` gives the steps that are
    left; between two of them the run records what was logged, evaluates, saves and heeds signals.
    Leaving it saves, evaluates, and writes model, summary and page. An error does without these,
    but for one inside `undone_by`, or one that the run itself ends with (see `Soundness`).

    ``recipe`` is a dataclass with a ``name``; `recipe` is the run's own copy, as parts may have
    memory. ``loop`` says how many steps, when to save and evaluate, and what to put up with.
    ``told`` goes into the summary. Of several processes (``shard``) the first alone writes, and all
    end after the same step. See `RunOptions` for the rest.
    """

    def __init__(
        self,
        recipe: Any,
        folder: Path | None,
        loop: Loop,
        *,
        resume: bool = False,
        quiet: bool = False,
        trackers: Sequence[str] = (),
        stop_after: int | None = None,
        carried: Carried | None = None,
        shard: Shard = ALONE,
        told: Mapping[str, Any] | None = None,
    ) -> None:
        self._writes = shard.rank == 0
        on_disk = RunFolder(folder, resume=resume) if folder is not None and self._writes else None
        self.telemetry = Telemetry(
            on_disk,
            recipe,
            loop.steps,
            quiet=quiet or not self._writes,
            trackers=trackers if self._writes else (),
            told=told,
        )
        self.recipe = copy.deepcopy(recipe)
        self.folder, self.loop, self.shard, self.resumed = folder, loop, shard, resume
        self.model: Any = None
        self._remembered = Remembered(
            self.recipe,
            folder,
            self.telemetry.warn,
            writes=self._writes,
            keep=loop.keep_checkpoints,
        )
        self.before: dict[str, HeldOut] = {}  # by the held-out set's name
        self.after: dict[str, HeldOut] = {}
        self.step = 0  # steps that are done
        self._until = loop.steps if stop_after is None else min(stop_after, loop.steps)
        self._unanswered = False  # the evaluation after the last step was broken off
        self._slowest = 0.0  # seconds that a step took at most
        self._started = time.perf_counter()
        self._soundness, self._interrupt = Soundness(loop), Interrupt()
        self._stopped: Stopped | None = None
        self._idle = ""
        self._carried = carried
        self._figures: dict[str, float] | None = None
        self._collected: Collected | None = None

    def __enter__(self) -> Run:
        with ExitStack() as opened:
            opened.enter_context(self._interrupt)
            opened.enter_context(lasting_output())
            opened.enter_context(self.telemetry)
            opened.enter_context(telling_how_to_go_on(self.folder, self._lost))
            seed_generators(self.loop.seed)
            self._opened = opened.pop_all()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        whole = self.step > 0 and error is self._soundness.stopped
        if error is not None and not whole:
            self._opened.__exit__(kind, error, trace)
            return
        with self._opened:
            self._end()
        self._soundness.check()

    def start(
        self,
        model: Any,
        memory: Mapping[str, Memory | None],
        measure: Measure | Mapping[str, Measure] | None = None,
        *,
        breakable: bool = True,
    ) -> None:
        """Take up the newest checkpoint, or measure for the first time and begin.

        ``model`` is what is saved at the end (None = nothing). ``measure`` answers the held-out
        tasks, or is of several sets by name, `OWN` and exams; without it nothing is measured.
        ``memory`` is by name what changes as the run proceeds, besides the recipe's own parts,
        which are found; those that come first are saved first and restored last. With
        ``breakable`` False a signal does not break off an evaluation between steps: for what can't
        be taken back to before it.
        """
        self.model = model
        self._measures = {OWN: measure} if callable(measure) else dict(measure or {})
        self._breakable = breakable and self.shard.world == 1
        known = {name: part for name, part in memory.items() if part is not None}
        self._remembered.memory = known
        if self.resumed:
            self._take_up()
        if self.step == 0:
            self._remembered.begin_with(self._carried)
            self.before = self._measured(Progress(0, self.loop.steps))
            self._soundness.evaluated(self.before, fewest=2)
            self._soundness.check()
        self.telemetry.begin(self.step, model, self.before, measure is not None)
        self._soundness.take_up(self.telemetry.history)
        self._interrupt.patient(self._lost, self._about)

    def steps(self) -> Iterator[Progress]:
        """The steps that are left, until the last, a signal, or what `Soundness` says."""
        if self._unanswered:
            self._make_up()
        while self._soundness.stopped is None and self.step < self._until and not self._agreed():
            progress, began = Progress(self.step, self.loop.steps), time.perf_counter()
            self._figures = None
            yield progress
            if self._figures is None and self._interrupt.requested:
                break  # what the step consists of was ended, and will go on
            if self._figures is None:
                raise RuntimeError(f"step {self.step} logged nothing: call run.log in each")
            done, every = self.step + 1, self.loop.evaluate_every
            if every and done % every == 0 and done < self.loop.steps:
                self._figures = self._figures | self._between(progress)
            self._slowest = max(self._slowest, time.perf_counter() - began)
            with self._interrupt.whole():
                self.telemetry.step(self.step, self._collected, self._figures)
                self.step = done
                judged = Tally() if self._collected is None else self._collected.tally
                self._soundness.step(judged, self._figures)
                if self.loop.checkpoint_every and done % self.loop.checkpoint_every == 0:
                    self._save()
        with self._interrupt.whole():  # before anything that takes long
            self._save()

    def log(self, figures: Mapping[str, float], collected: Collected | None = None) -> None:
        """What this step came to, and what it learned from, for alarms, trackers and the page.

        "updates" among the figures is how many there were; 0 says that nothing was learned.
        """
        self._figures, self._collected = dict(figures), collected

    @contextmanager
    def undone_by(self, take_back: Callable[[], None]) -> Iterator[None]:
        """What raises in here ends the run whole, as it was before this step: ``take_back``
        restores what changed since. In the first step there is nothing to keep, and it ends so.
        """
        try:
            yield
        except Exception as error:
            if self.step:
                take_back()
                self._soundness.stopped = error
            raise

    def judged(self, rows: Tally) -> None:
        """Before the first update: raises `TooManyFailed` where the reward failed on ``rows``."""
        if self.step == 0:
            self._soundness.begin(rows)

    def end_by(self, number: int) -> None:
        """End after this step, or within it if it logs nothing: a signal ended what it runs."""
        self._interrupt.number = number

    @property
    def result(self) -> Result:
        """What it came to, once it is left."""
        number = self._interrupt.number if self._stopped is not None else 0
        history = tuple(self.telemetry.history)
        names = [name for name in {**self.before, **self.after} if name != OWN]
        return Result(
            self.model,
            self.before.get(OWN),
            self.after.get(OWN),
            history,
            self.folder,
            number,
            self._idle,
            {name: (self.before.get(name), self.after.get(name)) for name in names},
        )

    def _measured(self, progress: Progress) -> dict[str, HeldOut]:
        """The results of every held-out set that has tasks."""
        found = {name: measure(progress) for name, measure in self._measures.items()}
        return {name: result for name, result in found.items() if result is not None}

    def _between(self, progress: Progress) -> dict[str, float]:
        """The held-out figures after a step that is not the last.

        {} where a signal that is urgent breaks it off: all is then as before, and a run that goes
        on answers first. With several processes it is not broken off: what reward and generators
        remember would come in another order.
        """

        def answered() -> dict[str, HeldOut]:
            return self._measured(progress)

        marks = self._remembered.marks()
        found = self._interrupt.measure(answered) if self._breakable else answered()
        self._unanswered = found is None and bool(self.before)
        if self._unanswered:
            self._remembered.go_back(marks)
        self._soundness.evaluated(found or {})
        return figures_of(found or {})

    def _make_up(self) -> None:
        """Answer the held-out tasks for which a signal left no time."""
        figures = self._between(Progress(self.step - 1, self.loop.steps))
        if figures:
            with self._interrupt.whole():
                self.telemetry.amend(figures)
                self._save(again=True)

    def _end(self) -> None:
        """The last checkpoint, then held-out tasks, model, summary and page."""
        with self._interrupt.whole():
            self._save()
        if self._soundness.stopped is None:
            self._agreed()
            self.after = self._last_measure()
            self._soundness.evaluated(self.after)
        self._stopped = self._why_it_stopped()
        self._idle = self._soundness.nothing_learned(self.step)
        if self._idle:
            self.telemetry.note(self._idle)
        self.telemetry.finish(self.step, self._seconds, self.before, self.after, self._stopped)

    def _last_measure(self) -> dict[str, HeldOut]:
        progress = Progress(self.step, self.loop.steps)
        if self.shard.world > 1:  # one must not leave the others waiting
            hurried = any(self.shard.gather(self._interrupt.urgent))
            return {} if hurried else self._measured(progress)
        return self._interrupt.measure(lambda: self._measured(progress)) or {}

    def _why_it_stopped(self) -> Stopped | None:
        """What to say of a run that ends before it is done; None of one that is."""
        go_on = "" if self.folder is None else resume_command(self.folder)
        steps, error = self.loop.steps, self._soundness.stopped
        if error is not None:
            return Stopped("an error", steps, (), go_on, str(error))
        unmeasured = bool(self.before) and not self.after
        skipped = ["held-out evaluation"] if unmeasured else []
        skipped += [PAGE] if self._interrupt.urgent else []
        if self.step >= steps and not skipped:
            return None
        return Stopped(self._interrupt.name or "stop_after", steps, tuple(skipped), go_on)

    def _agreed(self) -> bool:
        """Whether any process was asked to end: all must end after the same step."""
        if self.shard.world > 1:
            self._interrupt.number = max(self.shard.gather(self._interrupt.number))
        return self._interrupt.requested

    @property
    def _seconds(self) -> float:
        """How long the run has gone on, in all processes that led to this state."""
        return time.perf_counter() - self._started

    def _save(self, *, again: bool = False) -> None:
        """A checkpoint after the steps that are done, written by the first process."""
        told = {
            "seconds": self._seconds,
            "before": {name: dict(vars(result)) for name, result in self.before.items()},
            "unanswered": self._unanswered,
        }
        self._remembered.save(self.step, told, again=again)

    def _take_up(self) -> None:
        """Go on from the newest whole checkpoint; nothing where there is none yet."""
        told = self._remembered.take_up()
        if told is None:
            return
        self.before = {
            name: HeldOut(**{**kept, "results": tuple(kept["results"])})
            for name, kept in _by_set(told["before"]).items()
        }
        self._started -= told["seconds"]
        self.step = int(told["step"])
        self._unanswered = bool(told["unanswered"])

    def _lost(self) -> str:
        return self._remembered.lost(self.step)

    def _about(self) -> str:
        """How long a step may take, where that is worth saying."""
        return f" (within about {self._slowest:.0f} s)" if self._slowest >= 2 else ""


def _by_set(before: Mapping[str, Any] | None) -> Mapping[str, Any]:
    """The results before training by held-out set; older checkpoints hold one set's, or None."""
    if before is None:
        return {}
    return {OWN: before} if "results" in before else before
