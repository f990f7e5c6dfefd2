"""reward-kit (eval-protocol): an evaluation function of messages."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from guerdon.connectors.given import Given, role_of, text_of
from guerdon.connectors.judge import Judge, parts_of
from guerdon.rewards import FunctionReward
from guerdon.stages import Reward, Shaper


def export(reward: Reward, *, shaping: Sequence[Shaper] = ()) -> Callable[..., dict[str, Any]]:
    """A function to decorate with ``@reward_function`` (mode "pointwise").

    The last message is the completion, those before it the prompt, ``ground_truth`` the answer,
    other arguments the columns. Returns a dict of the fields of ``EvaluateResult``; an invalid
    row has ``is_score_valid`` False, its reason, and a score of 0 since the field must be a
    number. reward-kit refuses metrics outside [0, 1] and older versions such scores (shape with
    `Affine`): parts that lie in it are metrics, all of them are in the reason.
    Raises ValueError for rewards that compare rows.
    """
    judge = Judge("reward-kit", reward, shaping)
    judge.refuse_groups("hands over one row at a time in this mode")

    def evaluate(messages: Sequence[Any], ground_truth: Any = None, **columns: Any) -> Any:
        if not messages or role_of(messages[-1]) != "assistant":
            raise ValueError("the last message must be the assistant's, the one to be judged")
        prompt = [{"role": role_of(one), "content": text_of(one)} for one in messages[:-1]]
        scores = judge([Given(text_of(messages[-1]), prompt, ground_truth, columns)])
        valid, reason = bool(scores.valid[0]), scores.reasons[0]
        parts = parts_of(scores, 0) if valid else dict.fromkeys(scores.parts, 0.0)
        return {
            "score": float(scores.value[0]) if valid else 0.0,
            "is_score_valid": valid,
            "reason": reason or ", ".join(f"{name} {part:g}" for name, part in parts.items()),
            "metrics": {
                name: {"score": part, "is_score_valid": valid, "reason": reason or name}
                for name, part in parts.items()
                if 0 <= part <= 1
            },
        }

    return evaluate


@dataclass(frozen=True)
class Evaluation:
    """An evaluation function called with the task's messages; metrics are parts."""

    function: Callable[..., Any]

    def __call__(self, completion: str, answer: Any, prompt: str, **columns: Any) -> Any:
        messages = [{"role": "user", "content": prompt}]
        messages.append({"role": "assistant", "content": completion})
        found = self.function(messages=messages, ground_truth=answer, **columns)
        found = found if isinstance(found, dict) else found.model_dump()
        if not found.get("is_score_valid", True):
            raise ValueError(found.get("reason") or found.get("error") or "not a valid score")
        metrics = found.get("metrics") or {}
        parts = {name: float(metric["score"]) for name, metric in metrics.items()}
        return {**parts, "score": float(found["score"])}


def adopt(function: Callable[..., Any], *, timeout: float | None = None) -> FunctionReward:
    """reward-kit's evaluation function as a `Reward`; ``timeout`` in seconds a row."""
    return FunctionReward(Evaluation(function), timeout=timeout)
