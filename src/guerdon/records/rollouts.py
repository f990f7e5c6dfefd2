"""What happened: completions, episodes and chains of denoising steps, as rows of one record."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import Field, dataclass, field, fields, replace
from enum import Enum, StrEnum
from typing import Any

import torch
from torch import Tensor

from guerdon.records.tasks import Task


class Ending(StrEnum):
    """Why a row ended."""

    FINISHED = "finished"
    """By itself: the end token, or the world said that it is over."""
    STOP_STRING = "stop string"
    """By itself: it wrote a string at which completions stop."""
    TOKEN_LIMIT = "token limit"
    TURN_LIMIT = "turn limit"
    TIME_LIMIT = "time limit"
    """The world's own limit, which is no end either: what it stopped in is worth something."""
    ENVIRONMENT_ERROR = "environment error"
    """The world raised: what came of the last action is not known."""

    @property
    def by_itself(self) -> bool:
        """Whether nothing would have followed."""
        return self in (Ending.FINISHED, Ending.STOP_STRING)

    @property
    def cut(self) -> bool:
        """Whether a limit ended what would have gone on."""
        return self in (Ending.TOKEN_LIMIT, Ending.TURN_LIMIT, Ending.TIME_LIMIT)

    @staticmethod
    def of(finished: Tensor, otherwise: Ending) -> tuple[Ending, ...]:
        """N endings from bool[N]: ``FINISHED``, or ``otherwise``."""
        return tuple(Ending.FINISHED if done else otherwise for done in finished.tolist())


OWN_POLICY = "policy"
"""Who made a row that the run's own policy sampled: see `Rollouts.origin`."""


VALID = "valid"
"""The signal of a played episode that is 1 for a turn whose text named an action, 0 for others."""


class Along(Enum):
    """What a field of `Rollouts` has one entry for. It is in the field's metadata as "along"."""

    TASK = "task"
    """Each of the B tasks."""
    ROW = "row"
    """Each of the N rows."""
    POSITION = "position"
    """Each row's T positions; cut to the longest row that is selected."""
    TURN = "turn"
    """Each row's K turns."""
    AROUND_TURNS = "turn + 1"
    """Before each of a row's K turns, and after its last."""


_TASK, _ROW, _POSITION, _TURN, _AROUND_TURNS = ({"along": along} for along in Along)


@dataclass(frozen=True)
class Rollouts:
    """N rows in B groups, one group per task: whatever was done, and what was seen of it.

    The fields' metadata says what each runs along (`Along`); `select` and `concat_rollouts` go by
    it, so a field that is added is kept by both.

    Attributes:
        tasks: the B tasks, one per group.
        group: long[N], the row's index into ``tasks``.
        prompts: B one-dimensional long tensors, the prompt's token ids (empty for policies
            that read states rather than text).
        mask: bool[N, T], True where the policy acted.
        lengths: long[N], how many positions of a row are real (acted or observed).
        logps: float[N, T], log-probability of the action when it was sampled, at the
            sampling temperature and before top-p/top-k truncation; 0 where ``mask`` is False, NaN
            where the policy acted and nobody knows it: somebody else made the row. Objectives with
            a ratio to the sampler refuse such rows.
        ids: long[N, T], what was chosen: token ids or numbered actions, right-padded. Tool and
            environment text is included, with ``mask`` False. Without columns, long[N, 0], where
            nothing was chosen by number: see ``actions``.
        actions: float[N, T, D], what was chosen where a choice is D numbers, or None.
        texts: N decoded completions (whole episodes for multi-turn rollouts), or () where rows
            are no texts.
        captions: N descriptions of rows for whoever looks at a run, where texts do not tell.
        endings: why each of the N rows ended; () means that all ended by themselves.
        origin: who made each of the N rows, such as "policy" (`OWN_POLICY`), "replay" or a
            teacher's name; None means the run's own policy made all.
        turn: long[N, T], the turn a position belongs to, or None for single-turn rollouts.
        states: per row, per turn, the environment's hashable state before the action.
        observations: [N, K + 1, ...], what stood before each turn, and after a row's last one.
        turn_rewards: float[N, K], environment reward of each turn (0 beyond the last).
        signals: float[N, K] by name: terms of the reward, costs; NaN where unknown.
        final_values: float[N], what the state is worth that a row was cut off in, NaN where
            nobody knows. None: every cut counts as an end.
        unread: N rows' token ids that came after a row's last position, and that nobody read: what
            a world said last where a limit ended the episode. None where nothing did.
        old_logps: the trainer's own log-probs at sampling time when another engine sampled;
            None means ``logps`` serves.
        reference_logps: float[N, T] under the reference policy, once computed.
        values: float[N, T], value estimates at sampling time, once computed.
        returns: float[N, T], the value head's targets, once computed.
        entropy: float[N, T], the policy's at sampling time, where a part needs it.
        largest: float[N, T, L], the log-probs of its L likeliest tokens then, descending, where a
            part needs them.
        temperature: what ``logps`` are taken at, and what a policy's own log-probs of these
            rollouts are to be taken at.
        inputs: what a model reads beside each of the B prompts, by name (pixels, grids, token
            types; see `guerdon.models.prompts`); None where no prompt shows an image.
    """

    tasks: tuple[Task, ...] = field(metadata=_TASK)
    group: Tensor = field(metadata=_ROW)
    prompts: tuple[Tensor, ...] = field(metadata=_TASK)
    mask: Tensor = field(metadata=_POSITION)
    lengths: Tensor = field(metadata=_ROW)
    logps: Tensor = field(metadata=_POSITION)
    ids: Tensor = field(default=None, metadata=_POSITION)  # type: ignore[assignment]
    texts: tuple[str, ...] = field(default=(), metadata=_ROW)
    endings: tuple[Ending, ...] = field(default=(), metadata=_ROW)
    actions: Tensor | None = field(default=None, metadata=_POSITION)
    captions: tuple[str, ...] | None = field(default=None, metadata=_ROW)
    origin: tuple[str, ...] | None = field(default=None, metadata=_ROW)
    turn: Tensor | None = field(default=None, metadata=_POSITION)
    states: tuple[tuple[Hashable, ...], ...] | None = field(default=None, metadata=_ROW)
    observations: Tensor | None = field(default=None, metadata=_AROUND_TURNS)
    turn_rewards: Tensor | None = field(default=None, metadata=_TURN)
    signals: Mapping[str, Tensor] = field(default_factory=dict, metadata=_TURN)
    final_values: Tensor | None = field(default=None, metadata=_ROW)
    unread: tuple[Tensor, ...] | None = field(default=None, metadata=_ROW)
    old_logps: Tensor | None = field(default=None, metadata=_POSITION)
    reference_logps: Tensor | None = field(default=None, metadata=_POSITION)
    values: Tensor | None = field(default=None, metadata=_POSITION)
    returns: Tensor | None = field(default=None, metadata=_POSITION)
    entropy: Tensor | None = field(default=None, metadata=_POSITION)
    largest: Tensor | None = field(default=None, metadata=_POSITION)
    temperature: float = 1.0
    inputs: tuple[Mapping[str, Tensor], ...] | None = field(default=None, metadata=_TASK)

    def __post_init__(self) -> None:
        n = self.mask.shape[0]
        if self.ids is None:
            object.__setattr__(self, "ids", torch.zeros(n, 0, dtype=torch.long))
        if not self.endings:
            object.__setattr__(self, "endings", (Ending.FINISHED,) * n)
        for f in _along_something(self):
            tasks = f.metadata["along"] is Along.TASK
            wanted, of = (len(self.tasks), "tasks") if tasks else (n, "rows of the mask")
            for name, value in _held(self, f):
                if len(value) != wanted and not (f.name == "texts" and not value):
                    raise ValueError(f"Rollouts.{name} has {len(value)} entries for {wanted} {of}")

    def __len__(self) -> int:
        return int(self.mask.shape[0])

    @property
    def finished(self) -> Tensor:
        """bool[N], True where the row ended by itself, and no limit or error ended it."""
        return torch.tensor([e.by_itself for e in self.endings], dtype=torch.bool)

    @property
    def value_after(self) -> Tensor:
        """float[N]: what comes after a row's last action: ``final_values`` where it was cut off.

        0 where it ended by itself, where the world failed, and where nobody knows.
        """
        if self.final_values is None:
            return torch.zeros(len(self))
        cut_N = torch.tensor([e.cut for e in self.endings], dtype=torch.bool)
        return torch.where(cut_N, self.final_values, 0.0).nan_to_num(0.0, 0.0, 0.0)

    @property
    def outcome(self) -> Tensor | None:
        """[N, ...], what each row ended in: the observation after its last turn, if there are."""
        if self.observations is None:
            return None
        turns_N = torch.full((len(self),), self.observations.shape[1] - 1)
        if self.turn is not None:
            real_NT = torch.arange(self.turn.shape[1]) < self.lengths[:, None]
            last_NT = torch.where(real_NT, self.turn, -1)
            turns_N = torch.nn.functional.pad(last_NT, (1, 0), value=-1).amax(1) + 1
        return self.observations[torch.arange(len(self)), turns_N]

    @property
    def shown(self) -> tuple[str, ...]:
        """N texts for whoever looks at a run: the rows' own, else their captions, else empty."""
        return self.texts or self.captions or ("",) * len(self)

    @property
    def makers(self) -> tuple[str, ...]:
        """Who made each of the N rows."""
        return self.origin or (OWN_POLICY,) * len(self)

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
        changes: dict[str, Any] = {}
        for f in _along_something(self):
            along = f.metadata["along"]
            entries = kept if along is Along.TASK else index
            columns = width if along is Along.POSITION else None
            changes[f.name] = _picked(getattr(self, f.name), entries, columns)
        inputs = changes["inputs"]
        changes |= {"group": group, "inputs": inputs if inputs and any(inputs) else None}
        return replace(self, **changes)

    def arranged(self, place_B: Tensor) -> Rollouts:
        """The same groups in the order of long[B], and the rows by group, as ``row_order`` says."""
        order_B = torch.argsort(place_B, stable=True)
        rows = self.row_order(place_B)
        changes = {
            f.name: _picked(
                getattr(self, f.name),
                order_B if f.metadata["along"] is Along.TASK else rows,
                None,
            )
            for f in _along_something(self)
        }
        return replace(self, **{**changes, "group": torch.argsort(order_B)[self.group[rows]]})

    def row_order(self, place_B: Tensor) -> Tensor:
        """long[N]: the rows ordered by the place of their group, and as they were within it."""
        return torch.argsort(place_B[self.group], stable=True)

    def positions(self, first: int, end: int) -> Rollouts:
        """The same rows with the positions from ``first`` up to ``end`` alone.

        For a policy whose positions don't hang together: ``turn`` still tells which turn each is,
        and what runs along turns (observations, signals) is whole. ``lengths`` count what is left.
        """
        changes: dict[str, Any] = {
            f.name: value[:, first:end]
            for f in _along_something(self)
            if f.metadata["along"] is Along.POSITION
            and (value := getattr(self, f.name)) is not None
        }
        return replace(self, **changes, lengths=(self.lengths - first).clamp(0, end - first))


def _along_something(rollouts: Rollouts) -> list[Field[Any]]:
    return [f for f in fields(rollouts) if "along" in f.metadata]


def _held(rollouts: Rollouts, f: Field[Any]) -> list[tuple[str, Any]]:
    """What is in a field, by name: nothing, one thing, or the things of a mapping."""
    value = getattr(rollouts, f.name)
    if isinstance(value, Mapping):
        return [(f"{f.name}[{name!r}]", one) for name, one in value.items()]
    return [] if value is None else [(f.name, value)]


def _picked(value: Any, entries: Tensor, columns: int | None) -> Any:
    if value is None or (isinstance(value, tuple) and not value):
        return value
    if isinstance(value, Mapping):
        return {name: _picked(one, entries, columns) for name, one in value.items()}
    if isinstance(value, tuple):
        return tuple(value[i] for i in entries.tolist())
    return value[entries] if columns is None else value[entries, :columns]


def concat_rollouts(batches: Sequence[Rollouts]) -> Rollouts:
    """One ``Rollouts`` of all rows, right-padded to the widest: 0 / False, NaN in ``signals``.

    Groups stay apart even when two batches hold the same task id: they were sampled at
    different times. An optional field must be set in all batches or in none, but for ``inputs``
    (prompts with images may stand beside others), ``signals`` (NaN where one is missing) and
    ``origin`` (the run's own policy where it is not told).
    """
    if not batches:
        raise ValueError("concat_rollouts needs at least one batch")
    if len({b.temperature for b in batches}) > 1:
        raise ValueError("cannot join rollouts sampled at different temperatures")
    offsets = [sum(len(b.tasks) for b in batches[:i]) for i in range(len(batches))]
    changes: dict[str, Any] = {
        "group": torch.cat([b.group + o for b, o in zip(batches, offsets, strict=True)]),
    }
    if any(b.inputs for b in batches):
        changes["inputs"] = tuple(i for b in batches for i in b.inputs or [{}] * len(b.tasks))
    if any(b.origin for b in batches):
        changes["origin"] = tuple(maker for b in batches for maker in b.makers)
    for f in _along_something(batches[0]):
        if f.name in ("group", "inputs", "origin"):
            continue
        if isinstance(getattr(batches[0], f.name), Mapping):
            changes[f.name] = _joined_by_name([getattr(b, f.name) for b in batches], batches)
        elif (values := _all_or_none(batches, f.name)) is not None:
            changes[f.name] = _joined(values, 0)
    return replace(batches[0], **changes)


def _joined(values: Sequence[Any], fill: float) -> Any:
    """Tuples after each other; tensors too, with columns of ``fill`` to the widest."""
    if isinstance(values[0], tuple):
        return tuple(one for value in values for one in value)
    if values[0].dim() == 1:
        return torch.cat(list(values))
    width = max(v.shape[1] for v in values)
    wide = []
    for value in values:
        more = value.new_full((len(value), width - value.shape[1], *value.shape[2:]), fill)
        wide.append(torch.cat([value, more], 1))
    return torch.cat(wide)


def _joined_by_name(
    values: Sequence[Mapping[str, Tensor]], batches: Sequence[Rollouts]
) -> dict[str, Tensor]:
    names = dict.fromkeys(name for some in values for name in some)
    missing = [torch.zeros(len(b), 0) for b in batches]
    return {
        name: _joined(
            [some.get(name, none) for some, none in zip(values, missing, strict=True)], torch.nan
        )
        for name in names
    }


def _all_or_none(batches: Sequence[Rollouts], name: str) -> list[Any] | None:
    """What each batch holds; an error where some hold nothing for the rows they have."""
    values = [getattr(b, name) for b in batches]
    missing = [
        value is None or (isinstance(value, tuple) and not value and len(batch) > 0)
        for value, batch in zip(values, batches, strict=True)
    ]
    if all(missing):
        return None
    if any(missing):
        raise ValueError(f"cannot join rollouts: {name} is set in some batches and not in others")
    return values
