"""Rows judged one at a time, gathered to Scores."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import isfinite
from typing import Any

import torch
from torch import Tensor

from guerdon.parsing import (
    after_thinking,
    boxed_answer,
    hashed_answer,
    section_text,
    stated_answer,
    undecorated,
)
from guerdon.records import INVALID, Rollouts, Scores, Task


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


Gold = tuple[str, ...] | Ungradable
"""The reference answers of a row as text, at least one; or why there is none."""

NO_REFERENCE = "the task has no reference answer"


def accepted_answers(rollouts: Rollouts) -> list[Gold]:
    """Per row, what its task's answer accepts, read as answers are (`read_reference`).

    Several where it is a list. A list accepts what of it can be read.
    """
    per_task = [_gold(task.answer) for task in rollouts.tasks]
    return [per_task[group] for group in rollouts.group.tolist()]


def unread(tasks: Sequence[Task]) -> list[tuple[Task, str]]:
    """The tasks whose answer can't be read as a reference, each with the reason."""
    golds = ((task, _gold(task.answer)) for task in tasks)
    return [(task, gold.reason) for task, gold in golds if isinstance(gold, Ungradable)]


def read_reference(text: str) -> str:
    r"""The answer in a reference that says more than that: a whole solution, a sentence.

    What follows ``####``; else the ``<answer>`` section, the last box, what the text says its
    answer is; each without emphasis and ``$``. Any other text is the answer itself.
    """
    if text.isascii() and text.isalnum():  # most are
        return text
    plain = text
    if "<" in plain and (inside := section_text(after_thinking(plain), last=True)) is not None:
        plain = inside
    for read in (hashed_answer, boxed_answer, stated_answer):
        found = read(plain)
        if found:
            return undecorated(found)
    return undecorated(plain)


def answer_texts(answer: Any) -> tuple[list[str], str]:
    """An answer, or each of a list of answers, as text; and why some have none ("" = all have).

    Numbers, and scalars and arrays of other libraries, count as texts. A mapping, bytes, and a
    float that is no number can't be read.
    """
    if hasattr(answer, "tolist") and not isinstance(answer, str):
        answer = answer.tolist()
    several = answer if isinstance(answer, list | tuple | set | frozenset) else [answer]
    texts, refused = [], ""
    for one in several:
        if isinstance(one, Mapping | bytes) or (isinstance(one, float) and not isfinite(one)):
            told = "a dict" if isinstance(one, Mapping) else repr(one)[:40]
            refused = f"the reference is {told}; give a text, a number, or a list of these"
        elif one is not None and (text := str(one).strip()):
            texts.append(text)
    return texts, refused


def _gold(answer: Any) -> Gold:
    texts, refused = answer_texts(answer)
    read = dict.fromkeys(filter(None, map(read_reference, texts)))
    return tuple(read) or Ungradable(refused or NO_REFERENCE)


def encodable(text: str) -> str:
    """The text with lone surrogates, which no tokenizer takes, as question marks."""
    return text.encode("utf-8", "replace").decode("utf-8")
