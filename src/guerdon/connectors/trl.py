"""TRL: ``GRPOTrainer(reward_funcs=export(reward))``, and TRL's reward functions as rewards."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from guerdon.connectors.batched import BatchedReward
from guerdon.connectors.given import Given, in_blocks, text_of
from guerdon.connectors.judge import Judge, numbers
from guerdon.records import Progress
from guerdon.stages import Reward, Shaper


def export(
    reward: Reward,
    *,
    shaping: Sequence[Shaper] = (),
    answer: str = "answer",
    group_size: int = 0,
    name: str = "guerdon",
) -> Callable[..., list[float | None]]:
    """A function for ``reward_funcs``. ``answer`` names the data set's column of references.

    None is sent for an invalid row. With this as the only reward function TRL leaves such a row
    out of the group's statistics and gives it advantage 0; beside others it adds up what the
    others gave, so combine rewards here (`WeightedSum`) and export one. Parts (means over valid
    rows) and the share of invalid rows are logged under ``name``.

    TRL hands over rows without a group id: a group is ``group_size`` rows in a row, which must
    be its ``num_generations`` (and ``num_generations_eval``). Rewards that compare the rows of a
    group need it, and ValueError says so; it is also raised where a process doesn't hold whole
    groups.
    """
    judge = Judge("TRL", reward, shaping)
    if not group_size:
        judge.refuse_groups("does not say which rows are a group: give group_size=num_generations")

    def score(
        prompts: Sequence[Any],
        completions: Sequence[Any],
        completion_ids: Sequence[Sequence[int]] | None = None,
        trainer_state: Any = None,
        log_metric: Callable[[str, float], None] | None = None,
        log_extra: Any = None,
        **columns: Any,
    ) -> list[float | None]:
        answers = columns.pop(answer, None) or [None] * len(prompts)
        groups: Sequence[int | None] = [None] * len(prompts)
        if group_size:
            groups = in_blocks(len(prompts), group_size, "TRL")
        rows = [
            Given(
                completion=text_of(completions[i]),
                prompt=prompts[i],
                answer=answers[i],
                columns={k: v[i] for k, v in columns.items() if isinstance(v, list)},
                group=groups[i],
                ids=None if completion_ids is None else completion_ids[i],
            )
            for i in range(len(prompts))
        ]
        scores = judge(rows, progress_of(trainer_state))
        if log_metric is not None:
            log_metric(f"{name}/invalid", 1 - float(scores.valid.float().mean()))
            for part, value_N in scores.parts.items() if scores.valid.any() else ():
                log_metric(f"{name}/{part}", float(value_N[scores.valid].mean()))
        return numbers(scores, None)

    score.__name__ = name
    return score


def progress_of(state: Any) -> Progress:
    """Progress by a ``transformers`` trainer state, or the start without one."""
    if state is None:
        return Progress()
    return Progress(int(state.global_step), max(int(state.max_steps), 1))


adopt = BatchedReward
"""``adopt(function, answer="solution", chat=True)``: a TRL reward function as a `Reward`."""
