"""A recipe that trains nothing: it measures, and keeps what it found as any run does."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, Unpack, runtime_checkable

from guerdon.names import check_name
from guerdon.ranges import Seed, check_composition
from guerdon.training.recipe import Loop, Result, RunOptions
from guerdon.training.run import Run


@runtime_checkable
class Measurement(Protocol):
    """What is to be found out: figures by name."""

    def __call__(self) -> Mapping[str, float]: ...


@dataclass(frozen=True)
class EvaluationRecipe:
    """One measurement, whole. ``seed`` is that of the global generators, for parts that use them.

    The figures are the run's only step, and stand in its summary.
    """

    measurement: Measurement
    name: str = "evaluation"
    seed: Seed = 0

    def __post_init__(self) -> None:
        check_name(self.name, "recipe.name")
        check_composition(self)

    def run(self, folder: Path | None = None, **options: Unpack[RunOptions]) -> Result:
        """Measure, and write the figures to ``folder`` (None = keep nothing on disk)."""
        found: dict[str, float] = {}
        loop = Loop(steps=1, seed=self.seed)
        with Run(self, folder, loop, told={"figures": found}, **options) as run:
            run.start(None, {})
            for _ in run.steps():
                found.update(run.recipe.measurement())
                run.log(found)
        return run.result
