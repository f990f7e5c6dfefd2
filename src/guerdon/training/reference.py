"""Reference policies: what the trained policy is kept close to.

A `Reference` is the setting; `start` makes the running thing, which answers log-probs, moves
after each step by its own rule and saves its state.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol, runtime_checkable

import torch
from torch import Tensor

from guerdon.composition import needs_of
from guerdon.ranges import PositiveInt, Share, check_ranges
from guerdon.records import Rollouts
from guerdon.stages import Policy

LACKING = (
    "the recipe compares with a reference policy (as a KL term or a preference does) and has none; "
    "set recipe.reference to FixedReference() or another of guerdon.training.reference "
    "(--reference fixed)"
)
"""What is said where parts compare with a reference that there is not."""


def compares_with_reference(recipe: Any) -> bool:
    """Whether anything that is learned by, or watched, needs the reference's log-probs."""
    parts = (recipe.objective, recipe.shaping, recipe.advantage, recipe.monitors, recipe.buffer)
    return "reference" in recipe.objective.needs | needs_of(parts)


class RunningReference(Protocol):
    """A reference policy in a run."""

    def logps(self, rollouts: Rollouts) -> Tensor:
        """float[N, T] log-probs under the reference, without gradient."""
        ...

    def after_step(self, policy: Policy, step: int) -> None:
        """Move towards the policy, by the reference's own rule."""
        ...

    def state_dict(self) -> dict[str, Any]: ...

    def load_state_dict(self, state: Mapping[str, Any]) -> None: ...


@runtime_checkable
class Reference(Protocol):
    """The setting of a reference policy."""

    def start(self, policy: Policy) -> RunningReference | None: ...


@dataclass(frozen=True)
class NoReference:
    """No reference: no KL term, no second set of weights."""

    def start(self, policy: Policy) -> None:
        return None


@dataclass(frozen=True)
class FixedReference:
    """A copy of the policy as it was when training began."""

    def start(self, policy: Policy) -> RunningReference:
        return _Copy(policy, every=0, pull=0.0)


@dataclass(frozen=True)
class MovingReference:
    """An exponential moving average: after each step ``ref = decay ref + (1 - decay) policy``."""

    decay: Share = 0.99
    """How much of the average stays at each step."""

    def __post_init__(self) -> None:
        check_ranges(self)

    def start(self, policy: Policy) -> RunningReference:
        return _Copy(policy, every=1, pull=1.0 - self.decay)


@dataclass(frozen=True)
class RefreshedReference:
    """A copy replaced by (or pulled by ``mix`` towards) the policy every ``every`` steps."""

    every: PositiveInt = 64
    """After how many steps it is refreshed."""
    mix: Share = 1.0
    """How far it then moves towards the policy; 1 is all the way."""

    def __post_init__(self) -> None:
        check_ranges(self)

    def start(self, policy: Policy) -> RunningReference:
        return _Copy(policy, every=self.every, pull=self.mix)


@dataclass(frozen=True)
class AdapterOffReference:
    """The base model under the trained adapter: no second set of weights."""

    needs_adapter: ClassVar[bool] = True

    def start(self, policy: Policy) -> RunningReference:
        disable = getattr(getattr(policy, "model", None), "disable_adapter", None)
        if disable is None:
            raise ValueError(
                "AdapterOffReference needs a policy with an adapter; set model.adapter to "
                '"lora", or use FixedReference'
            )
        return _AdapterOff(policy, disable)


class _Copy:
    """A frozen copy that is pulled towards the policy every ``every`` steps (0 = never)."""

    def __init__(self, policy: Policy, every: int, pull: float) -> None:
        self.policy = copy.deepcopy(policy)
        self.policy.module.requires_grad_(False)
        self.every, self.pull = every, pull

    def logps(self, rollouts: Rollouts) -> Tensor:
        with torch.no_grad():
            return self.policy.forward(rollouts).logps

    def after_step(self, policy: Policy, step: int) -> None:
        if self.every == 0 or (step + 1) % self.every:
            return
        with torch.no_grad():
            mine = self.policy.module.state_dict()
            for name, theirs in policy.module.state_dict().items():
                if mine[name].is_floating_point():
                    mine[name].lerp_(theirs, self.pull)

    def state_dict(self) -> dict[str, Any]:
        # A copy that never moves is the run's starting point, but the run may start from
        # weights that are gone on resume (a random head, a moved folder): save it always.
        return {"module": self.policy.module.state_dict()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self.policy.module.load_state_dict(state["module"])


class _AdapterOff:
    def __init__(self, policy: Policy, disable: Any) -> None:
        self.policy, self.disable = policy, disable

    def logps(self, rollouts: Rollouts) -> Tensor:
        with torch.no_grad(), self.disable():
            return self.policy.forward(rollouts).logps

    def after_step(self, policy: Policy, step: int) -> None:
        """The base model never moves."""

    def state_dict(self) -> dict[str, Any]:
        return {}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Nothing to restore: the base model is read anew."""
