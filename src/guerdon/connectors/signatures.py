"""Whose function it is, told by its parameters: TRL's, verl's, or a plain one."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from guerdon.connectors import trl, verl
from guerdon.rewards import reward
from guerdon.stages import Reward

ANSWERS = ("answer", "solution", "ground_truth", "target")
"""What a TRL reward calls the column with the reference, the first that it names."""


def by_signature(function: Callable[..., Any]) -> Reward:
    """A user's function as a reward, called as its parameters say.

    ``completions`` makes it one of TRL's, which judges a batch (a chat each where its annotation
    says so: ``list[list[dict]]``); ``solution_str`` makes it verl's ``compute_score``. One that
    takes ``rollouts`` is a `Reward` already, and any other is called once per completion (see
    `guerdon.rewards.FunctionReward`). Raises ValueError for verl's function of a batch.
    """
    parameters = inspect.signature(function).parameters
    if "rollouts" in parameters:
        return function
    if "completions" in parameters:
        chat = "dict" in str(parameters["completions"].annotation).lower()
        answer = next((name for name in ANSWERS if name in parameters), ANSWERS[0])
        return trl.adopt(function, answer=answer, chat=chat)
    if "solution_str" in parameters:
        return verl.adopt(function)
    if "solution_strs" in parameters:
        raise ValueError(
            f"{getattr(function, '__name__', 'the function')} judges verl's batches "
            "(solution_strs); give its compute_score of one solution_str"
        )
    return reward(function)
