"""Functions of a whole batch (TRL, ms-swift) as rewards."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Annotated, Any

from guerdon.failures import NotGiven
from guerdon.judging import judged
from guerdon.ranges import OneOf, check_ranges
from guerdon.records import Progress, Rollouts, Scores, Task
from guerdon.rewards import Judged, Ungradable, gather
from guerdon.rewards.running.workers import awaited

_GIVEN = ("prompts", "completions", "completion_ids", "trainer_state", "log_extra", "log_metric")


@dataclass(frozen=True)
class BatchedReward:
    """``function(completions=[...], prompts=[...], **columns) -> list[float | None]`` as a reward.

    The function gets N values of every argument that it names, or takes as ``**columns``: what the
    tasks have as columns, their answers under the name ``answer``, and ``completion_ids`` if the
    rollouts have tokens. ``chat`` makes each completion a list of one message, which TRL's own
    rewards read. None is an invalid row.
    Where the function raises it is called again on fewer rows, and those at fault are invalid (see
    `guerdon.judging.judged`). ``scope`` is "group" for a function that compares rows. Raises
    ValueError where the function returns another number of rewards, or asks for a column that a
    task lacks.
    """

    function: Callable[..., Any]
    answer: str = "answer"
    chat: bool = False
    scope: Annotated[str, OneOf("completion", "group", "linked", "turn")] = "completion"

    def __post_init__(self) -> None:
        check_ranges(self)

    def __call__(self, rollouts: Rollouts, progress: Progress) -> Scores:
        arguments = self.arguments(rollouts, progress)
        try:
            found = awaited(self.function(**arguments))
        except KeyboardInterrupt:
            raise
        except BaseException:
            found = None
        if found is None:
            return judged(_Again(self), rollouts, progress)
        return self.scores(found, len(rollouts))

    def check_tasks(self, tasks: Sequence[Task]) -> None:
        """Raises NotGiven where the function asks for what a task can't give it."""
        named = [
            p.name
            for p in inspect.signature(self.function).parameters.values()
            if p.default is p.empty and p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)
        ]
        for task in tasks:
            for name in named:
                if name not in (*_GIVEN, self.answer, *task.columns):
                    told = getattr(self.function, "__name__", type(self.function).__name__)
                    raise NotGiven(
                        f"reward {told!r} asks for {name!r}, but task {task.id!r} has no such "
                        f"column; it can name prompts, completions, "
                        f"{', '.join((self.answer, *task.columns))} or give {name!r} a default"
                    )

    def scores(self, found: Sequence[Any], rows: int) -> Scores:
        """What the function returned for so many rows, as scores."""
        if len(found) != rows:
            raise ValueError(
                f"the reward function returned {len(found)} rewards for {rows} completions"
            )
        return gather([_judged(one) for one in found])

    def arguments(self, rollouts: Rollouts, progress: Progress) -> dict[str, Any]:
        """What the function is called with for these rows. Raises NotGiven."""
        self.check_tasks(rollouts.tasks)
        names = dict.fromkeys(name for task in rollouts.tasks for name in task.columns)
        texts: Sequence[Any] = rollouts.texts
        if self.chat:
            texts = [[{"role": "assistant", "content": text}] for text in texts]
        tokens = {}
        if "ids" not in getattr(rollouts, "unknown", ()):
            rows = zip(rollouts.ids, rollouts.lengths.tolist(), strict=True)
            tokens["completion_ids"] = [ids[:length].tolist() for ids, length in rows]
        every = {
            **{name: rollouts.column(name) for name in names},
            self.answer: rollouts.answers(),
            "prompts": [rollouts.tasks[group].prompt for group in rollouts.group.tolist()],
            "completions": list(texts),
            **tokens,
            "trainer_state": SimpleNamespace(global_step=progress.step, max_steps=progress.total),
            "log_extra": lambda name, values: None,
            "log_metric": lambda name, value: None,
        }
        parameters = inspect.signature(self.function).parameters.values()
        if any(p.kind is p.VAR_KEYWORD for p in parameters):
            return every
        return {p.name: every[p.name] for p in parameters if p.name in every}


@dataclass(frozen=True)
class _Again:
    """A function that raised on a batch, called on parts of it."""

    reward: BatchedReward

    @property
    def scope(self) -> str:
        return self.reward.scope

    def __call__(self, rollouts: Rollouts, progress: Progress) -> Scores:
        found = awaited(self.reward.function(**self.reward.arguments(rollouts, progress)))
        return self.reward.scores(found, len(rollouts))


def _judged(value: Any) -> Judged | Ungradable:
    return Ungradable("the reward returned None") if value is None else Judged(float(value))
