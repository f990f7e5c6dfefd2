"""verifiers: a reward of a trace (v1), and functions for the Rubric of versions before it."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from guerdon.connectors.given import Given, text_of
from guerdon.connectors.judge import Judge, group_means, numbers, parts_of
from guerdon.rewards import FunctionReward
from guerdon.rewards.running.workers import awaited
from guerdon.stages import Reward, Shaper


class InvalidScore(Exception):
    """The completion could not be judged; the message says why."""


def export(
    reward: Reward, *, shaping: Sequence[Shaper] = (), answer: str = "answer"
) -> Callable[..., Any]:
    """``async score(task, trace) -> float``, to plug into a v1 task as a reward.

    The completion is what the model wrote in the trace; ``answer`` names the field of the task
    data with the reference, its other own fields are columns. Parts and reason are written to
    ``trace.info["guerdon"]``. An invalid row raises `InvalidScore`: verifiers records the error on
    the trace and leaves its reward None. Raises ValueError for rewards that compare rows: a v1
    reward sees one trace.
    """
    judge = Judge("verifiers", reward, shaping)
    judge.refuse_groups("shows a reward one trace at a time")

    async def score(task: Any, trace: Any) -> float:
        data = {name: getattr(task, name) for name in _own_fields(task)}
        row = Given(
            completion=text_of(trace.assistant_messages),
            prompt=task.prompt_text,
            answer=data.pop(answer, None),
            columns=data,
            tokens=trace.num_output_tokens or None,
        )
        scores = await asyncio.to_thread(judge, [row])
        trace.info["guerdon"] = {"parts": parts_of(scores, 0), "reason": scores.reasons[0]}
        if not scores.valid[0]:
            raise InvalidScore(scores.reasons[0])
        return float(scores.value[0])

    return score


def _own_fields(task: Any) -> list[str]:
    """Fields that the task set adds to verifiers' own, and the id."""
    base: Any = next(k for k in type(task).__mro__ if k.__name__ == "TaskData")
    own = [name for name in type(task).model_fields if name not in base.model_fields]
    return [*own, "id", *(task.model_extra or {})]


def export_rubric(
    reward: Reward, *, shaping: Sequence[Shaper] = (), invalid: float = 0.0
) -> Callable[..., Any]:
    """A function for ``Rubric(funcs=[...])``; a group function where the reward compares rows.

    ``answer`` is the answer and the entries of ``info`` are columns. Such a Rubric turns an
    exception into 0 and has no way to leave a row out: sent for an invalid row is ``invalid``,
    or in a group the mean of its valid rows (see `guerdon.connectors.judge.group_means`), and
    ``state["guerdon_invalid"]`` holds the reason.
    """
    judge = Judge("verifiers", reward, shaping)

    def score(prompt: Any, completion: Any, answer: Any, state: Any, info: Any) -> float:
        scores = judge([Given(text_of(completion), prompt, answer, info or {})])
        state["guerdon_invalid"] = scores.reasons[0]
        return numbers(scores, invalid)[0]

    def score_group(
        prompts: Sequence[Any],
        completions: Sequence[Any],
        answers: Sequence[Any],
        states: Sequence[Any],
        infos: Sequence[Any],
    ) -> list[float]:
        given = zip(prompts, completions, answers, infos, strict=True)
        rows = [Given(text_of(c), p, a, i or {}, group=0) for p, c, a, i in given]
        scores = judge(rows)
        for state, reason in zip(states, scores.reasons, strict=True):
            state["guerdon_invalid"] = reason
        return group_means(scores, [0] * len(rows))

    return score_group if judge.needs_groups else score


@dataclass(frozen=True)
class RubricFunction:
    """A Rubric's function called with those of its arguments that it names."""

    function: Callable[..., Any]

    def __call__(self, completion: str, answer: Any, prompt: str, **columns: Any) -> float:
        given: Mapping[str, Any] = {
            "prompt": [{"role": "user", "content": prompt}],
            "completion": [{"role": "assistant", "content": completion}],
            "answer": answer,
            "info": columns,
            "state": {"answer": answer, "info": columns},
        }
        parameters = inspect.signature(self.function).parameters.values()
        everything = any(p.kind is p.VAR_KEYWORD for p in parameters)
        named = {p.name for p in parameters}
        passed = {k: v for k, v in given.items() if everything or k in named}
        return float(awaited(self.function(**passed)))


def adopt(function: Callable[..., Any], *, timeout: float | None = None) -> FunctionReward:
    """A Rubric's function as a `Reward`; ``timeout`` in seconds a row."""
    return FunctionReward(RubricFunction(function), timeout=timeout)
