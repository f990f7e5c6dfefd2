"""A run that fits a model to given texts: held-out texts before and after, and a folder."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from guerdon.training.display import Display
from guerdon.training.held_out import HeldOut
from guerdon.training.held_out_summary import describe_before, held_out_summary
from guerdon.training.interrupt import Interrupt
from guerdon.training.output import lasting_output
from guerdon.training.passes import Figures, count_updates
from guerdon.training.run_folder import RunFolder
from guerdon.training.telemetry import (
    PAGE,
    Stopped,
    save_on_disk,
    sum_up_on_disk,
)


class Saved(Protocol):
    """What can be written to a folder."""

    def save(self, folder: Path) -> None: ...


@dataclass(frozen=True)
class Fitted:
    """What such a run ends with. The results are None where nothing was held out.

    ``signal`` is the number of the one that ended it before it was done, else 0.
    """

    before: HeldOut | None
    after: HeldOut | None
    history: tuple[dict[str, Any], ...]
    signal: int = 0


def run_fitting(
    recipe: Any,
    model: Saved,
    folder: Path | None,
    *,
    given: int,
    what: str,
    names: Mapping[str, str],
    measure: Callable[[], HeldOut | None],
    fit: Callable[..., object],
    quiet: bool = False,
) -> Fitted:
    """Measure, fit, measure again, and write it all to ``folder`` (None = keep nothing).

    ``recipe`` is a part with name, epochs, batch, optimiser and seed; ``fit`` is called with the
    last four and a `Report`. There are ``given`` of ``what`` to fit to, which the summary says.
    ``names`` are what figures are called in the run: a policy's run has a loss and an accuracy
    that mean other things. There are no checkpoints: a signal ends the run after the update under
    way with the model so far, and what else ends it leaves the figures alone.
    """
    run = None if folder is None else RunFolder(folder)
    total = count_updates(given, recipe.epochs, recipe.batch)
    history: list[dict[str, Any]] = []
    started = time.perf_counter()
    shown = Display(total, quiet=quiet)
    with Interrupt() as interrupt, lasting_output(), _kept(run), shown as display:
        before = measure()
        if run is not None:
            run.claim(recipe)
        display.note(describe_before(before))
        interrupt.patient(lambda: _lost(history, folder), what="the model so far is saved")

        def record(done: int, _: int, figures: Figures) -> None:
            told = {names.get(name, name): value for name, value in figures.items()}
            history.append({"step": done - 1, **told})
            display.update(done - 1, told)
            if run is not None:
                with interrupt.whole():
                    run.log_metrics(history[-1])
            if interrupt.requested and done < total:
                raise _Enough

        with suppress(_Enough):
            fit(
                epochs=recipe.epochs,
                batch=recipe.batch,
                optimiser=recipe.optimiser,
                seed=recipe.seed,
                report=record,
            )
        with interrupt.whole():
            if run is not None:  # first: it is what a signal's sender may not wait for
                save_on_disk(run, model)
        after = interrupt.measure(measure)
        stopped = _stopped(interrupt, before is not None and after is None, len(history), total)
        seconds = time.perf_counter() - started
        summary = {"recipe": recipe.name, "steps": len(history), "seconds": seconds, what: given}
        _tell(display, run, summary, before, after, stopped)
    number = interrupt.number if stopped is not None else 0
    return Fitted(before, after, tuple(history), number)


def _tell(
    display: Display,
    run: RunFolder | None,
    summary: dict[str, Any],
    before: HeldOut | None,
    after: HeldOut | None,
    stopped: Stopped | None,
) -> None:
    """The end of a run, on disk and on the terminal."""
    if stopped is not None:
        summary["stopped"] = stopped.summary()
    summary |= held_out_summary(before, after)
    if run is not None:
        sum_up_on_disk(run, summary, stopped)
    display.summary(summary)
    if stopped is not None and run is not None:
        display.note(
            f"{run.path / 'model'} is the model after {summary['steps']} of {stopped.of} updates; "
            "this kind of run can't be resumed"
        )


class _Enough(Exception):
    """A signal asked for the end: no further update."""


@contextmanager
def _kept(run: RunFolder | None) -> Iterator[None]:
    """Let the folder go at the end; one that failed before its first update is removed."""
    try:
        yield
    except BaseException:
        if run is not None:
            run.undo()
        raise
    if run is not None:
        run.release()


def _stopped(interrupt: Interrupt, unmeasured: bool, done: int, total: int) -> Stopped | None:
    skipped = ["held-out evaluation"] if unmeasured else []
    skipped += [PAGE] if interrupt.urgent else []
    if done >= total and not skipped:
        return None
    return Stopped(interrupt.name, total, tuple(skipped))


def _lost(history: Sequence[object], folder: Path | None) -> str:
    kept = "" if folder is None else f", {folder} holds their figures"
    return f"{len(history)} updates are lost{kept}: this kind of run has no checkpoints"
