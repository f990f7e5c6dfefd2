"""Rows judged one at a time, gathered to Scores."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from guerdon.records import INVALID, Rollouts, Scores


@dataclass(frozen=True)
class Judged:
    """One row's value with its named parts, and what is said beside it (see `Scores`)."""

    value: float
    parts: Mapping[str, float] = field(default_factory=dict)
    diagnostics: Mapping[str, float] = field(default_factory=dict)
    remark: str | None = None


@dataclass(frozen=True)
class Ungradable:
    """One row that could not be judged, and why.

    ``error`` says more where the judge itself failed, as in ``Scores.errors``.
    """

    reason: str
    error: str | None = None
    diagnostics: Mapping[str, float] = field(default_factory=dict)
    remark: str | None = None


def gather(rows: Sequence[Judged | Ungradable]) -> Scores:
    """Rows to Scores. A part that a judged row lacks contributes 0 there, as a sum would."""
    names = list(
        dict.fromkeys(name for row in rows if isinstance(row, Judged) for name in row.parts)
    )
    return Scores(
        value=torch.tensor([_value(row) for row in rows], dtype=torch.float32),
        parts={name: torch.tensor([_part(row, name) for row in rows]) for name in names},
        valid=torch.tensor([isinstance(row, Judged) for row in rows], dtype=torch.bool),
        reasons=tuple(row.reason if isinstance(row, Ungradable) else None for row in rows),
        errors=tuple(row.error if isinstance(row, Ungradable) else None for row in rows),
        diagnostics=_diagnostics(rows),
        remarks=tuple(row.remark for row in rows),
    )


def _diagnostics(rows: Sequence[Judged | Ungradable]) -> dict[str, Tensor]:
    names = dict.fromkeys(name for row in rows for name in row.diagnostics)
    return {
        name: torch.tensor([row.diagnostics.get(name, INVALID) for row in rows]) for name in names
    }


def refuse_ungradable(reasons: Sequence[str]) -> None:
    """Raise ValueError with the first reasons why tasks can't be graded, if there are any."""
    if reasons:
        more = f"; and {len(reasons) - 5} tasks more" if len(reasons) > 5 else ""
        raise ValueError("; ".join(reasons[:5]) + more)


def _value(row: Judged | Ungradable) -> float:
    return row.value if isinstance(row, Judged) else INVALID


def _part(row: Judged | Ungradable, name: str) -> float:
    return row.parts.get(name, 0.0) if isinstance(row, Judged) else INVALID


def single(name: str, value_N: Tensor) -> Scores:
    """Valid scores float[N] whose only part is the whole."""
    return Scores(value=value_N.float(), parts={name: value_N.float()})


def accepted_answers(rollouts: Rollouts) -> list[tuple[str, ...]]:
    """Per row, the reference answers as text: several where the task's answer is a list."""
    per_task = [_as_texts(task.answer) for task in rollouts.tasks]
    return [per_task[group] for group in rollouts.group.tolist()]


def _as_texts(answer: Any) -> tuple[str, ...]:
    if answer is None:
        return ()
    several = answer if isinstance(answer, list | tuple | set | frozenset) else [answer]
    texts = tuple(str(one).strip() for one in several if one is not None)
    return tuple(text for text in texts if text)


def encodable(text: str) -> str:
    """The text with lone surrogates, which no tokenizer takes, as question marks."""
    return text.encode("utf-8", "replace").decode("utf-8")
