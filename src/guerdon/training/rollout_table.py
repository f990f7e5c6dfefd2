"""Every completion of a step as a table: the same columns, of the same types, in every step.

A run's ``rollouts`` folder is so one data set for whatever reads Parquet. The parts of a reward
are columns ``part:NAME``, and which there are is settled by the run's first step. A part that a
later step lacks is null there; one that comes up later has no column, and is in the list
``more_parts`` of (name, value) pairs, which every file has. Diagnostics are such a list too.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, Any

import pyarrow
import pyarrow.parquet
import torch
from torch import Tensor

from guerdon.records import Rollouts, Scores

PART = "part:"
MOST_NUMBERS = 16
"""An outcome of more is no column: pictures are not kept in tables."""
MORE = "more_parts"


def rollout_schema(parts: Sequence[str]) -> pyarrow.Schema:
    """The columns of every file of a run whose first step had these parts."""
    whole, real, text = pyarrow.int64(), pyarrow.float64(), pyarrow.string()
    pair = pyarrow.struct([("name", text), ("value", real)])
    columns = {
        "step": whole,
        "group": whole,
        "member": whole,
        "task": text,
        "prompt": text,
        "completion": text,
        "answer": text,
        "value": real,
        "shaped_value": real,
        **{PART + name: real for name in dict.fromkeys(map(storable, parts))},
        MORE: pyarrow.list_(pair),
        "valid": pyarrow.bool_(),
        "reason": text,
        "remark": text,
        "diagnostics": pyarrow.list_(pair),
        "advantage": real,
        "logp": real,
        "length": whole,
        "finished": pyarrow.bool_(),
        "chosen": pyarrow.bool_(),
        "origin": text,
        "probe": pyarrow.bool_(),
        "ending": text,
        "outcome": pyarrow.list_(real),
        "token": pyarrow.list_(text),
        "token_advantage": pyarrow.list_(real),
        "token_logp": pyarrow.list_(real),
    }
    return pyarrow.schema(list(columns.items()))


def schema_of_run(folder: Path) -> pyarrow.Schema | None:
    """That of the run's first readable file; None where there is none, or it is older than this."""
    for file in sorted(folder.glob("step-*.parquet")):
        try:
            found = pyarrow.parquet.read_schema(file)
        except (pyarrow.ArrowException, OSError):
            continue
        names = [n.removeprefix(PART) for n in found.names if n.startswith(PART)]
        expected = rollout_schema(names)
        return expected if found.remove_metadata().equals(expected) else None
    return None


def rollout_table(
    schema: pyarrow.Schema,
    step: int,
    rollouts: Rollouts,
    scores: Scores,
    advantage_NT: Tensor,
    shaped: Scores | None,
    token_texts: Sequence[Sequence[str]],
    chosen: Tensor | None = None,
    first_group: int = 0,
) -> pyarrow.Table:
    """A step's completions, a row each; see `RunFolder.log_rollouts`.

    ``chosen`` is false in rows that a selection left out, and in those of probes; ``origin`` is who
    made a row. Groups are numbered from ``first_group``.
    """
    lengths = rollouts.lengths.tolist()
    group = rollouts.group.tolist()
    acted_N = rollouts.mask.sum(1).clamp(min=1)
    parts = {storable(name): part.tolist() for name, part in scores.parts.items()}
    kept = [n.removeprefix(PART) for n in schema.names if n.startswith(PART)]
    none = [None] * len(rollouts)
    rows = torch.arange(len(rollouts)) if chosen is None else chosen
    later = {name: part for name, part in scores.parts.items() if storable(name) not in kept}
    columns: dict[str, list[Any]] = {
        "step": [step] * len(rollouts),
        "group": [first_group + g for g in group],
        "member": _members(group),
        "task": [storable(rollouts.tasks[g].id) for g in group],
        "prompt": [storable(rollouts.tasks[g].text) for g in group],
        "completion": [storable(text) for text in rollouts.shown],
        "answer": [storable(str(rollouts.tasks[g].answer)) for g in group],
        "value": scores.value.tolist(),
        "shaped_value": none if shaped is None else shaped.value.tolist(),
        **{PART + name: parts.get(name, none) for name in kept},
        MORE: _pairs(later, len(rollouts)),
        "valid": scores.valid.tolist(),
        "reason": [None if r is None else storable(r) for r in scores.reasons],
        "remark": [None if r is None else storable(r) for r in scores.remarks],
        "diagnostics": _pairs(scores.diagnostics, len(rollouts)),
        "advantage": ((advantage_NT * rollouts.mask).sum(1) / acted_N).tolist(),
        "logp": ((rollouts.logps * rollouts.mask).sum(1) / acted_N).tolist(),
        "length": rollouts.mask.sum(1).tolist(),
        "finished": rollouts.finished.tolist(),
        "chosen": torch.isin(torch.arange(len(rollouts)), rows).tolist(),
        "origin": [storable(maker) for maker in rollouts.makers],
        "probe": [rollouts.tasks[g].probe for g in group],
        "ending": [str(ending) for ending in rollouts.endings],
        "outcome": _outcomes(rollouts),
        "token": [[storable(t) for t in row] for row in token_texts],
        "token_advantage": [r[:n] for r, n in zip(advantage_NT.tolist(), lengths, strict=True)],
        "token_logp": [r[:n] for r, n in zip(rollouts.logps.tolist(), lengths, strict=True)],
    }
    return pyarrow.Table.from_pydict(columns, schema=schema)


Probes = tuple[Rollouts, Scores, Sequence[Sequence[str]]]
"""Rows of probes, what they earned, and each row's tokens as text."""


def with_probes(table: pyarrow.Table, step: int, probes: Probes, groups: int) -> pyarrow.Table:
    """A step's table of ``groups``, and after it its probes, a row each.

    They have no advantage and no shaped value, and are not chosen.
    """
    rollouts, scores, token_texts = probes
    nothing_NT, none = torch.zeros(rollouts.mask.shape), torch.zeros(0, dtype=torch.long)
    more = rollout_table(
        table.schema, step, rollouts, scores, nothing_NT, None, token_texts, none, groups
    )
    return pyarrow.concat_tables([table, more])


def write_table(table: pyarrow.Table, file: IO[bytes]) -> None:
    """A step's table as Parquet, with checksums of its pages.

    One without rows gets no row group, since `datasets` takes the first one's size for a step.
    """
    with pyarrow.parquet.ParquetWriter(
        file, table.schema, compression="zstd", write_page_checksum=True, store_schema=False
    ) as writer:
        if len(table):
            writer.write_table(table)


def storable(text: str) -> str:
    """``text`` with what UTF-8 can't hold (lone surrogates) replaced."""
    return text.encode("utf-8", "replace").decode("utf-8")


def _outcomes(rollouts: Rollouts) -> list[list[float] | None]:
    """What each row ended in, where that is a few numbers: the last observation."""
    seen = rollouts.outcome
    if seen is None or seen[:1].numel() > MOST_NUMBERS:
        return [None] * len(rollouts)
    numbers: list[list[float] | None] = seen.flatten(1).tolist()
    return numbers


def _pairs(named: Mapping[str, Tensor], rows: int) -> list[list[dict[str, Any]]]:
    """Per row, the named figures as a list of name and value."""
    values = [(storable(name), figure.tolist()) for name, figure in named.items()]
    return [[{"name": name, "value": v[row]} for name, v in values] for row in range(rows)]


def _members(group: Sequence[int]) -> list[int]:
    """Each row's place among the rows of its group."""
    seen: dict[int, int] = {}
    members = []
    for g in group:
        members.append(seen.get(g, 0))
        seen[g] = members[-1] + 1
    return members
