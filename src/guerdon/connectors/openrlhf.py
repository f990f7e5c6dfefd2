"""OpenRLHF: a file with ``reward_func``."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from guerdon.connectors.given import Given
from guerdon.connectors.judge import Judge, extras, numbers
from guerdon.rewards import FunctionReward
from guerdon.stages import Reward, Shaper

END_TOKENS = ("<|im_end|>", "<|endoftext|>", "<|eot_id|>", "<|end_of_text|>", "</s>", "<eos>")
"""Texts of end tokens, which OpenRLHF leaves in the query; they are cut off a completion's end."""


def export(
    reward: Reward,
    *,
    shaping: Sequence[Shaper] = (),
    invalid: float = 0.0,
    parts: Sequence[str] = (),
    end_tokens: Sequence[str] = END_TOKENS,
) -> Callable[..., dict[str, Any]]:
    """``reward_func`` for ``--reward.remote_url FILE.py`` (earlier ``--remote_rm_url``).

    A query is prompt and completion in one text; the completion is what follows the prompt,
    without ``end_tokens``. A query that doesn't contain its prompt (it was cut) can't be judged
    and is invalid. The label is the answer; there are no columns. ``parts`` names parts to log.

    OpenRLHF has no way to leave a row out: an exception leaves the reward None, which ends the
    run later. Sent for an invalid row are ``invalid`` as its reward, and "valid" 0 and NaN
    parts in ``extra_logs``. Raises ValueError for rewards that compare rows, since OpenRLHF's
    lists have length 1.
    """
    judge = Judge("OpenRLHF", reward, shaping)
    judge.refuse_groups("hands over one row at a time")

    def reward_func(
        queries: Sequence[str], prompts: Sequence[str], labels: Sequence[Any], **more: Any
    ) -> dict[str, Any]:
        given = zip(queries, prompts, labels, strict=True)
        scores = judge([row_of(*one, end_tokens) for one in given])
        value_N = torch.tensor(numbers(scores, invalid))
        told = [extras(scores, row, parts) for row in range(len(scores))]
        logs = {name: torch.tensor([row[name] for row in told]) for name in told[0]}
        return {"rewards": value_N, "scores": value_N, "extra_logs": logs}

    return reward_func


def row_of(query: str, prompt: Any, label: Any, end_tokens: Sequence[str] = END_TOKENS) -> Given:
    """The row of a query: what follows the prompt is the completion."""
    text = prompt if isinstance(prompt, str) else ""
    _, found, completion = query.partition(text) if text else ("", "no prompt", query)
    if not found:
        return Given("", text, label, refused="the query does not contain its prompt")
    while token := next((end for end in end_tokens if completion.endswith(end)), ""):
        completion = completion.removesuffix(token)
    return Given(completion, text, label)


@dataclass(frozen=True)
class RewardFunc:
    """A ``reward_func`` called with lists of one; numbers in ``extra_logs`` are parts."""

    function: Callable[..., Any]

    def __call__(self, completion: str, answer: Any, prompt: str) -> dict[str, float]:
        found = self.function([prompt + completion], [prompt], [answer])
        logs = {f"log/{name}": _number(one) for name, one in found.get("extra_logs", {}).items()}
        return {**logs, "score": _number(found["rewards"])}


def _number(value: Any) -> float:
    return float(torch.as_tensor(value, dtype=torch.float32).flatten()[0])


def adopt(function: Callable[..., Any], *, timeout: float | None = None) -> FunctionReward:
    """OpenRLHF's ``reward_func`` as a `Reward`; ``timeout`` in seconds a row."""
    return FunctionReward(RewardFunc(function), timeout=timeout)
