"""What every selection promises."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from guerdon.contracts.made import GROUP, made_rollouts, made_scores
from guerdon.contracts.promises import (
    calling,
    check_written_and_read_back,
    mixed_order,
    promise,
)
from guerdon.records import Chosen, Progress, Rollouts, Scores
from guerdon.stages import Selection

NOW = Progress()
APART = (1.0, 0.5, 0.0, -2.0, 0.25, 3.0, 0.75, 2.0)
"""Values no two of which are equal: of equal rows a selection may take the first."""


def check_selection(selection: Selection, parts: tuple[str, ...] = ("a", "b")) -> None:
    """Raises AssertionError where a selection breaks what every selection promises.

    It chooses rows that there are, each once; of its pairs both rows are chosen, valid and of one
    group; the same scores give the same choice, in whatever order the rows stand, and invalid rows
    change nothing of what is chosen of the others; no rows, and none that is valid, are no error;
    and it goes to a recipe's file and back. Tried on scores with ``parts``, without ties.
    """
    rollouts, scores = made_rollouts(acted=True), made_scores(APART, parts=parts)
    check_rows(selection, chosen(selection, scores, rollouts), scores, rollouts)
    check_repeats(selection, scores, rollouts)
    check_few_rows(selection, parts)
    check_written_and_read_back(selection)


def chosen(selection: Selection, scores: Scores, rollouts: Rollouts) -> Chosen:
    """What is chosen; AssertionError where it raises or gives something else."""
    with calling(selection, f"{len(scores)} rows, {int(scores.valid.sum())} of them valid"):
        made = selection(scores, rollouts, NOW)
    kind = type(made).__name__
    promise(isinstance(made, Chosen), selection, f"it returns a {kind}, no Chosen")
    return made


def check_rows(selection: Any, made: Chosen, scores: Scores, rollouts: Rollouts) -> None:
    """Rows that there are, each once; pairs of valid rows within groups."""
    rows, n = made.rows.tolist(), len(scores)
    beyond = [row for row in rows if not 0 <= row < n]
    promise(not beyond, selection, f"it chooses rows {beyond} of {n}")
    twice = sorted({row for row in rows if rows.count(row) > 1})
    promise(not twice, selection, f"it chooses rows {twice} twice")
    if made.pairs is None:
        return
    ends = torch.stack([made.pairs.chosen, made.pairs.rejected])
    strange = sorted(set(ends.flatten().tolist()) - set(range(len(rows))))
    told = f"its pairs name rows {strange} of the {len(rows)} chosen; they count the chosen rows"
    promise(not strange, selection, told)
    invalid = sorted({row for row in made.rows[ends].flatten().tolist() if not scores.valid[row]})
    promise(not invalid, selection, f"rows {invalid} of its pairs are invalid")
    group = rollouts.group[made.rows][ends]
    apart = int((group[0] != group[1]).sum())
    promise(apart == 0, selection, f"the rows of {apart} pairs belong to two groups")


def check_repeats(selection: Any, scores: Scores, rollouts: Rollouts) -> None:
    """The same choice when asked again, in another order, and without the invalid rows."""
    as_given = torch.arange(len(scores))
    first = _named(chosen(selection, scores, rollouts), as_given, scores)
    for told, order in (
        ("asked again", as_given),
        ("with the rows in another order", mixed_order(len(scores))),
        ("without the invalid rows", scores.valid.nonzero().flatten()),
    ):
        made = chosen(selection, scores.select(order), rollouts.select(order))
        promise(_named(made, order, scores) == first, selection, f"{told}, it chooses others")


def _named(made: Chosen, order: Tensor, scores: Scores) -> tuple[set[int], set[tuple[int, int]]]:
    """The valid rows, and the pairs, that are chosen, by the rows' numbers in ``scores``."""
    rows = order[made.rows]
    pairs: set[tuple[int, int]] = set()
    if made.pairs is not None:
        ends = (rows[end].tolist() for end in (made.pairs.chosen, made.pairs.rejected))
        pairs = set(zip(*ends, strict=True))
    return set(rows[scores.valid[rows]].tolist()), pairs


def check_few_rows(selection: Any, parts: tuple[str, ...]) -> None:
    """No rows, and no valid rows, are no error, and give nothing to learn from."""
    none_N = torch.zeros(len(GROUP), dtype=torch.bool)
    rollouts, scores = made_rollouts(acted=True), made_scores(APART, parts=parts)
    made = chosen(selection, scores.select(none_N), rollouts.select(none_N))
    promise(len(made.rows) == 0, selection, "of no rows it chooses some")
    invalid = made_scores(APART, (False,) * len(APART), parts)
    made = chosen(selection, invalid, rollouts)
    pairs = 0 if made.pairs is None else len(made.pairs)
    promise(pairs == 0, selection, "of invalid rows it makes pairs")
