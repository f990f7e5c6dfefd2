"""What every reward promises."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch

from guerdon.contracts.promises import (
    check_written_and_read_back,
    first_difference,
    mixed_order,
    no_rows,
    promise,
    same,
    shown,
)
from guerdon.examples import Example
from guerdon.records import Progress, Rollouts, Scores, Task
from guerdon.stages import Reward
from guerdon.traits import range_of, scope_of

HOSTILE = (
    "",
    " \n\t",
    "<think>x</think><answer>\\boxed{B}</answer>",
    "<think>x</think><answer>B</answer>",
    "<answer>",
    "</answer><answer>",
    "B 7 \\boxed{",
    "\\boxed{\\frac{1}{0}}",
    "1e999999 nan inf -inf",
    '{"a": [1, {"b": ',
    "é漢字🙂\u202e\x00\ud800",
    "٣²½",
    "word " * 20_000,
    "<answer>" * 12_500,
    "\\boxed{" * 14_000,
    "9" * 100_000,
    "a{b}\\" * 20_000,
)
"""Completions that every reward must live through: nothing, garbage, scripts, endless texts."""

SCOPES = ("completion", "turn", "group", "linked")
NOW = Progress(0, 1)


def check_reward(
    reward: Reward, tasks: Sequence[Task] = (), completions: Sequence[str] = ()
) -> None:
    """Raises AssertionError where a reward breaks what every reward promises.

    It judges every row, finite where valid and in its declared range; its parts and placed
    rewards add up to the value; the same rows get the same scores in any order; no rows are no
    error; and it goes to a recipe's file and back. Tried on hostile completions and on
    ``completions`` (at least one of all must be gradable) of each of ``tasks``: by default those
    of its ``example()``, or a plain question where it has none.
    """
    example = getattr(type(reward), "example", None)
    if example is not None and not tasks:
        tasks, completions = of_example(example())
    rollouts = rows_of(tasks or (Task("plain", "Which letter?", "B"),), completions)
    scores = judged(reward, rollouts)
    check_every_row(reward, rollouts, scores)
    check_range(reward, rollouts, scores)
    check_sums(reward, rollouts, scores)
    check_repeats(reward, rollouts, scores)
    check_order(reward, rollouts, scores)
    promise(len(judged(reward, no_rows(rollouts))) == 0, reward, "no rows get scores")
    check_written_and_read_back(reward)


def of_example(example: Example) -> tuple[list[Task], list[str]]:
    """An example's tasks, and right and wrong completions of them."""
    probes = example.probes
    return [one.task for one in probes], [text for one in probes for text in (one.good, one.bad)]


def rows_of(tasks: Sequence[Task], completions: Sequence[str]) -> Rollouts:
    """The hostile texts over all tasks by turns, and ``completions`` of each task.

    Rows alternate between groups; masks have odd lengths; each of three turns has a reward.
    """
    rows = [(i % len(tasks), text) for i, text in enumerate(HOSTILE)]
    rows += [(group, text) for text in completions for group in range(len(tasks))]
    n = len(rows)
    mask_NT = torch.arange(6) < torch.arange(n)[:, None].remainder(6) + 1
    return Rollouts(
        tasks=tuple(tasks),
        group=torch.tensor([group for group, _ in rows]),
        prompts=(torch.zeros(1).long(),) * len(tasks),
        ids=torch.zeros(n, 6).long(),
        mask=mask_NT,
        lengths=mask_NT.sum(1),
        logps=torch.zeros(n, 6),
        texts=tuple(text for _, text in rows),
        turn=torch.arange(6).div(2, rounding_mode="floor").expand(n, 6),
        turn_rewards=torch.arange(3.0 * n).reshape(n, 3).remainder(5),
    )


def judged(reward: Reward, rollouts: Rollouts) -> Scores:
    """What the reward says; AssertionError where it raises or gives something else."""
    try:
        scores: Scores = reward(rollouts, NOW)
    except Exception as error:
        told = f"it raises {type(error).__name__} ({error}) on {len(rollouts)} rows; a row that "
        told += "can't be judged is invalid with a reason, and a task it can't use is a ValueError"
        promise(False, reward, told)
    promise(isinstance(scores, Scores), reward, f"it returns a {type(scores).__name__}, no Scores")
    return scores


def check_every_row(reward: Any, rollouts: Rollouts, scores: Scores) -> None:
    """As many scores as rows, some of them valid, finite where they are, in all parts."""
    n = len(rollouts)
    promise(len(scores) == n, reward, f"{n} rows get {len(scores)} scores")
    told = f"not one of {n} rows is valid (the first because: {scores.reasons[0]})"
    promise(scores.valid.any(), reward, f"{told}; give tasks that it can grade")
    for name, part_N in scores.parts.items():
        wrong_N = scores.valid & ~torch.isfinite(part_N)
        row = shown(rollouts.texts, int(wrong_N.int().argmax()))
        promise(not wrong_N.any(), reward, f"part {name!r} is not finite on {row}, which is valid")


def check_range(reward: Any, rollouts: Rollouts, scores: Scores) -> None:
    """``range`` (None: not bounded) holds all values; ``scope`` is one that there is."""
    low, high = range_of(reward) or (-math.inf, math.inf)
    promise(low < high, reward, f"its range is {(low, high)}; the first end must be the lower")
    wrong_N = scores.valid & ((scores.value < low) | (scores.value > high))
    row = int(wrong_N.int().argmax())
    told = f"{shown(rollouts.texts, row)} gets {scores.value[row].item():g}, out of the declared"
    promise(not wrong_N.any(), reward, f"{told} range {low:g} to {high:g}")
    scope = scope_of(reward)
    promise(scope in SCOPES, reward, f"its scope is {scope!r}; there are {', '.join(SCOPES)}")


def check_sums(reward: Any, rollouts: Rollouts, scores: Scores) -> None:
    """Parts, and rewards placed at positions, add up to the value."""
    value_N = scores.value[scores.valid]
    if scores.parts:
        sum_N = torch.stack(list(scores.parts.values())).sum(0)[scores.valid]
        off = int((sum_N - value_N).abs().argmax()) if len(value_N) else 0
        told = "parts that sum to {:g} and the value {:g}"
        row = int(scores.valid.nonzero()[off])
        promise(
            same(sum_N, value_N, 1e-4),
            reward,
            f"{shown(rollouts.texts, row)} has " + told.format(sum_N[off], value_N[off]),
        )
    if scores.placed is not None:
        placed_N = scores.placed.sum(1)[scores.valid]
        promise(same(placed_N, value_N, 1e-4), reward, "placed rewards do not sum to the value")
        promise(
            (scores.placed[~rollouts.mask] == 0).all(),
            reward,
            "a reward is placed where the policy did not act",
        )


def check_repeats(reward: Any, rollouts: Rollouts, scores: Scores) -> None:
    """The same rows get the same scores."""
    again = judged(reward, rollouts)
    row = shown(rollouts.texts, first_difference(again.value, scores.value))
    promise(same(again.value, scores.value), reward, f"asked again, {row} gets another score")
    promise(again.reasons == scores.reasons, reward, "asked again, other rows are invalid")


def check_order(reward: Any, rollouts: Rollouts, scores: Scores) -> None:
    """Rows in another order get the same scores in that order."""
    order_N = mixed_order(len(rollouts))
    found, wanted = judged(reward, rollouts.select(order_N)), scores.select(order_N)
    row = int(order_N[first_difference(found.value, wanted.value)])
    told = f"with the rows in another order, {shown(rollouts.texts, row)} gets another"
    promise(same(found.value, wanted.value, 1e-5), reward, f"{told} score")
    promise(found.reasons == wanted.reasons, reward, f"{told} reason")
    for name, part_N in wanted.parts.items():
        kept = name in found.parts and same(found.parts[name], part_N, 1e-5)
        promise(kept, reward, f"with the rows in another order, part {name!r} is another")
