"""EasyR1: ``compute_score`` of a batch, or of one row."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from guerdon.connectors.given import Given
from guerdon.connectors.judge import Judge, extras, numbers
from guerdon.rewards import FunctionReward
from guerdon.stages import Reward, Shaper


def export(
    reward: Reward,
    *,
    shaping: Sequence[Shaper] = (),
    invalid: float = 0.0,
    parts: Sequence[str] = (),
) -> Callable[..., Any]:
    """``compute_score`` for ``worker.reward.reward_function=FILE.py:compute_score``.

    Takes a list of rows (``REWARD_TYPE = "batch"``) or one ("sequential"). Of a row there are
    the response, its number of tokens and the ground truth: no prompt, no columns. ``parts``
    names parts of the reward to log.

    EasyR1 has no way to leave a row out, and NaN would spread to its group. Sent for an invalid
    row are ``invalid`` as "overall", 0 as "valid" and NaN parts. Raises ValueError for rewards
    that compare rows, since nothing says which rows are a group.
    """
    judge = Judge("EasyR1", reward, shaping)
    judge.refuse_groups("does not say which rows are a group")

    def compute_score(reward_inputs: Any, **settings: Any) -> Any:
        one = isinstance(reward_inputs, Mapping)
        rows = [_given(row) for row in ([reward_inputs] if one else reward_inputs)]
        scores = judge(rows)
        found = [
            {"overall": value, **extras(scores, row, parts)}
            for row, value in enumerate(numbers(scores, invalid))
        ]
        return found[0] if one else found

    return compute_score


def _given(row: Mapping[str, Any]) -> Given:
    return Given(row["response"], answer=row["ground_truth"], tokens=row.get("response_length"))


@dataclass(frozen=True)
class ComputeScore:
    """A ``compute_score`` of EasyR1 called with a row; ``batch`` says that it takes lists.

    The number of tokens isn't known here; it is given as the number of words.
    """

    function: Callable[..., Any]
    batch: bool = True

    def __call__(self, completion: str, answer: Any) -> dict[str, float]:
        row = {"response": completion, "ground_truth": answer}
        row["response_length"] = len(completion.split())
        found = self.function([row])[0] if self.batch else self.function(row)
        parts = {name: float(value) for name, value in found.items() if name != "overall"}
        return {**parts, "score": float(found["overall"])}


def adopt(
    function: Callable[..., Any], *, batch: bool = True, timeout: float | None = None
) -> FunctionReward:
    """EasyR1's ``compute_score`` as a `Reward`; ``batch`` is its ``REWARD_TYPE``."""
    return FunctionReward(ComputeScore(function, batch), timeout=timeout)
