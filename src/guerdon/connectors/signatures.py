"""Whose function it is, told by its parameters: TRL's, verl's, or a plain one."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from types import CodeType
from typing import Any

from guerdon.connectors import trl, verl
from guerdon.rewards import reward
from guerdon.stages import Reward

ANSWERS = ("answer", "solution", "ground_truth", "target")
"""What a TRL reward calls the column with the reference, the first that it names."""


def by_signature(function: Callable[..., Any]) -> Reward:
    """A user's function as a reward, called as its parameters say.

    ``completions`` makes it one of TRL's, which judges a batch: of texts, or of a chat each where
    its annotation (``list[list[dict]]``) or its code (``completion[0]["content"]``) says so. The
    reference is its first parameter of `ANSWERS`, else the first of them that it looks up in
    ``**kwargs``. ``solution_str`` makes it verl's ``compute_score``. One that takes ``rollouts``
    is a `Reward` already, and any other is called once per completion (see
    `guerdon.rewards.FunctionReward`). Raises ValueError for verl's function of a batch.
    """
    parameters = inspect.signature(function).parameters
    if "rollouts" in parameters:
        return function
    if "completions" in parameters:
        said = set(_texts(getattr(inspect.unwrap(function), "__code__", None)))
        annotation = parameters["completions"].annotation
        told = annotation is not inspect.Parameter.empty
        chat = "dict" in str(annotation).lower() if told else "content" in said
        names = (*(n for n in ANSWERS if n in parameters), *(n for n in ANSWERS if n in said))
        return trl.adopt(function, answer=next(iter(names), ANSWERS[0]), chat=chat)
    if "solution_str" in parameters:
        return verl.adopt(function)
    if "solution_strs" in parameters:
        raise ValueError(
            f"{getattr(function, '__name__', 'the function')} judges verl's batches "
            "(solution_strs); give its compute_score of one solution_str"
        )
    return reward(function)


def _texts(code: Any) -> Iterator[str]:
    """The texts that stand in a function's code, and in what it defines inside."""
    for constant in getattr(code, "co_consts", ()):
        if isinstance(constant, str):
            yield constant
        elif isinstance(constant, CodeType):
            yield from _texts(constant)
