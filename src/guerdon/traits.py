"""What a part says of itself by an attribute, and what holds of one that says nothing.

Whoever reads such an attribute asks here, so that each has one name, one type and one default.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Protocol, runtime_checkable

from guerdon.composition import ends_of, places
from guerdon.records import Task
from guerdon.stages import Sampling


@runtime_checkable
class Scoped(Protocol):
    """A part that says which rows it looks at together."""

    @property
    def scope(self) -> str:
        """One of "completion" (each alone), "turn", "group", "linked" (a question's views), and, of
        shapers and advantages, "batch"."""
        ...


@runtime_checkable
class Ranged(Protocol):
    """A reward that says between which numbers its values are, or None where nobody knows."""

    @property
    def range(self) -> tuple[float, float] | None: ...


@runtime_checkable
class ReadsSampler(Protocol):
    """A part that says whether it reads the log-probs rows were sampled with.

    An objective with a ratio to the sampler does, and a KL estimate in the reward. Rows that
    somebody else made have none, and are refused by name.
    """

    @property
    def reads_sampler(self) -> bool: ...


@runtime_checkable
class Patient(Protocol):
    """An objective that says how many updates of a batch it takes before it acts."""

    @property
    def least_updates(self) -> int: ...


@runtime_checkable
class Waits(Protocol):
    """A buffer that says whether it may give no rows at all, to gather more first."""

    @property
    def waits(self) -> bool: ...


@runtime_checkable
class UsesMargins(Protocol):
    """An objective of rankings that says whether it makes use of margins; others refuse them."""

    @property
    def uses_margins(self) -> bool: ...


@runtime_checkable
class ChecksTasks(Protocol):
    """A part of a reward that knows which tasks it can grade."""

    def check_tasks(self, tasks: Sequence[Task]) -> None:
        """Raises ValueError naming those that it can't grade."""
        ...


@runtime_checkable
class ReadsReferences(Protocol):
    """A part of a reward that knows which reference answers it can read."""

    def unreadable(self, tasks: Sequence[Task]) -> Sequence[tuple[Task, str]]:
        """The tasks whose reference it can't read, each with the reason."""
        ...


@runtime_checkable
class Makes(Protocol):
    """A recipe that says what its run makes: "policy", "reward model" or nothing, ""."""

    @property
    def makes(self) -> str: ...


@runtime_checkable
class WithValueHead(Protocol):
    """A policy's source that says whether the policy estimates values."""

    @property
    def value_head(self) -> bool: ...


@runtime_checkable
class WithAdapter(Protocol):
    """A policy's source that says which adapter the policy has, if any."""

    @property
    def adapter(self) -> str | None: ...


@runtime_checkable
class NeedsAdapter(Protocol):
    """A reference that says whether it is the policy without its adapter."""

    @property
    def needs_adapter(self) -> bool: ...


@runtime_checkable
class OfSize(Protocol):
    """A sampler that says how many completions of a task it draws; a schedule may stand there."""

    @property
    def size(self) -> float: ...


@runtime_checkable
class InPortions(Protocol):
    """A sampler that says how many tasks it is given at a time; 0 is all."""

    @property
    def portion(self) -> int: ...


@runtime_checkable
class DrawsBy(Protocol):
    """A sampler that says how it draws a completion."""

    @property
    def sampling(self) -> Sampling: ...


def scope_of(part: Any, otherwise: str = "completion") -> str:
    """Which rows the part looks at together; ``otherwise`` where it does not say."""
    return part.scope if isinstance(part, Scoped) else otherwise


def range_of(reward: Any) -> tuple[float, float] | None:
    """Between which numbers the reward's values are; None where it does not say."""
    return reward.range if isinstance(reward, Ranged) else None


def compares_group(part: Any) -> bool:
    """Whether the part teaches nothing to a group of one."""
    return scope_of(part) == "group"


def judges_several(reward: Any) -> bool:
    """Whether the reward must see whole groups, or all views of a question."""
    return scope_of(reward) in ("group", "linked")


def readers_of_sampler(whole: Any) -> Iterator[Any]:
    """The parts of a composition that read the log-probs rows were sampled with."""
    for _, part in places(whole):
        if isinstance(part, ReadsSampler) and part.reads_sampler:
            yield part


def least_updates_of(objective: Any) -> int:
    """How many updates of a batch the objective needs; 1 where it does not say."""
    return objective.least_updates if isinstance(objective, Patient) else 1


def uses_margins(objective: Any) -> bool:
    """Whether the objective makes use of margins."""
    return isinstance(objective, UsesMargins) and objective.uses_margins


def made_by(recipe: Any) -> str:
    """What a run of the recipe makes; "" where it does not say."""
    return str(recipe.makes) if isinstance(recipe, Makes) else ""


def has_value_head(source: Any) -> bool:
    """Whether the source's policy estimates values."""
    return isinstance(source, WithValueHead) and source.value_head


def has_adapter(source: Any) -> bool:
    """Whether the source's policy has an adapter."""
    return isinstance(source, WithAdapter) and bool(source.adapter)


def needs_adapter(reference: Any) -> bool:
    """Whether the reference is the policy without its adapter."""
    return isinstance(reference, NeedsAdapter) and reference.needs_adapter


def group_sizes_of(sampler: Any) -> tuple[int, int] | None:
    """The least and the most completions of a task; None where the sampler does not say."""
    if not isinstance(sampler, OfSize):
        return None
    least, most = ends_of(sampler.size) or (sampler.size, sampler.size)
    return round(least), round(most)


def waits(buffer: Any) -> bool:
    """Whether a buffer may give no rows to learn from."""
    return isinstance(buffer, Waits) and buffer.waits


def portion_of(sampler: Any) -> int:
    """How many tasks the sampler is given at a time; 0 is all."""
    return sampler.portion if isinstance(sampler, InPortions) else 0


def sampling_of(sampler: Any) -> Sampling | None:
    """How the sampler draws a completion; None where it does not say."""
    return sampler.sampling if isinstance(sampler, DrawsBy) else None
