"""Drawing distinct tasks of a split, so that splits are disjoint by construction."""

from __future__ import annotations

import hashlib
import random
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

from guerdon.records import Task

SPLITS = ("train", "test")
TEST_SHARE = 0.2


@dataclass(frozen=True)
class Problem:
    """A task before it has an id: what a generator draws."""

    prompt: str
    answer: Any
    columns: Mapping[str, Any] = field(default_factory=dict)


class Drawn(ABC):
    """A source whose tasks are drawn one by one: subclasses give settings and `draw`.

    ``kind`` begins its tasks' ids; ``train`` and ``test`` are the sizes of the splits, which
    never share a prompt.
    """

    kind: ClassVar[str]
    train: int
    test: int
    seed: int

    @abstractmethod
    def draw(self, source: random.Random) -> Problem:
        """One problem."""

    def load(self, split: str) -> Sequence[Task]:
        """The tasks of "train" or "test". Raises ValueError where there are too few."""
        size = self.test if split == "test" else self.train  # `draw_tasks` refuses other splits
        return draw_tasks(self.kind, split, size, self.seed, self.draw)


def split_of(prompt: str) -> str:
    """ "test" for a fifth of all prompts, chosen by a hash of the text alone.

    A prompt is in one split for ever, whatever the seed, size or settings that drew it, so a
    held-out task can't turn up in any training set, the seedling's own corpus included.
    """
    first = hashlib.blake2b(prompt.encode(), digest_size=4).digest()
    return "test" if int.from_bytes(first, "big") < TEST_SHARE * 2**32 else "train"


def draw_tasks(
    kind: str, split: str, count: int, seed: int, draw: Callable[[random.Random], Problem]
) -> tuple[Task, ...]:
    """``count`` tasks with distinct prompts of ``split``; the same ones for the same arguments.

    A smaller ``count`` gives a prefix of a larger one. Ids are ``kind-`` and a hash of the
    prompt, so they are stable across runs and sizes. Raises ValueError for an unknown split,
    and if ``draw`` does not yield ``count`` distinct prompts in a generous number of draws.
    """
    if split not in SPLITS:
        raise ValueError(f"{kind} has no split {split!r}; it has {' and '.join(SPLITS)}")
    if count < 0:
        raise ValueError(f"{kind}: the size of {split!r} is {count}; give 0 or more")
    source = random.Random(f"{kind}/{split}/{seed}")
    tasks: dict[str, Task] = {}
    patience = 2000
    since = 0
    while len(tasks) < count:
        problem = draw(source)
        if split_of(problem.prompt) != split or problem.prompt in tasks:
            since += 1
            if since > patience:
                raise ValueError(
                    f"{kind} found only {len(tasks)} distinct {split} tasks of {count}; "
                    "ask for fewer or widen its settings"
                )
            continue
        since = 0
        digest = hashlib.blake2b(problem.prompt.encode(), digest_size=8).hexdigest()
        tasks[problem.prompt] = Task(
            id=f"{kind}-{digest}",
            prompt=problem.prompt,
            answer=problem.answer,
            columns=problem.columns,
        )
    return tuple(tasks.values())
