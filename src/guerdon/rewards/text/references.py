"""Answers judged against reference texts by a metric of text."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

from guerdon.parsing import answer_text
from guerdon.records import Progress, Rollouts, Scores, Task
from guerdon.rewards.running.rows import Judged, Ungradable, answer_texts, gather

Metric = Callable[[str, tuple[str, ...]], float]
"""Prediction and its references (at least one) to a score in [0, 1]."""


@dataclass(frozen=True)
class AgainstReferences:
    """The answer that ``read`` finds in a completion, by a ``metric`` against the references.

    References are `references_of` the task. Value and one part, named as the metric: float[N] in
    [0, 1]. An empty answer is 0; a task without reference text makes its rows invalid. Rewards by
    one metric are this with a name and that metric, as `ChrF`.
    """

    metric: Metric
    """From an answer and its references to a score."""
    read: Callable[[str], str] = answer_text
    """What of a completion is judged."""

    part: ClassVar[str] = ""
    scope: ClassVar[str] = "completion"
    range: ClassVar[tuple[float, float]] = (0.0, 1.0)

    def __call__(self, rollouts: Rollouts, progress: Progress) -> Scores:
        part = self.part or getattr(self.metric, "__name__", type(self.metric).__name__)
        references = [references_of(task) for task in rollouts.tasks]
        rows: list[Judged | Ungradable] = []
        for text, group in zip(rollouts.texts, rollouts.group.tolist(), strict=True):
            if not references[group]:
                rows.append(Ungradable("the task has neither references nor an answer in words"))
                continue
            answer = self.read(text)
            value = self.metric(answer, references[group]) if answer else 0.0
            rows.append(Judged(value, {part: value}))
        return gather(rows)


def references_of(task: Task) -> tuple[str, ...]:
    """The task's reference texts: column "references", else the answer; blank ones dropped."""
    given: Any = task.columns.get("references")
    texts, _ = answer_texts(task.answer if given is None else given)
    return tuple(texts)
