"""Texts that somebody rewrote, kept where little was changed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from guerdon.extras import install
from guerdon.ranges import Count, Filled, check_ranges
from guerdon.records import Task
from guerdon.stages import TaskSource
from guerdon.tasks.reading import DataError


def words_changed(one: str, two: str, most: int) -> int:
    """How many words must be replaced, added or taken away to make ``two`` of ``one``.

    The least such number; ``most + 1`` stands for any that is larger, so that two long texts cost
    little. Words are what stands between white space. Needs the extra ``metrics``.
    """
    try:
        from rapidfuzz.distance import Levenshtein
    except ImportError as error:
        raise ImportError(f"comparing words needs rapidfuzz: {install('metrics')}") from error
    return int(Levenshtein.distance(one.split(), two.split(), score_cutoff=most))


@dataclass(frozen=True)
class LittleRewritten:
    """The tasks of ``source`` whose answer has been rewritten by at most ``most`` words.

    VLAA-Thinker (2504.11468) has phrases that betray a caption written out of traces of reasoning,
    and drops traces that change more than that: they were rewritten and not only cleaned. What
    they were before is the column ``before``. The held-out tasks are chosen in the same way. Needs
    the extra ``metrics``. Raises DataError naming a task that has no text in either place.
    """

    extra: ClassVar[str] = "metrics"

    source: TaskSource
    before: Filled = "before"
    """The column of the text as it was."""
    most: Count = 15
    """The most words that may be replaced, added or taken away."""

    def __post_init__(self) -> None:
        check_ranges(self)

    def load(self, split: str) -> Sequence[Task]:
        """The tasks of "train" or "test" that were changed so little."""
        return [task for task in self.source.load(split) if self._changed(task) <= self.most]

    def _changed(self, task: Task) -> int:
        before, after = task.columns.get(self.before), task.answer
        if not isinstance(before, str) or not isinstance(after, str):
            raise DataError(
                f"task {task.id!r}: its column {self.before!r} is {before!r:.40}, its answer "
                f"{after!r:.40}; give the text before and after it was rewritten"
            )
        return words_changed(before, after, self.most)
