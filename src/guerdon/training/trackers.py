"""Experiment trackers, through accelerate: tensorboard, wandb, trackio and its others."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from guerdon.extras import install
from guerdon.parsing.visible import visible
from guerdon.parts import describe
from guerdon.training.collect import Collected

logger = logging.getLogger("guerdon.training")

SHOWN_ROWS = 8
"""Completions that a tracker gets of a step: some of the best, the worst and the invalid ones."""

COLUMNS = ("task", "prompt", "completion", "answer", "reward", "advantage", "invalid because")
_CELL = 2000

Row = Sequence[str | float | None]


def check_trackers(names: Sequence[Any]) -> None:
    """Raises ValueError for a tracker that there is not, ImportError for one not installed.

    To be called before anything is loaded or written.
    """
    if not names:
        return
    from accelerate.tracking import LOGGER_TYPE_TO_CLASS, get_available_trackers

    available = {str(getattr(t, "value", t)) for t in get_available_trackers()}
    for name in names:
        if not isinstance(name, str) or name in available:
            continue
        if name not in LOGGER_TYPE_TO_CLASS:
            raise ValueError(
                f"there is no tracker {name!r:.80}; there are "
                f"{', '.join(sorted(LOGGER_TYPE_TO_CLASS))}"
            )
        command = install("trackers") if name == "trackio" else f"pip install {name}"
        raise ImportError(
            f"the tracker {name!r} is not installed (installed: "
            f"{', '.join(sorted(available)) or 'none'}): {command}"
        )


class Trackers:
    """Sends figures, completions and the recipe to trackers.

    Each is a name or one of accelerate's own tracker objects. Every tracker gets the figures, and
    the recipe as its configuration; tensorboard, trackio and those with ``log_table`` (wandb,
    ClearML) also some completions of each step and the reasons of invalid rows. One that raises
    while the run goes on costs itself: it is left out from then on, with one warning. Raises as
    `check_trackers` does, and where a tracker can't be started.
    """

    def __init__(self, names: Sequence[Any], folder: Path | None, recipe: Any = None) -> None:
        self._trackers: list[Any] = []
        check_trackers(names)
        if not names:
            return
        from accelerate import Accelerator

        accelerator = Accelerator(log_with=list(names), project_dir=folder or ".")
        accelerator.init_trackers("guerdon")
        self._trackers = list(accelerator.trackers)
        settings = {} if recipe is None else flat(describe(recipe))
        if settings:
            self._each(lambda tracker: tracker.store_init_configuration(settings))

    def log(self, metrics: Mapping[str, float], step: int) -> None:
        """One step's figures."""
        self._each(lambda tracker: tracker.log(dict(metrics), step=step))

    def show(self, rows: Sequence[Row], reasons: Mapping[str, int], step: int) -> None:
        """Some of a step's completions, as `samples_of` picks them, and why rows are invalid."""
        counted: list[Row] = [(reason, float(count)) for reason, count in reasons.items()]

        def told(tracker: Any) -> None:
            _table(tracker, "completions", COLUMNS, rows, step)
            if counted:
                _table(tracker, "invalid rows", ("reason", "rows"), counted, step)

        self._each(told)

    def close(self) -> None:
        """Flush and end."""
        self._each(lambda tracker: tracker.finish())
        self._trackers = []

    def _each(self, act: Callable[[Any], None]) -> None:
        for tracker in list(self._trackers):
            try:
                act(tracker)
            except Exception as error:
                self._trackers.remove(tracker)
                logger.warning(
                    "the tracker %r failed (%s: %.200s) and gets nothing more of this run; what "
                    "is in the run's folder is whole",
                    *(tracker.name, type(error).__name__, error),
                )


def samples_of(collected: Collected) -> list[Row]:
    """At most `SHOWN_ROWS` rows of a step for `COLUMNS`: best, worst and invalid ones."""
    rollouts, raw = collected.rollouts, collected.raw
    valid = raw.valid.nonzero().flatten()
    best = valid[raw.value[valid].argsort(descending=True, stable=True)].tolist()
    invalid = (~raw.valid).nonzero().flatten().tolist()[: SHOWN_ROWS // 4]
    room = SHOWN_ROWS - len(invalid)
    picked = best if len(best) <= room else [*best[: room - room // 2], *best[-(room // 2) :]]
    acted_N = rollouts.mask.sum(1).clamp(min=1)
    advantage_N = (collected.advantage * rollouts.mask).sum(1) / acted_N
    return [
        (
            rollouts.task_of(row).id,
            _cell(rollouts.task_of(row).text),
            _cell(rollouts.shown[row]),
            _cell(str(rollouts.task_of(row).answer)),
            float(raw.value[row]) if bool(raw.valid[row]) else None,
            float(advantage_N[row]),
            raw.reasons[row],
        )
        for row in [*picked, *invalid]
    ]


def _cell(text: str) -> str:
    return visible(text[:_CELL])


def flat(described: Any, place: str = "") -> dict[str, str | float | int | bool]:
    """A described recipe as one level of names and plain values: ``optimiser.lr``."""
    inside: list[tuple[str, Any]] = []
    if isinstance(described, Mapping):
        inside = [(str(name), value) for name, value in described.items()]
    elif isinstance(described, list) and any(isinstance(v, Mapping | list) for v in described):
        inside = [(str(number), value) for number, value in enumerate(described)]
    elif isinstance(described, bool | int | float | str):
        return {place: described}
    else:
        return {place: "" if described is None else str(described)}
    found: dict[str, str | float | int | bool] = {}
    for name, value in inside:
        found |= flat(value, f"{place}.{name}" if place else name)
    return found


def _table(tracker: Any, name: str, columns: Sequence[str], rows: Sequence[Row], step: int) -> None:
    """A table where the tracker has such a thing; others are shown figures only."""
    if tracker.name == "tensorboard":
        tracker.writer.add_text(name, _markdown(columns, rows), global_step=step)
        tracker.writer.flush()
    elif tracker.name == "trackio":
        import pandas  # type: ignore[import-untyped]  # trackio needs it
        import trackio

        table = trackio.Table(dataframe=pandas.DataFrame([list(r) for r in rows], columns=columns))
        tracker.log({name: table}, step=step)
    elif hasattr(tracker, "log_table"):
        tracker.log_table(name, columns=list(columns), data=[list(r) for r in rows], step=step)


def _markdown(columns: Sequence[str], rows: Sequence[Row]) -> str:
    """A table whose cells are shown as they are: nothing in them is markup."""
    lines = [columns, ["---"] * len(columns), *([_escaped(c) for c in row] for row in rows)]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def _escaped(cell: str | float | None) -> str:
    if cell is None:
        return ""
    if isinstance(cell, float):
        return f"{cell:.4g}"
    text = str(cell).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    for sign in "\\`*_[]|#!":
        text = text.replace(sign, f"&#{ord(sign)};")
    return text.replace("\n", "<br>")
