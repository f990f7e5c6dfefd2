"""ms-swift: a class for its table ``orms``, and its ORM objects as rewards."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from guerdon.connectors import trl
from guerdon.connectors.batched import BatchedReward
from guerdon.connectors.given import role_of
from guerdon.stages import Reward, Shaper


def export(
    reward: Reward,
    *,
    shaping: Sequence[Shaper] = (),
    answer: str = "solution",
    group_size: int = 0,
    name: str = "guerdon",
) -> type:
    """A class to put in ``orms`` (``--external_plugins FILE --reward_funcs NAME``).

    None is sent for an invalid row. ms-swift turns it into NaN and warns, but its sum over
    reward functions then counts the row as 0: with this as the only one there is no way to
    leave a row out. Watch the warnings that are logged here.

    The prompt is ``messages`` without the closing assistant message; ``answer`` names the
    column of references. A group is ``group_size`` rows in a row (``num_generations``), as in
    `guerdon.connectors.trl.export`, and ValueError is raised for the same reasons.
    """
    score = trl.export(reward, shaping=shaping, answer=answer, group_size=group_size, name=name)

    def call(self: Any, completions: Sequence[Any], **columns: Any) -> list[float | None]:
        messages = columns.pop("messages", None) or [[]] * len(completions)
        ids = columns.pop("response_token_ids", None)
        prompts = [_prompt(one) for one in messages]
        return score(prompts, completions, completion_ids=ids, **columns)

    def init(self: Any, args: Any = None, **settings: Any) -> None:
        self.args = args

    return type(name, (), {"__init__": init, "__call__": call})


def _prompt(messages: Sequence[Any]) -> list[Any]:
    closed = bool(messages) and role_of(messages[-1]) == "assistant"
    return list(messages[:-1] if closed else messages)


def adopt(orm: Callable[..., Any], *, answer: str = "solution") -> BatchedReward:
    """An ORM object (or any function of completions and columns) as a `Reward`."""
    return BatchedReward(orm, answer=answer)
