"""What flows through the pipeline: tasks in, rollouts and scores between, a loss out.

Shape letters used everywhere: ``N`` completions (rows), ``B`` groups (one per task), ``T``
positions of a completion (tokens, turns or denoising steps), ``P`` prompt tokens.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor

Message = Mapping[str, Any]
"""One chat message: ``{"role": ..., "content": ...}``."""


@dataclass(frozen=True)
class Task:
    """One prompt and what is needed to judge an answer to it.

    ``id`` names the task; groups are made by id, never by prompt text, so that two tasks
    that happen to read alike stay apart. ``columns`` carries every further field of the data
    (choices, schema, gold tool calls, images...) to the rewards. ``link`` names the question
    of which this task is one view (linked groups share it).
    """

    id: str
    prompt: str | Sequence[Message]
    answer: Any = None
    columns: Mapping[str, Any] = field(default_factory=dict)
    link: str | None = None

    @property
    def text(self) -> str:
        """The prompt as plain text; chat messages are joined one per line, images are <image>."""
        if isinstance(self.prompt, str):
            return self.prompt
        return "\n".join(f"{m['role']}: {_said(m['content'])}" for m in self.prompt)


def _said(content: Any) -> Any:
    """A message's text, where its content is a list of parts."""
    if not isinstance(content, list | tuple):
        return content
    return " ".join(str(part.get("text", f"<{part.get('type')}>")) for part in content)


@dataclass(frozen=True)
class Progress:
    """Where the run stands: ``step`` counts from 0 up to ``total - 1``."""

    step: int = 0
    total: int = 1

    @property
    def fraction(self) -> float:
        """Share of the run that is done, in [0, 1)."""
        return self.step / max(self.total, 1)


@dataclass(frozen=True)
class Rollouts:
    """N completions of B tasks. Prompts are stored once per group.

    Attributes:
        tasks: the B tasks, one per group.
        group: long[N], the row's index into ``tasks``.
        prompts: B one-dimensional long tensors, the prompt's token ids (empty for policies
            that read states rather than text).
        ids: long[N, T], the actions: token ids, right-padded. Tool and environment text is
            included, with ``mask`` False.
        mask: bool[N, T], True where the policy acted.
        lengths: long[N], how many positions of a row are real (acted or observed).
        logps: float[N, T], log-probability of the action when it was sampled, at the
            sampling temperature and before top-p/top-k truncation; 0 where ``mask`` is False.
        texts: N decoded completions (whole episodes for multi-turn rollouts).
        finished: bool[N], True where the completion ended by itself; False = truncated.
        turn: long[N, T], the turn a position belongs to, or None for single-turn rollouts.
        states: per row, per turn, the environment's hashable state before the action.
        turn_rewards: float[N, K], environment reward of each turn (0 beyond the last).
        old_logps: the trainer's own log-probs at sampling time when another engine sampled;
            None means ``logps`` serves.
        reference_logps: float[N, T] under the reference policy, once computed.
        values: float[N, T], value estimates at sampling time, once computed.
        returns: float[N, T], the value head's targets, once computed.
        temperature: what ``logps`` are taken at, and what a policy's own log-probs of these
            rollouts are to be taken at.
        inputs: what a model reads beside each of the B prompts, by name (pixels, grids, token
            types; see `guerdon.models.prompts`); None where no prompt shows an image.
    """

    tasks: tuple[Task, ...]
    group: Tensor
    prompts: tuple[Tensor, ...]
    ids: Tensor
    mask: Tensor
    lengths: Tensor
    logps: Tensor
    texts: tuple[str, ...]
    finished: Tensor
    turn: Tensor | None = None
    states: tuple[tuple[Hashable, ...], ...] | None = None
    turn_rewards: Tensor | None = None
    old_logps: Tensor | None = None
    reference_logps: Tensor | None = None
    values: Tensor | None = None
    returns: Tensor | None = None
    temperature: float = 1.0
    inputs: tuple[Mapping[str, Tensor], ...] | None = None

    def __post_init__(self) -> None:
        n = self.ids.shape[0]
        for name in ("group", "mask", "lengths", "logps", "finished"):
            rows = getattr(self, name).shape[0]
            if rows != n:
                raise ValueError(f"Rollouts.{name} has {rows} rows but ids has {n}")
        if len(self.texts) != n:
            raise ValueError(f"Rollouts.texts has {len(self.texts)} entries but ids has {n} rows")
        for name in ("prompts", "inputs"):
            held = getattr(self, name)
            if held is not None and len(held) != len(self.tasks):
                raise ValueError(
                    f"Rollouts.{name} has {len(held)} entries for {len(self.tasks)} tasks"
                )

    def __len__(self) -> int:
        return int(self.ids.shape[0])

    @property
    def behaviour_logps(self) -> Tensor:
        """float[N, T]: what an importance ratio divides by (``old_logps`` if recomputed)."""
        return self.logps if self.old_logps is None else self.old_logps

    def task_of(self, row: int) -> Task:
        """The task that row ``row`` answers."""
        return self.tasks[int(self.group[row])]

    def answers(self) -> list[Any]:
        """N reference answers, one per row."""
        return [self.tasks[g].answer for g in self.group.tolist()]

    def column(self, name: str, default: Any = None) -> list[Any]:
        """N values of a task column, ``default`` where a task lacks it."""
        return [self.tasks[g].columns.get(name, default) for g in self.group.tolist()]

    def select(self, rows: Tensor) -> Rollouts:
        """The rows named by a bool[N] mask or a long tensor of indices, in that order.

        Groups left without a row are dropped and ``group`` renumbered; positions beyond the
        longest kept row are trimmed.
        """
        index = rows.nonzero().flatten() if rows.dtype == torch.bool else rows
        index = index.to("cpu")
        kept, group = torch.unique(self.group[index], return_inverse=True)
        width = int(self.lengths[index].max()) if len(index) else 0
        picked = index.tolist()
        changes: dict[str, Any] = {
            "tasks": tuple(self.tasks[g] for g in kept.tolist()),
            "prompts": tuple(self.prompts[g] for g in kept.tolist()),
            "group": group,
            "texts": tuple(self.texts[i] for i in picked),
            "lengths": self.lengths[index],
            "finished": self.finished[index],
        }
        if self.inputs is not None:
            inputs = tuple(self.inputs[g] for g in kept.tolist())
            changes["inputs"] = inputs if any(inputs) else None
        if self.states is not None:
            changes["states"] = tuple(self.states[i] for i in picked)
        if self.turn_rewards is not None:
            changes["turn_rewards"] = self.turn_rewards[index]
        for name in _POSITIONAL:
            value = getattr(self, name)
            if value is not None:
                changes[name] = value[index, :width]
        return replace(self, **changes)


_POSITIONAL = (
    "ids",
    "mask",
    "logps",
    "turn",
    "old_logps",
    "reference_logps",
    "values",
    "returns",
)


def concat_rollouts(batches: Sequence[Rollouts]) -> Rollouts:
    """One ``Rollouts`` of all rows; positions right-padded with 0 / False to the widest.

    Groups stay apart even when two batches hold the same task id: they were sampled at
    different times. An optional field must be set in all batches or in none, but for ``inputs``:
    prompts with images may stand beside others.
    """
    if not batches:
        raise ValueError("concat_rollouts needs at least one batch")
    if len({b.temperature for b in batches}) > 1:
        raise ValueError("cannot join rollouts sampled at different temperatures")
    width = max(b.ids.shape[1] for b in batches)
    offsets = [sum(len(b.tasks) for b in batches[:i]) for i in range(len(batches))]
    changes: dict[str, Any] = {
        "tasks": tuple(t for b in batches for t in b.tasks),
        "prompts": tuple(p for b in batches for p in b.prompts),
        "group": torch.cat([b.group + o for b, o in zip(batches, offsets, strict=True)]),
        "texts": tuple(t for b in batches for t in b.texts),
        "lengths": torch.cat([b.lengths for b in batches]),
        "finished": torch.cat([b.finished for b in batches]),
    }
    for name in (*_POSITIONAL, "turn_rewards"):
        values = _all_or_none(batches, name)
        if values is not None:
            columns = width if name in _POSITIONAL else max(v.shape[1] for v in values)
            changes[name] = torch.cat(
                [torch.nn.functional.pad(v, (0, columns - v.shape[1])) for v in values]
            )
    if any(b.inputs for b in batches):
        changes["inputs"] = tuple(i for b in batches for i in b.inputs or [{}] * len(b.tasks))
    states = _all_or_none(batches, "states")
    if states is not None:
        changes["states"] = tuple(s for rows in states for s in rows)
    return replace(batches[0], **changes)


def _all_or_none(batches: Sequence[Rollouts], name: str) -> list[Any] | None:
    values = [getattr(b, name) for b in batches]
    missing = [v is None for v in values]
    if all(missing):
        return None
    if any(missing):
        raise ValueError(f"cannot join rollouts: {name} is set in some batches and not in others")
    return values


INVALID = float("nan")
"""What ``value`` and ``parts`` hold in invalid rows: loud if anybody uses it by mistake."""


@dataclass(frozen=True)
class Scores:
    """A judgement of N completions.

    A crashed, timed-out or ungradable row is *invalid*: ``valid`` False, a reason given,
    ``value`` NaN. It is left out of group statistics and of the loss, counted and shown. A
    wrong or unparsable answer is a valid 0 (or penalty), by the reward's own rule. A row
    whose value is not finite is made invalid here, so no NaN passes as a score.

    Attributes:
        value: float[N], the total.
        parts: named float[N] components, kept for the logs.
        valid: bool[N].
        reasons: N entries, None where valid.
        placed: float[N, T] rewards at positions (tokens, turn ends) that sum to ``value``
            over T, or None when the whole value falls on the completion's end.
        errors: N entries, set where a row is invalid because its judge raised, ran out of time
            or lost its process: exception, file and line, then maybe a traceback.
    """

    value: Tensor
    parts: Mapping[str, Tensor] = field(default_factory=dict)
    valid: Tensor = None  # type: ignore[assignment]  # filled in __post_init__
    reasons: tuple[str | None, ...] = ()
    placed: Tensor | None = None
    errors: tuple[str | None, ...] = ()

    def __post_init__(self) -> None:
        value = self.value.float()
        n = value.shape[0]
        valid = torch.ones(n, dtype=torch.bool) if self.valid is None else self.valid.bool()
        reasons: list[str | None] = list(self.reasons) if self.reasons else [None] * n
        errors: list[str | None] = list(self.errors) if self.errors else [None] * n
        if valid.shape[0] != n or len(reasons) != n or len(errors) != n:
            sizes = f"{valid.shape[0]} valid flags, {len(reasons)} reasons and {len(errors)} errors"
            raise ValueError(f"Scores: {n} values, {sizes}")
        for row in (valid & ~torch.isfinite(value)).nonzero().flatten().tolist():
            reasons[row] = f"score is not finite ({value[row].item()})"
        valid = valid & torch.isfinite(value)
        for row in (~valid).nonzero().flatten().tolist():
            reasons[row] = reasons[row] or "invalid, no reason given"
        reasons = [None if ok else r for ok, r in zip(valid.tolist(), reasons, strict=True)]
        errors = [None if ok else e for ok, e in zip(valid.tolist(), errors, strict=True)]
        for name, part in self.parts.items():
            if part.shape != value.shape:
                raise ValueError(f"Scores part {name!r} has shape {tuple(part.shape)}, not ({n},)")
        object.__setattr__(self, "value", value.masked_fill(~valid, INVALID))
        object.__setattr__(self, "valid", valid)
        object.__setattr__(self, "reasons", tuple(reasons))
        object.__setattr__(self, "errors", tuple(errors))
        object.__setattr__(self, "parts", {k: v.float() for k, v in self.parts.items()})

    def __len__(self) -> int:
        return int(self.value.shape[0])

    def select(self, rows: Tensor) -> Scores:
        """The rows named by a bool[N] mask or a long tensor of indices, in that order."""
        index = rows.nonzero().flatten() if rows.dtype == torch.bool else rows
        return Scores(
            value=self.value[index],
            parts={k: v[index] for k, v in self.parts.items()},
            valid=self.valid[index],
            reasons=tuple(self.reasons[i] for i in index.tolist()),
            placed=None if self.placed is None else self.placed[index],
            errors=tuple(self.errors[i] for i in index.tolist()),
        )

    def at_positions(self, mask: Tensor) -> Tensor:
        """float[N, T]: ``placed``, or the value on a row's last acted position of ``mask``.

        0 on invalid rows, on rows that never acted and have no placement, and where a placed
        reward is missing (NaN); an infinite one is the largest number.
        """
        valid_N1 = self.valid[:, None]
        if self.placed is not None:
            return torch.where(valid_N1, self.placed, 0.0).nan_to_num(0.0)
        acted_after_NT = mask.flip(1).cumsum(1).flip(1)
        return torch.where(valid_N1 & mask & (acted_after_NT == 1), self.value[:, None], 0.0)

    def map(self, change: Callable[[Tensor], Tensor]) -> Scores:
        """The same judgement with ``value`` passed through ``change``; parts stay.

        For scores without placement only: a placed reward needs a rule for every position.
        """
        if self.placed is not None:
            raise ValueError("this shaper changes totals, but the scores are placed at positions")
        return replace(self, value=change(self.value))


def concat_scores(batches: Sequence[Scores]) -> Scores:
    """One ``Scores`` of all rows. Parts missing from a batch are NaN there.

    One without a valid row may lack ``placed`` where others have it.
    """
    if not batches:
        raise ValueError("concat_scores needs at least one batch")
    names = list(dict.fromkeys(name for b in batches for name in b.parts))
    known = [b.placed for b in batches if b.placed is not None or bool(b.valid.any())]
    if 0 < sum(p is None for p in known) < len(known):
        raise ValueError("cannot join scores: placed is set in some batches and not in others")
    placed = [torch.zeros(len(b), 0) if b.placed is None else b.placed for b in batches]
    width = max(p.shape[1] for p in placed)
    padded = [torch.nn.functional.pad(p, (0, width - p.shape[1])) for p in placed]
    return Scores(
        value=torch.cat([b.value for b in batches]),
        parts={
            name: torch.cat([b.parts.get(name, torch.full_like(b.value, INVALID)) for b in batches])
            for name in names
        },
        valid=torch.cat([b.valid for b in batches]),
        reasons=tuple(r for b in batches for r in b.reasons),
        placed=torch.cat(padded) if any(b.placed is not None for b in batches) else None,
        errors=tuple(e for b in batches for e in b.errors),
    )


@dataclass(frozen=True)
class PolicyOutput:
    """What the policy says now about rollouts it (or an engine) made: with gradient.

    ``logps`` float[N, T]; ``entropy`` float[N, T], ``values`` float[N, T] and ``largest``
    float[N, T, K], the log-probs of the K likeliest tokens, descending, when asked for. Entries
    where the rollouts' mask is False are 0 and carry no gradient; ``largest`` carries none.
    """

    logps: Tensor
    entropy: Tensor | None = None
    values: Tensor | None = None
    largest: Tensor | None = None


@dataclass(frozen=True)
class Loss:
    """A scalar to minimise and named figures to log.

    Metrics are weighted sums, like the loss itself: the metrics of a batch are the sums of
    the metrics of its parts.
    """

    value: Tensor
    metrics: Mapping[str, float] = field(default_factory=dict)


__all__ = [
    "INVALID",
    "Loss",
    "Message",
    "PolicyOutput",
    "Progress",
    "Rollouts",
    "Scores",
    "Task",
    "concat_rollouts",
    "concat_scores",
]
