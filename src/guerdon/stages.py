"""The stages of the pipeline, as signatures. Implementing one of these is all there is to do.

A stage is a plain function or a frozen dataclass with ``__call__`` (it prints, compares and
serialises). One with memory adds ``state_dict`` / ``load_state_dict``; wherever it stands in a
recipe, checkpoints hold it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Protocol, runtime_checkable

from torch import Tensor, nn

from guerdon.ranges import Filled, PositiveInt, Range, Share, at_least, check_ranges
from guerdon.records import Chosen, Experience, Loss, PolicyOutput, Progress, Rollouts, Scores, Task


@runtime_checkable
class Reward(Protocol):
    """Judges completions. Scope (completion, group, linked, turn) is declared, not guessed."""

    def __call__(self, rollouts: Rollouts, progress: Progress) -> Scores: ...


@runtime_checkable
class Shaper(Protocol):
    """Transforms scores; keeps the parts."""

    def __call__(self, scores: Scores, rollouts: Rollouts, progress: Progress) -> Scores: ...


@runtime_checkable
class Advantage(Protocol):
    """Scores to float[N, T]: 0 where the mask is False and on invalid rows, never NaN.

    One that teaches nothing to a group of one says so: ``scope`` is "group" then.
    """

    def __call__(self, experience: Experience) -> Tensor: ...


@runtime_checkable
class ValueTargets(Protocol):
    """An advantage that also says what a value head is to learn: what PPO needs."""

    def returns(self, experience: Experience) -> Tensor:
        """float[N, T], 0 where the mask is False and on invalid rows."""
        ...


@runtime_checkable
class Aggregation(Protocol):
    """How token losses become one number: counts of acted tokens [N] to a weight per row [N].

    The loss is ``sum_i weight_i * sum_t mask_it * loss_it``. Weights are computed once over
    the global batch, so a batch split into micro-batches or over processes has the same loss.
    """

    def __call__(self, counts: Tensor) -> Tensor: ...


NEEDS = frozenset({"reference", "values", "entropy", "largest"})
"""What a part may say it ``needs``, wherever it stands in a recipe.

The loop writes these into the rollouts before the first part that needs them is called, as the
policy says it at that moment: ``reference`` (`Rollouts.reference_logps`), ``values``, ``entropy``
and ``largest``, the log-probs of the likeliest tokens.
"""

COUPLINGS = ("position", "row", "pair", "group", "batch")
"""What can hang together, from the least to all: in a loss, or in what a policy computes."""


@runtime_checkable
class Objective(Protocol):
    """Advantage and log-probabilities to a loss.

    ``needs`` are of `NEEDS`: "entropy" and "values" are computed as the policy learns, and
    ``values`` and the reference's log-probs are in the rollouts. ``couples`` is the
    largest of `COUPLINGS` that the loss can't be cut inside of: one that is a sum over positions
    or rows is called on pieces, any other once on the whole of a minibatch; the gradient is the
    uncut one always. ``row_weight`` float[N] comes from ``aggregation`` over the global batch;
    None means this batch is the whole.
    """

    @property
    def couples(self) -> str: ...

    @property
    def needs(self) -> frozenset[str]: ...

    @property
    def aggregation(self) -> Aggregation: ...

    def __call__(
        self,
        now: PolicyOutput,
        experience: Experience,
        row_weight: Tensor | None = None,
    ) -> Loss: ...


@runtime_checkable
class TaskSource(Protocol):
    """Where tasks come from. ``load`` is deterministic; splits never share a task id."""

    def load(self, split: str) -> Sequence[Task]: ...


@runtime_checkable
class Preparation(Protocol):
    """What the policy's own answers make of the training tasks before the first step.

    It may choose among them, or add columns to them; ids stay. The same policy and tasks give
    the same result, since a resumed run asks again.
    """

    def __call__(self, policy: Policy, tasks: Sequence[Task]) -> Sequence[Task]: ...


@runtime_checkable
class Curriculum(Protocol):
    """Which tasks next. ``next`` draws ``count`` tasks; ``observe`` sees what came of them."""

    def next(self, tasks: Sequence[Task], count: int, progress: Progress) -> list[Task]: ...

    def observe(self, rollouts: Rollouts, scores: Scores) -> None: ...

    def state_dict(self) -> dict[str, Any]: ...

    def load_state_dict(self, state: Mapping[str, Any]) -> None: ...


@runtime_checkable
class Observer(Protocol):
    """A part, wherever it stands, that sees what came of every group that was sampled.

    Called each step before anything is learned, with the reward's own scores; groups that the
    filter drops are seen too. What it remembers is its ``state_dict``.
    """

    def observe(self, rollouts: Rollouts, scores: Scores) -> None: ...


@runtime_checkable
class GroupFilter(Protocol):
    """Which groups are worth an update: bool[B], True = keep."""

    def __call__(self, experience: Experience) -> Tensor: ...


@runtime_checkable
class Selection(Protocol):
    """Which rows, or pairs of them, are learned from; the others are judged, logged and shown.

    Where it chooses no row there is nothing to learn from in that step. An objective whose
    ``couples`` is "pair" learns from the pairs.
    """

    def __call__(self, scores: Scores, rollouts: Rollouts, progress: Progress) -> Chosen: ...


@runtime_checkable
class Monitor(Protocol):
    """Figures by name of what a step collected, logged as ``monitor/NAME/FIGURE``; never paid.

    Called once a step, with every row that passed the filter, their shaped scores and their
    advantage, which is 0 on rows that a selection left out. NAME is the part's ``name``, or what
    its class or function is called. A figure that is not finite is logged as unknown.
    """

    def __call__(self, experience: Experience) -> Mapping[str, float]: ...


@runtime_checkable
class Buffer(Protocol):
    """What is learned from besides what was just sampled: rows of earlier steps, or of others.

    ``mix`` gets what the step learns from, credited, and gives what is learned from instead. Rows
    that it adds come with their advantage, log-probs at sampling and origin. One that says
    ``waits = True`` may give no rows at all: the step then learns nothing. Its state holds
    tensors, texts and plain values, never tasks: these it finds again by id among ``tasks``, the
    training tasks, since checkpoints execute nothing. Of several processes each mixes the same.
    """

    def mix(self, fresh: Experience, tasks: Sequence[Task], progress: Progress) -> Experience: ...

    def state_dict(self) -> dict[str, Any]: ...

    def load_state_dict(self, state: Mapping[str, Any]) -> None: ...


@runtime_checkable
class Scorer(Protocol):
    """A model that judges responses by one number each: every reward model.

    Whatever else it may read of a prompt is in the task: the reference is ``task.answer``, and
    user, goal and images are columns.
    """

    def score(self, tasks: Sequence[Task], responses: Sequence[Sequence[str]]) -> Tensor:
        """float[N] of the responses to each task, all of the first task first.

        Any number of responses per task; with gradient where grad mode is on. A scorer that can
        also say what each token is worth adds ``score_tokens``, N tensors float[T_n].
        """
        ...


@dataclass(frozen=True)
class Sampling:
    """How completions are drawn.

    ``temperature`` 0 means greedy. ``top_p`` 1, ``top_k`` 0 and ``min_p`` 0 are off. ``stop``
    strings end a completion and are kept at its end. ``max_turns`` and ``max_turn_tokens``
    bound multi-turn episodes. ``max_rows`` bounds how many completions are written at a time
    (0 is off); it bounds memory and changes no sample. ``seed`` is mixed with the row's own
    key, so a row's sample does not depend on which other rows share its batch.
    """

    max_tokens: PositiveInt = 48
    """The longest completion."""
    temperature: Annotated[float, at_least(0, "0 is greedy")] = 1.0
    """How even the draws are."""
    top_p: Annotated[float, Range(0, 1, open_low=True)] = 1.0
    """The share of the likeliest tokens that are drawn from; 1 is all."""
    top_k: Annotated[int, at_least(0, "0 is off")] = 0
    """How many of the likeliest tokens are drawn from."""
    min_p: Share = 0.0
    """The least probability of a token, as a share of the likeliest one's; 0 is off."""
    stop: tuple[Filled, ...] = ()
    """Texts that end a completion, and are kept at its end."""
    max_turns: PositiveInt = 1
    """The most turns of an episode."""
    max_turn_tokens: PositiveInt = 16
    """The longest turn of an episode."""
    max_rows: Annotated[int, at_least(0, "0 is off")] = 0
    """How many completions are written at a time; it changes none of them."""

    def __post_init__(self) -> None:
        check_ranges(self)


@runtime_checkable
class PolicySource(Protocol):
    """The setting of a policy: which to train, or to sample from."""

    def load(self, tasks: Sequence[Task]) -> Policy:
        """The policy before training. ``tasks`` are all that it will meet, held-out ones too.

        A language model takes any; a table has a row for each of their states. What is drawn
        comes from torch's global generator, which the run has seeded.
        """
        ...


@runtime_checkable
class Policy(Protocol):
    """Something that acts and can say how likely its actions were.

    ``couples`` is "row" where a position's log-prob takes the whole row to compute (a language
    model's), "position" where each can be computed alone (a table's, a denoiser's).
    """

    @property
    def couples(self) -> str: ...

    @property
    def module(self) -> nn.Module:
        """The trainable module."""
        ...

    def sample(
        self, tasks: Sequence[Task], group_size: int, sampling: Sampling, seed: int
    ) -> Rollouts:
        """``group_size`` completions of each task, rows ordered by task."""
        ...

    def forward(self, rollouts: Rollouts, needs: frozenset[str] = frozenset()) -> PolicyOutput:
        """Log-probs of the rollouts' actions, with gradient where grad mode is on."""
        ...


@runtime_checkable
class Sampler(Protocol):
    """Which completions of the tasks are drawn: a group for each task, of one row or more.

    Rows are ordered by task, and groups are in the order of ``tasks``, no two of which have the
    same id. The same policy, tasks and ``seed`` give the same rows. A step may call it several
    times, each with another ``seed``: for tasks that were drawn twice, and where it has a
    ``portion``, for so many tasks at a time.
    """

    def __call__(
        self, policy: Policy, tasks: Sequence[Task], progress: Progress, seed: int
    ) -> Rollouts: ...


@runtime_checkable
class Foresees(Protocol):
    """A policy with value estimates that says what a row is worth that a limit ended."""

    def final_values(self, rollouts: Rollouts) -> Tensor:
        """float[N], the value of what each row was cut off in; NaN where the row was not."""
        ...


@runtime_checkable
class OwnSampler(Protocol):
    """A policy that can't be deep-copied whole, and so makes its own copy to sample with."""

    def sampler(self) -> Policy:
        """One with a copy of the weights as they are, which can sample while this one learns."""
        ...
