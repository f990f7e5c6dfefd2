"""What every shaper promises."""

from __future__ import annotations

from collections.abc import Sequence
from copy import deepcopy
from dataclasses import replace
from typing import Any

import torch

from guerdon.contracts.made import VALID, VALUES, made_rollouts, made_scores
from guerdon.contracts.promises import (
    calling,
    check_written_and_read_back,
    first_difference,
    mixed_order,
    promise,
    same,
)
from guerdon.parts import memories
from guerdon.records import Progress, Rollouts, Scores
from guerdon.stages import Shaper

NOW = Progress()


def check_shaper(shaper: Shaper, parts: Sequence[str] = ("a", "b")) -> None:
    """Raises AssertionError where a shaper breaks what every shaper promises.

    It keeps the parts, the remarks and who is valid, and gives finite values; rewards at
    positions still add up to the value, or are refused with a ValueError; invalid rows change
    nothing for others; the order of rows does not matter; no rows, and none that is valid, are no
    error; it goes to a recipe's file and back, and its memory to a checkpoint and back; settings
    that its class gives as ``trivial()`` change nothing. Tried on scores with ``parts``.
    """
    rollouts, scores = made_rollouts(acted=True), made_scores(parts=parts)
    check_keeps(shaper, scores, rollouts)
    check_placed(shaper, scores, rollouts)
    check_invalid_rows(shaper, scores, rollouts)
    check_order(shaper, scores, rollouts)
    check_nothing(shaper, scores, rollouts)
    check_written_and_read_back(shaper)
    check_memory(shaper, scores, rollouts)
    if hasattr(shaper, "trivial"):
        check_trivial(shaper.trivial(), scores, rollouts)


def shaped(shaper: Shaper, scores: Scores, rollouts: Rollouts) -> Scores:
    """By a copy: a shaper with memory answers a second call by what it saw before."""
    rows = f"{len(scores)} rows, {int(scores.valid.sum())} of them valid"
    with calling(shaper, rows):
        made = deepcopy(shaper)(scores, rollouts, NOW)
    promise(isinstance(made, Scores), shaper, f"it returns a {type(made).__name__}, no Scores")
    return made


def check_keeps(shaper: Any, scores: Scores, rollouts: Rollouts) -> None:
    """Parts, remarks and valid flags stay; values are finite."""
    told = ("right", *(None,) * (len(scores) - 1))
    made = shaped(shaper, replace(scores, remarks=told), rollouts)
    promise(len(made) == len(scores), shaper, f"{len(scores)} rows come out as {len(made)}")
    for name, part_N in scores.parts.items():
        kept = name in made.parts and same(made.parts[name], part_N)
        promise(kept, shaper, f"part {name!r} is gone or changed; shapers keep the parts")
    promise(made.remarks == told, shaper, "the rows' remarks are gone")
    row = int((made.valid != scores.valid).int().argmax())
    promise(
        torch.equal(made.valid, scores.valid), shaper, f"row {row} is valid before or after only"
    )


def check_trivial(shaper: Any, scores: Scores, rollouts: Rollouts) -> None:
    """What its class gives as ``trivial()`` changes no value."""
    made = shaped(shaper, scores, rollouts)
    row = first_difference(made.value, scores.value)
    told = f"its trivial() changes row {row} to {made.value[row].item():g}"
    promise(same(made.value, scores.value), shaper, told)


def check_placed(shaper: Any, scores: Scores, rollouts: Rollouts) -> None:
    """Placed rewards add up to the value and lie where the policy acted, or are refused."""
    given = replace(scores, placed=scores.at_positions(rollouts.mask))
    with calling(shaper, "rewards at positions"):
        try:
            made: Scores = deepcopy(shaper)(given, rollouts, NOW)
        except ValueError as error:
            promise(
                "placed at positions" in str(error),
                shaper,
                f"scores that are placed at positions are refused without saying so: {error}",
            )
            return
    promise(made.placed is not None, shaper, "it drops where rewards are placed")
    assert made.placed is not None
    sum_N = made.placed.sum(1)[made.valid]
    promise(same(sum_N, made.value[made.valid], 1e-5), shaper, "placed rewards do not sum up")
    off = (made.placed[~rollouts.mask] != 0).any()
    promise(not off, shaper, "a reward is placed where the policy did not act")


def check_invalid_rows(shaper: Any, scores: Scores, rollouts: Rollouts) -> None:
    """What is valid is shaped as if the invalid rows were not there."""
    kept_N = scores.valid
    alone = shaped(shaper, scores.select(kept_N), rollouts.select(kept_N))
    made = shaped(shaper, scores, rollouts).value[kept_N]
    promise(same(made, alone.value, 1e-5), shaper, "an invalid row changes what others get")


def check_order(shaper: Any, scores: Scores, rollouts: Rollouts) -> None:
    """Rows in another order get the same."""
    order_N = mixed_order(len(scores))
    moved = shaped(shaper, scores.select(order_N), rollouts.select(order_N))
    plain = shaped(shaper, scores, rollouts).select(order_N)
    promise(same(moved.value, plain.value, 1e-5), shaper, "the order of rows changes their values")


def check_nothing(shaper: Any, scores: Scores, rollouts: Rollouts) -> None:
    """No rows, and no valid rows, are no error."""
    none_N = torch.zeros(len(scores), dtype=torch.bool)
    made = shaped(shaper, scores.select(none_N), rollouts.select(none_N))
    promise(len(made) == 0, shaper, "no rows come out as some")
    invalid = made_scores(VALUES, (False,) * len(VALUES), tuple(scores.parts))
    promise(not shaped(shaper, invalid, rollouts).valid.any(), shaper, "invalid rows become valid")


def check_memory(shaper: Any, scores: Scores, rollouts: Rollouts) -> None:
    """What it remembers goes to a checkpoint and back, and nothing is remembered elsewhere."""
    used, fresh = deepcopy(shaper), deepcopy(shaper)
    used(scores, rollouts, NOW)
    taken_up = memories(fresh)
    for place, part in memories(used).items():
        taken_up[place].load_state_dict(part.state_dict())
    later = made_scores([v * 3 - 1 for v in VALUES], VALID, tuple(scores.parts))
    made, again = (one(later, rollouts, NOW).value for one in (used, fresh))
    promise(
        same(made, again), shaper, "its state_dict does not hold all that it goes on with: resumed "
        "from a checkpoint it shapes differently"
    )  # fmt: skip
