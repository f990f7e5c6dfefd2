"""All that changes during a run, and how it becomes a checkpoint and a run again."""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from guerdon.parts import Memory, memories
from guerdon.stages import Policy
from guerdon.training.ahead import Batches
from guerdon.training.checkpoint import (
    generator_states,
    load_newest,
    restore_generators,
    save_checkpoint,
    trained_state,
)
from guerdon.training.held_out import HeldOut
from guerdon.training.recipe import PolicyRecipe
from guerdon.training.reference import RunningReference
from guerdon.training.update import Guard, Shard


class State:
    """All that changes during a run, in one place, so that a checkpoint can hold it whole."""

    def __init__(self, recipe: PolicyRecipe, policy: Policy, batches: Batches) -> None:
        self.recipe, self.policy, self.batches = recipe, policy, batches
        self.optimiser = recipe.optimiser.start(policy)
        self.guard = Guard(recipe.optimiser.max_bad_updates, recipe.optimiser.skip_above)
        self.reference: RunningReference | None = recipe.reference.start(policy)
        self.before: HeldOut | None = None
        self.step = self.saved = 0  # steps that are done, and those that a checkpoint holds
        self.unanswered = False  # the evaluation after the last step was broken off
        self.slowest = 0.0  # seconds that a step took at most
        self.started = time.perf_counter()

    @property
    def seconds(self) -> float:
        """How long the run has gone on, in all processes that led to this state."""
        return time.perf_counter() - self.started

    def save(self, folder: Path | None, shard: Shard, *, again: bool = False) -> None:
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
            "unanswered": self.unanswered,
        }
        keep, recipe = self.recipe.loop.keep_checkpoints, folder / "recipe.yaml"
        save_checkpoint(folder / "checkpoints", self.step, state, keep, recipe, again=again)
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
        self.unanswered = bool(state.get("unanswered"))

    def marks(self) -> dict[str, Any]:
        """What parts and generators remember at this moment; see `take_back`."""
        parts = {at: copy.deepcopy(part.state_dict()) for at, part in self._memories().items()}
        return {"parts": parts, "generators": generator_states()}

    def take_back(self, marks: Mapping[str, Any]) -> None:
        """Parts and generators as they were at `marks`."""
        self._remember(marks["parts"])
        restore_generators(marks["generators"])

    def lost(self) -> str:
        """What a run that ends here and now does again when it is resumed; "" before it began."""
        if self.step == 0:
            return ""
        if self.saved == self.step:
            return f"nothing is lost: step {self.step} is saved"
        since = f"after step {self.saved}'s checkpoint" if self.saved else "from the first step on"
        return f"what was done {since} is done again"

    def about(self) -> str:
        """How long a step may take, where that is worth saying."""
        return f" (within about {self.slowest:.0f} s)" if self.slowest >= 2 else ""

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
