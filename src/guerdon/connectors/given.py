"""What another trainer gives of a completion, as rollouts that refuse what it did not give."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any

import torch
from torch import Tensor

from guerdon.failures import NotGiven
from guerdon.records import Rollouts, Task


@dataclass(frozen=True)
class Given:
    """One completion. Rows with the same ``group`` form a group.

    ``tokens`` is the number of tokens, ``ids`` what they are, where the trainer tells.
    ``refused`` is a reason why the row can't be judged at all.
    """

    completion: str
    prompt: Any = ""
    answer: Any = None
    columns: Mapping[str, Any] = field(default_factory=dict)
    group: Hashable = None
    tokens: int | None = None
    ids: Sequence[int] | None = None
    refused: str | None = None


@dataclass(frozen=True, repr=False, eq=False)
class GivenRollouts(Rollouts):
    """Rollouts of which only a part is known; reading the rest is an error and not a zero."""

    source: str = ""
    unknown: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "_guarded", frozenset(self.unknown))

    def __len__(self) -> int:
        return len(self.texts)

    def __getattribute__(self, name: str) -> Any:
        read = super().__getattribute__
        if name in read("__dict__").get("_guarded", ()):
            raise NotGiven(
                f"the reward or shaper reads {name!r} of the rollouts, which {read('source')} "
                "does not give; use a part that reads texts, or train with guerdon itself"
            )
        return read(name)

    def select(self, rows: Tensor) -> GivenRollouts:
        known = {f.name: self.__dict__[f.name] for f in fields(Rollouts)}
        some = Rollouts(**known).select(rows)
        kept = {name: getattr(some, name) for name in known}
        return GivenRollouts(**kept, source=self.source, unknown=self.unknown)


def rollouts_of(rows: Sequence[Given], source: str, grouped: bool) -> GivenRollouts:
    """Rollouts with one task a group (a row, unless ``grouped``), in the order of the rows.

    A group's columns are its first row's. The task id is the column ``task_id`` or ``id`` if
    there is one. Log-probs are never known; token counts and ids where every row has them.
    ``source`` names the trainer in errors. Raises NotGiven where a row has no group, or a
    group's rows have different prompts or answers: they are not answers to one question.
    """
    keys = [row.group if grouped else number for number, row in enumerate(rows)]
    if None in keys:
        raise NotGiven(f"row {keys.index(None)} from {source} has no group, but groups are scored")
    order: dict[Hashable, int] = {}
    first: dict[Hashable, Given] = {}
    for key, row in zip(keys, rows, strict=True):
        order.setdefault(key, len(order))
        if _question(first.setdefault(key, row)) != _question(row):
            raise NotGiven(
                f"{source} gave rows of group {key!r} with different prompts or answers; a group "
                "is the completions of one prompt, and all of them must come in one call"
            )
    counts = [_count(row) for row in rows]
    unknown = ["logps", "endings", "finished"]
    if any(row.ids is None for row in rows):
        unknown.append("ids")
    if any(count is None for count in counts):
        unknown += ["mask", "lengths"]
    lengths_N = torch.tensor([1 if count is None else count for count in counts], dtype=torch.long)
    mask_NT = torch.arange(int(lengths_N.max()) if rows else 0) < lengths_N[:, None]
    # What isn't known takes no memory: one zero, seen at every place.
    ids_NT = torch.zeros((), dtype=torch.long).expand(mask_NT.shape)
    if "ids" not in unknown:
        ids_NT = ids_NT.clone()
        for number, (row, length) in enumerate(zip(rows, lengths_N.tolist(), strict=True)):
            ids_NT[number, :length] = torch.as_tensor(row.ids, dtype=torch.long)
    return GivenRollouts(
        tasks=tuple(_task(first[key], number) for key, number in order.items()),
        group=torch.tensor([order[key] for key in keys], dtype=torch.long),
        prompts=tuple(torch.zeros(0, dtype=torch.long) for _ in order),
        ids=ids_NT,
        mask=mask_NT,
        lengths=lengths_N,
        logps=torch.zeros(()).expand(mask_NT.shape),
        texts=tuple(row.completion for row in rows),
        source=source,
        unknown=tuple(unknown),
    )


def _count(row: Given) -> int | None:
    return row.tokens if row.ids is None else len(row.ids)


def _task(row: Given, number: int) -> Task:
    name = row.columns.get("task_id", row.columns.get("id"))
    return Task(
        id=f"row-{number}" if name is None else str(name),
        prompt=row.prompt if isinstance(row.prompt, str) else list(row.prompt),
        answer=row.answer,
        columns={k: v for k, v in row.columns.items() if k not in ("task_id", "id")},
    )


def _question(row: Given) -> tuple[str, str]:
    """What must be the same in a group. Images are left out: they needn't compare as equal."""
    prompt = row.prompt
    said = prompt if isinstance(prompt, str) else repr([_message(one) for one in prompt])
    return said, repr(row.answer)


def _message(message: Any) -> tuple[str, str]:
    return role_of(message), text_of(message)


def text_of(completion: Any) -> str:
    """The text of a completion that is a string, one chat message, or a list of them.

    Of a list, what the assistant wrote, joined by newlines; tool and user turns are left out.
    Of a message whose content is a list of parts, the text parts.
    """
    if isinstance(completion, str):
        return completion
    if isinstance(completion, Mapping):
        return _content(completion.get("content"))
    if hasattr(completion, "content"):
        return _content(completion.content)
    return "\n".join(text_of(one) for one in completion if role_of(one) == "assistant")


def role_of(message: Any) -> str:
    """Who wrote a message, given as a mapping or an object; the assistant where it is not said."""
    read = message.get if isinstance(message, Mapping) else lambda n, d: getattr(message, n, d)
    return str(read("role", "assistant"))


def _content(content: Any) -> str:
    if content is None or isinstance(content, str):
        return content or ""
    return "".join(part.get("text", "") for part in content if isinstance(part, Mapping))


def in_blocks(rows: int, size: int, source: str) -> list[int]:
    """The group of each row where groups are ``size`` rows in a row.

    Raises ValueError where rows are left over: the trainer splits groups over processes.
    """
    if rows % size:
        raise NotGiven(
            f"{rows} rows are not whole groups of {size}: make the number of rows that one "
            f"{source} process scores a multiple of the group size, in training and evaluation"
        )
    return [row // size for row in range(rows)]
