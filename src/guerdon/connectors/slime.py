"""slime: ``--custom-rm-path``, for one sample or, with ``--group-rm``, for a group."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

from guerdon.connectors.given import Given
from guerdon.connectors.judge import Judge, group_means, numbers, parts_of
from guerdon.rewards import FunctionReward
from guerdon.rewards.running.workers import awaited
from guerdon.stages import Reward, Shaper


def export(
    reward: Reward,
    *,
    shaping: Sequence[Shaper] = (),
    invalid: float = 0.0,
) -> Callable[..., Any]:
    """An ``async custom_rm(args, sample)``; a list of samples is scored as one group.

    The label is the answer, ``metadata`` the columns. The parts and the reason of an invalid
    row are written to ``sample.metadata["guerdon"]``.

    An invalid sample gets ``remove_sample = True``, with which slime takes it out of the loss.
    It still enters the group's mean, so its reward is the mean of the group's valid rows (see
    `guerdon.connectors.judge.group_means`); for a single sample, where the group isn't seen, it
    is ``invalid``. Raises ValueError where a reward that compares rows is called without
    ``--group-rm``.
    """
    judge = Judge("slime", reward, shaping)

    async def custom_rm(args: Any, sample: Any, **more: Any) -> Any:
        one = not isinstance(sample, list)
        if one:
            judge.refuse_groups("hands over one sample: start it with --group-rm")
        samples = [sample] if one else sample
        rows = [_given(each, None if one else _group(each)) for each in samples]
        scores = await asyncio.to_thread(judge, rows)
        for row, each in enumerate(samples):
            note = {"parts": parts_of(scores, row), "reason": scores.reasons[row]}
            each.metadata = {**(each.metadata or {}), "guerdon": note}
            if not scores.valid[row]:
                each.remove_sample = True
        if one:
            return numbers(scores, invalid)[0]
        return group_means(scores, [row.group for row in rows])

    return custom_rm


def _group(sample: Any) -> Any:
    """One call holds one group unless the samples say otherwise."""
    index = getattr(sample, "group_index", None)
    return 0 if index is None else index


def _given(sample: Any, group: Any) -> Given:
    return Given(
        completion=sample.response,
        prompt=sample.prompt,
        answer=sample.label,
        columns=sample.metadata or {},
        group=group,
        tokens=getattr(sample, "response_length", None) or None,
    )


@dataclass(frozen=True)
class CustomRm:
    """A ``custom_rm`` called with a sample made of the task; of a dict, ``key`` is the value."""

    function: Callable[..., Any]
    key: str = "score"

    def __call__(self, completion: str, answer: Any, prompt: str, **columns: Any) -> float:
        sample = SimpleNamespace(
            prompt=prompt, response=completion, label=answer, metadata=columns, index=0
        )
        found = awaited(self.function(SimpleNamespace(), sample))
        return float(found[self.key] if isinstance(found, dict) else found)


def adopt(
    function: Callable[..., Any], *, key: str = "score", timeout: float | None = None
) -> FunctionReward:
    """slime's ``custom_rm`` as a `Reward`; ``timeout`` in seconds a row."""
    return FunctionReward(CustomRm(function, key), timeout=timeout)
