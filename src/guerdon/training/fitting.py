"""A run that fits a model to given texts: held-out texts before and after, and a folder."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from guerdon.report import build_report
from guerdon.training.display import Display
from guerdon.training.held_out import HeldOut
from guerdon.training.passes import Figures, count_updates
from guerdon.training.recipe_file import write_recipe
from guerdon.training.run_folder import RunFolder
from guerdon.training.telemetry import describe_held_out, held_out_summary


class Saved(Protocol):
    """What can be written to a folder."""

    def save(self, folder: Path) -> None: ...


@dataclass(frozen=True)
class Fitted:
    """What such a run ends with. The results are None where nothing was held out."""

    before: HeldOut | None
    after: HeldOut | None
    history: tuple[dict[str, Any], ...]


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
    that mean other things.
    """
    run = None if folder is None else RunFolder(folder)
    if run is not None:
        write_recipe(run.path / "recipe.yaml", recipe)
    started = time.perf_counter()
    history: list[dict[str, Any]] = []
    with Display(count_updates(given, recipe.epochs, recipe.batch), quiet=quiet) as display:
        before = measure()
        if before is not None:
            display.note(f"held-out {describe_held_out(before)} before training")

        def record(done: int, _: int, figures: Figures) -> None:
            told = {names.get(name, name): value for name, value in figures.items()}
            history.append({"step": done - 1, **told})
            display.update(done - 1, told)
            if run is not None:
                run.log_metrics(history[-1])

        fit(
            epochs=recipe.epochs,
            batch=recipe.batch,
            optimiser=recipe.optimiser,
            seed=recipe.seed,
            report=record,
        )
        after = measure()
        summary: dict[str, Any] = {
            "recipe": recipe.name,
            "steps": len(history),
            "seconds": time.perf_counter() - started,
            what: given,
            **held_out_summary(before, after),
        }
        if run is not None:
            summary["folder"] = str(run.path)
            run.write_summary(summary)
            model.save(run.path / "model")
            summary["report"] = str(build_report(run.path))
        display.summary(summary)
    return Fitted(before, after, tuple(history))
