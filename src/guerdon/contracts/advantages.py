"""What every advantage promises."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from guerdon.contracts.made import GROUP, VALUES, made_rollouts, made_scores
from guerdon.contracts.promises import (
    calling,
    check_written_and_read_back,
    mixed_order,
    promise,
    same,
)
from guerdon.records import Experience, Rollouts, Scores
from guerdon.stages import Advantage

LARGEST = float(torch.finfo(torch.float32).max)
EDGES = (
    ([1.0, 1.0, 1.0, 1.0], [0, 0, 1, 1]),
    ([1.0, 0.0, 2.0, 0.5], [0, 1, 2, 3]),
    ([3e38, -3e38, 0.0, 1e-45], [0, 0, 0, 0]),
    ([LARGEST, -LARGEST, LARGEST, LARGEST], [0, 0, 1, 1]),
    ([0.1, 0.1, 0.1, 5.0], [0, 0, 0, 1]),
)
"""Rewards and groups: all equal, every row alone, the ends of float32, ties of what rounds."""


def check_advantage(advantage: Advantage) -> None:
    """Raises AssertionError where an advantage breaks what every advantage promises.

    It is float32[N, T], finite, 0 where the policy did not act and on invalid rows; invalid rows
    change nothing for others; permuting rows permutes it; groups of one, of equal rewards and of
    the largest numbers are defined, also in their gradient; no rows are no error; what it is
    given stays as it was; and it goes to a recipe's file and back.
    """
    rollouts, scores = made_rollouts(), made_scores()
    check_zeros(advantage, scores, rollouts)
    check_invalid_rows(advantage, scores, rollouts)
    check_order(advantage, scores, rollouts)
    check_few_rows(advantage)
    check_edges(advantage)
    check_inputs(advantage, scores, rollouts)
    check_written_and_read_back(advantage)


def credited(advantage: Advantage, scores: Scores, rollouts: Rollouts) -> Tensor:
    """float[N, T]: what the advantage says."""
    with calling(advantage, f"{len(scores)} rows, {int(scores.valid.sum())} of them valid"):
        made_NT = advantage(Experience(rollouts, scores))
    kind = type(made_NT).__name__
    promise(isinstance(made_NT, Tensor), advantage, f"it returns a {kind}, no tensor")
    return made_NT


def check_zeros(advantage: Any, scores: Scores, rollouts: Rollouts) -> None:
    """The shape, and 0 where nothing is to be learned; something elsewhere."""
    made_NT = credited(advantage, scores, rollouts)
    promise(
        made_NT.shape == rollouts.mask.shape and made_NT.dtype == torch.float32,
        advantage,
        f"it is {made_NT.dtype} of shape {tuple(made_NT.shape)}, not float32 of "
        f"{tuple(rollouts.mask.shape)}",
    )
    promise(torch.isfinite(made_NT).all(), advantage, "it is not finite")
    use_NT = rollouts.mask & scores.valid[:, None]
    off = (made_NT != 0) & ~use_NT
    row = int(off.any(1).int().argmax())
    told = f"row {row} has an advantage where the policy did not act, or is invalid"
    promise(not off.any(), advantage, told)
    promise(made_NT[use_NT].abs().max() > 0, advantage, "it is 0 everywhere: nothing is learned")


def check_invalid_rows(advantage: Any, scores: Scores, rollouts: Rollouts) -> None:
    """What is valid is credited as if the invalid rows were not there."""
    kept_N = scores.valid
    alone = credited(advantage, scores.select(kept_N), rollouts.select(kept_N))
    made = credited(advantage, scores, rollouts)[kept_N]
    promise(same(made, alone, 1e-5), advantage, "an invalid row changes what others get")


def check_order(advantage: Any, scores: Scores, rollouts: Rollouts) -> None:
    """Rows in another order get the same."""
    order_N = mixed_order(len(scores))
    moved = credited(advantage, scores.select(order_N), rollouts.select(order_N))
    plain = credited(advantage, scores, rollouts)[order_N]
    promise(same(moved, plain, 1e-5), advantage, "the order of rows changes their advantages")


def check_few_rows(advantage: Any) -> None:
    """A group of one, valid or not, with invalid ones beside it, and no rows at all."""
    for valid in ([True], [False], [True, False, False], [False, False]):
        scores = made_scores([2.0] * len(valid), valid)
        made = credited(advantage, scores, made_rollouts([0] * len(valid)))
        told = f"of a group whose rows are valid {valid}"
        promise(torch.isfinite(made).all(), advantage, f"it is not finite {told}")
        promise((made[~scores.valid] == 0).all(), advantage, f"an invalid row is credited {told}")
    none_N = torch.zeros(len(GROUP), dtype=torch.bool)
    made = credited(advantage, made_scores().select(none_N), made_rollouts().select(none_N))
    promise(made.shape[0] == 0, advantage, "no rows are credited")


def check_edges(advantage: Any) -> None:
    """Finite, with a finite gradient, at `EDGES`: rewards may carry gradient."""
    for values, group in EDGES:
        value_N = torch.tensor(values, requires_grad=True)
        valid_N = torch.tensor([True, True, True, False])
        scores = Scores(value_N, {"a": value_N, "b": value_N / 2}, valid_N)
        made = credited(advantage, scores, made_rollouts(group))
        told = f"for rewards {values} in groups {group}"
        promise(torch.isfinite(made).all(), advantage, f"it is not finite {told}")
        if made.requires_grad:
            made.sum().backward()
        finite = value_N.grad is None or torch.isfinite(value_N.grad).all()
        promise(finite, advantage, f"its gradient is not finite {told}")


def check_inputs(advantage: Any, scores: Scores, rollouts: Rollouts) -> None:
    """Scores and rollouts stay as they were: others read them after it."""
    fresh = made_rollouts()
    credited(advantage, scores, rollouts)
    for name in ("turn_rewards", "values", "logps"):
        kept = same(getattr(rollouts, name), getattr(fresh, name))
        promise(kept, advantage, f"it changes the rollouts' {name}")
    kept = same(scores.value, made_scores(VALUES).value)
    promise(kept, advantage, "it changes the scores' values")
