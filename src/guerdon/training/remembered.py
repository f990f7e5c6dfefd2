"""What a run goes on with, in its folder's checkpoints: memory, parts, generators."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from guerdon.parts import Memory, memories
from guerdon.training.checkpoint import (
    generator_states,
    load_newest,
    restore_generators,
    save_checkpoint,
)
from guerdon.training.learner import Learner
from guerdon.training.run_folder import RECIPE


@dataclass(frozen=True)
class Carried:
    """What a run begins with besides weights, out of the newest checkpoint of another's folder."""

    folder: Path
    optimiser: bool = False
    reference: bool = False


class Remembered:
    """All that one run remembers, and the checkpoints that hold it.

    ``memory`` is by name what changes as the run proceeds; what comes first is saved first and
    restored last. The parts of ``recipe`` that have memory are found. Only one that ``writes``
    saves, and nothing is saved without a ``folder``. ``warn`` is told what was found damaged;
    ``keep`` is how many checkpoints stay. ``saved`` are the steps that the newest one holds.
    """

    def __init__(
        self,
        recipe: Any,
        folder: Path | None,
        warn: Callable[[str], None],
        *,
        writes: bool,
        keep: int,
    ) -> None:
        self.recipe, self.folder, self.keep = recipe, folder, keep
        self.memory: dict[str, Memory] = {}
        self.saved: int | None = None
        self._warn, self._writes = warn, writes

    def save(self, step: int, told: Mapping[str, Any], *, again: bool = False) -> None:
        """A checkpoint after ``step`` steps, with what else is ``told``; one of the same step
        stays, unless it is written ``again``.
        """
        if self.folder is None or not self._writes or (self.saved == step and not again):
            return
        # First: what runs on a thread of its own is at rest once it has said what it remembers.
        memory = {name: part.state_dict() for name, part in self.memory.items()}
        state = {
            **told,
            "step": step,
            "memory": memory,
            "parts": {place: part.state_dict() for place, part in memories(self.recipe).items()},
            "generators": generator_states(),
        }
        checkpoints, recipe = self.folder / "checkpoints", self.folder / RECIPE
        save_checkpoint(checkpoints, step, state, self.keep, recipe, again=again)
        self.saved = step

    def take_up(self) -> Mapping[str, Any] | None:
        """All as it was at the newest whole checkpoint, and what else that one tells.

        None where there is none yet. Raises ValueError for one of another recipe or version.
        """
        if self.folder is None:
            return None
        state = load_newest(self.folder / "checkpoints", self._warn, aside=self._writes)
        if state is None:
            return None
        if "memory" not in state:
            raise ValueError(
                f"the checkpoints in {self.folder} are of an older version of guerdon, which alone "
                "can go on with them; begin again from the recipe.yaml of the run"
            )
        _same_places(state["memory"], self.memory)
        self.go_back(state)
        for name, part in reversed(self.memory.items()):
            part.load_state_dict(state["memory"][name])
        self.saved = int(state["step"])
        return state

    def begin_with(self, carried: Carried | None) -> None:
        """What another run left of optimiser and reference."""
        if carried is None or not (carried.optimiser or carried.reference):
            return
        left = load_newest(carried.folder / "checkpoints", self._warn, aside=False)
        there = {} if left is None else left["memory"]
        learner = self.memory.get("learner")
        if carried.optimiser:
            if "learner" not in there or not isinstance(learner, Learner):
                raise ValueError(f"there is no optimiser to go on with in {carried.folder}")
            learner.optimiser.load_state_dict(there["learner"]["optimiser"])
        if carried.reference:
            if "reference" not in there or "reference" not in self.memory:
                raise ValueError(
                    f"there is no reference to go on with in {carried.folder}, or this run has "
                    "none; give both a reference, or carry none"
                )
            self.memory["reference"].load_state_dict(there["reference"])

    def marks(self) -> dict[str, Any]:
        """What the recipe's parts and the generators remember at this moment."""
        parts = {at: copy.deepcopy(p.state_dict()) for at, p in memories(self.recipe).items()}
        return {"parts": parts, "generators": generator_states()}

    def go_back(self, marks: Mapping[str, Any]) -> None:
        """Parts and generators as they were at ``marks``."""
        parts = memories(self.recipe)
        _same_places(marks["parts"], parts)
        for place, part in parts.items():
            part.load_state_dict(marks["parts"][place])
        restore_generators(marks["generators"])

    def lost(self, step: int) -> str:
        """What a run that ends after ``step`` steps does again when it is resumed; "" before the
        first.
        """
        if step == 0:
            return ""
        if self.saved == step:
            return f"nothing is lost: step {step} is saved"
        since = f"after step {self.saved}'s checkpoint" if self.saved else "from the first step on"
        return f"what was done {since} is done again"


def _same_places(saved: Mapping[str, Any], found: Mapping[str, Any]) -> None:
    if saved.keys() != found.keys():
        places = ", ".join(sorted(saved.keys() ^ found.keys()))
        raise ValueError(
            f"the checkpoint is of another recipe: {places} is not in both; resume with the "
            "recipe.yaml of the run"
        )
