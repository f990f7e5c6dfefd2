"""Recipes that learn from what is given, in passes: what their settings and their runs share."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Unpack

from guerdon.names import check_name
from guerdon.ranges import PositiveInt, Seed, at_least, check_composition
from guerdon.schedules import adapt
from guerdon.training.checkpoint import seed_generators
from guerdon.training.held_out import HeldOut
from guerdon.training.learner import Learner
from guerdon.training.optimisers import Optimiser
from guerdon.training.passes import Learn, batch_at, count_updates
from guerdon.training.processes import processes
from guerdon.training.recipe import Loop, Result, RunOptions
from guerdon.training.reference import RunningReference
from guerdon.training.run import Run


@dataclass(frozen=True, kw_only=True)
class Passes(ABC):
    """``epochs`` passes over what is given, in updates of ``batch`` items.

    An update is accumulated over ``microbatch`` items at a time (0 = all at once), which bounds
    memory and changes no number. Of a completion ``max_tokens`` are read, its end included, and a
    longer one is cut. Held-out items are measured before and after, and every
    ``evaluate_every`` updates (0 = never between); a checkpoint is written every
    ``checkpoint_every`` (0 = only at the end). ``seed`` decides the order.
    """

    epochs: PositiveInt = 1
    batch: PositiveInt = 16
    microbatch: Annotated[int, at_least(0, "0 is all at once")] = 0
    max_tokens: PositiveInt = 1024
    evaluate_every: Annotated[int, at_least(0, "0 is never between")] = 0
    checkpoint_every: Annotated[int, at_least(0, "0 is never between")] = 20
    keep_checkpoints: PositiveInt = 2
    seed: Seed = 0

    if TYPE_CHECKING:

        @property
        def name(self) -> str:
            """Each kind has a field of this name, behind what it learns from."""

        @property
        def optimiser(self) -> Optimiser:
            """And one of this."""

    def __post_init__(self) -> None:
        check_name(self.name, "recipe.name")
        check_composition(self)

    @abstractmethod
    def run(self, folder: Path | None = None, **options: Unpack[RunOptions]) -> Result:
        """Train, and write the run to ``folder`` (None = keep nothing on disk)."""

    def loop_over(self, items: int) -> Loop:
        """How long a run over so many items is, and when it saves."""
        return Loop(
            steps=count_updates(items, self.epochs, self.batch),
            evaluate_every=self.evaluate_every,
            checkpoint_every=self.checkpoint_every,
            keep_checkpoints=self.keep_checkpoints,
            seed=self.seed,
        )


@dataclass(frozen=True)
class Lesson:
    """How a model learns from what is given.

    ``learn`` makes one update on some items, ``measure`` looks at the held-out ones (None =
    there are none), and ``reference`` is the policy that it is compared with, if any.
    """

    learn: Learn
    measure: Callable[[], HeldOut | None]
    reference: RunningReference | None = None


def fit(
    recipe: Passes,
    folder: Path | None,
    items: int,
    load: Callable[[], Any],
    teach: Callable[[Learner[Any]], Lesson],
    *,
    what: str,
    names: Mapping[str, str],
    **options: Unpack[RunOptions],
) -> Result:
    """Run passes over so many ``items``, which are called ``what`` in the summary.

    ``load`` gives the model, and ``teach`` how it learns. ``names`` are what figures are called in
    the run: a policy's run has a loss and an accuracy that mean other things.
    """
    shard, told = processes(), {what: items}
    run = Run(recipe, folder, recipe.loop_over(items), shard=shard, told=told, **options)
    with run:
        model = load()
        learner = Learner(model, recipe.optimiser, shard)
        lesson = teach(learner)
        seed_generators(recipe.seed)
        memory = {"learner": learner, "reference": lesson.reference}
        run.start(model, memory, lambda _: lesson.measure())
        told_once: set[str] = set()
        for progress in run.steps():
            learner.begin(progress)
            figures = lesson.learn(batch_at(progress.step, items, recipe.batch, recipe.seed))
            if lesson.reference is not None:
                lesson.reference.after_step(model, progress.step)
            metrics = {names.get(name, name): value for name, value in figures.items()}
            for line in adapt(recipe.optimiser, metrics) - told_once:
                run.telemetry.warn(line)
                told_once.add(line)
            run.log(metrics)
    return run.result
