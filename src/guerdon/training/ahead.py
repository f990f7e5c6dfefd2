"""A run's batches: sampled when they are wanted, or one step ahead while the policy learns."""

from __future__ import annotations

import copy
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import wait as wait_for
from dataclasses import replace
from typing import Any

from guerdon.parts import Memory, memories
from guerdon.records import Progress, Task
from guerdon.stages import OwnSampler, Policy
from guerdon.training.agreement import MAKES_BATCHES
from guerdon.training.checkpoint import generator_states, restore_generators, trained_state
from guerdon.training.collect import Batch, collect
from guerdon.training.recipe import PolicyRecipe
from guerdon.training.update import Shard


class Batches:
    """The batches of one run, in their order.

    With ``loop.ahead`` 0, `take` samples with the policy as it is, and the rest does nothing.
    With 1, `begin` copies the policy's weights into a sampler, and a thread samples and scores
    the next batch with it. Until `take` or `wait` the sampler, curriculum, reward and filter are
    that thread's alone; so which draws come first does not depend on which thread is faster.
    Parts that draw from global generators while they learn (objectives, say) would share these
    with parts that do so while they sample: such a run is not repeatable.

    What a checkpoint holds is not the batch but what it is made of: the sampler's weights, and
    what curriculum, reward, filter and generators remembered before it.
    """

    def __init__(
        self, recipe: PolicyRecipe, policy: Policy, tasks: Sequence[Task], shard: Shard
    ) -> None:
        """Raises ValueError for ``loop.ahead`` with several processes.

        A thread's exchanges with other processes could overtake the update's own.
        """
        self.recipe, self.policy, self.tasks, self.shard = recipe, policy, tasks, shard
        self.ahead = recipe.loop.ahead > 0
        if self.ahead and shard.world > 1:
            raise ValueError(
                f"loop.ahead is 1 with {shard.world} processes, and is for one only: set it to 0"
            )
        self.sampler = _sampler(policy) if self.ahead else policy
        self._sampler_step = 0  # how many steps of learning its weights have seen
        self._thread = ThreadPoolExecutor(1, "sampling-ahead")
        self._flying: Future[Batch] | None = None
        self._before: dict[str, Any] = {}
        self._taken: dict[str, Any] = {}
        self._later: dict[str, Any] = {}  # what parts remembered that see the batch when taken
        self._restored = False  # the sampler has the weights of a batch that was in flight

    def __enter__(self) -> Batches:
        return self

    def __exit__(self, *_: object) -> None:
        """Wait for what is being sampled, which can't be cut short; nothing outlives the run."""
        self._thread.shutdown()

    def take(self, progress: Progress) -> Batch:
        """The batch of this step; what went wrong on the thread is raised here."""
        self._later = _states(self._seeing())
        if not self.ahead:
            self._taken = self._marks()
            return self._collect(progress)
        began = time.perf_counter()
        if self._flying is None:
            if not self._restored:
                self._renew(progress.step)
            self._before = self._marks()
        self._taken = self._before
        batch = self._collect(progress) if self._flying is None else self._flying.result()
        self._flying, self._restored = None, False
        batch.seconds["waiting"] = time.perf_counter() - began
        return replace(batch, staleness=progress.step - self._sampler_step)

    def begin(self, progress: Progress) -> None:
        """Start on the batch of the coming step, with the weights of this moment."""
        if not self.ahead or progress.step >= progress.total:
            return
        self._renew(progress.step - 1)
        self._before = self._marks()
        self._flying = self._thread.submit(self._collect, progress)

    def wait(self) -> None:
        """Until nothing is being sampled; what went wrong on the thread is raised here."""
        if self._flying is not None:
            self._flying.result()

    def take_back(self) -> None:
        """As if the batch last taken, and the one being sampled, had never been drawn.

        All parts and generators are as before it, so that a checkpoint written now is that of the
        step before. With ``loop.ahead`` a run resumed from it samples that
        batch with the newest weights, not those of a step ago.
        """
        if self._flying is not None:
            wait_for([self._flying])
            self._flying = None
        if self._taken:
            self._remember(self._taken)
        for place, part in self._seeing().items():
            if place in self._later:
                part.load_state_dict(self._later[place])

    def state_dict(self) -> dict[str, Any]:
        """What the batch ahead is made of; empty where there is none.

        Waits until it is sampled: what else the run remembers is at rest from then on. That it
        failed is left to `take`, for it is no reason not to save what was learned.
        """
        if self._flying is None:
            return {}
        wait_for([self._flying])
        return {**self._before, "sampler": trained_state(self.sampler)}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take curriculum, reward, filter and generators back to where the batch began."""
        if not state:
            return
        self._sampler_step = int(state["sampler_step"])
        self.sampler.module.load_state_dict(state["sampler"], strict=False)
        self._restored = True
        self._remember(state)

    def _renew(self, step: int) -> None:
        """Give the sampler the weights of this moment, which have seen ``step`` steps."""
        self.sampler.module.load_state_dict(trained_state(self.policy), strict=False)
        self._sampler_step = step

    def _marks(self) -> dict[str, Any]:
        """What a batch is made of besides weights."""
        return {
            "sampler_step": self._sampler_step,
            "parts": _states(self._memories()),
            "generators": generator_states(),
        }

    def _remember(self, marks: Mapping[str, Any]) -> None:
        for place, part in self._memories().items():
            part.load_state_dict(copy.deepcopy(marks["parts"][place]))
        restore_generators(marks["generators"])

    def _collect(self, progress: Progress) -> Batch:
        return collect(
            self.recipe, self.sampler, self.tasks, progress, self.shard, time.perf_counter
        )

    def _seeing(self) -> dict[str, Memory]:
        """The parts that are called with a batch once it is taken."""
        return memories({n: getattr(self.recipe, n) for n in SEES_BATCHES})

    def _memories(self) -> dict[str, Memory]:
        """Of the parts that the thread changes."""
        return memories({n: getattr(self.recipe, n) for n in MAKES_BATCHES})


SEES_BATCHES = ("shaping", "selection", "advantage", "monitors", "buffer")
"""Where those stand that are called with it once it is taken."""


def _states(parts: Mapping[str, Memory]) -> dict[str, Any]:
    return {place: copy.deepcopy(part.state_dict()) for place, part in parts.items()}


def _sampler(policy: Policy) -> Policy:
    """The policy's twin, whose weights can stand still while the policy's are being changed."""
    return policy.sampler() if isinstance(policy, OwnSampler) else copy.deepcopy(policy)
