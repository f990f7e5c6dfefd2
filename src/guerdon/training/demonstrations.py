"""A recipe that learns to write what is shown: supervised fine-tuning, as a run of its own."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar, Unpack

from guerdon.records import Task
from guerdon.rollout import LanguagePolicy, Model
from guerdon.stages import TaskSource
from guerdon.tasks import DataError, FileTasks, read_rows
from guerdon.training.fitting import Lesson, Passes, fit
from guerdon.training.learner import Learner
from guerdon.training.optimisers import AdamW, Optimiser
from guerdon.training.pairs import language_policy
from guerdon.training.recipe import Result, RunOptions
from guerdon.training.supervised import Demonstration, ShownTexts, likelihood


def shown_in(path: str) -> FileTasks:
    """A file of demonstrations: its column ``completion`` is what is to be written.

    A file without is read as `FileTasks` reads it: chats, and rows as Alpaca's.
    """
    with suppress(DataError):  # told when the run reads the file
        _, row = next(read_rows(path), ("", {"completion": ""}))
        if "completion" not in row:
            return FileTasks(path)
    return FileTasks(path, answer="completion")


@dataclass(frozen=True)
class SupervisedRecipe(Passes):
    """One run of supervised fine-tuning, whole.

    The answer of each of the ``demonstrations`` is what is to be written to its prompt; of a file
    `FileTasks` says which column that is. Held-out ones are measured by the mean log-prob of
    their tokens.
    """

    demonstrations: TaskSource
    name: str = "sft"
    model: Model = field(default_factory=Model)
    optimiser: Optimiser = field(default_factory=AdamW)

    makes: ClassVar[str] = "policy"

    def run(
        self,
        folder: Path | None = None,
        *,
        policy: LanguagePolicy | None = None,
        **options: Unpack[RunOptions],
    ) -> Result:
        """Train, and write the run to ``folder`` (None = keep nothing on disk).

        ``policy`` replaces the recipe's model. Raises DataError for a file that can't be used,
        ValueError where there is nothing to learn from; besides what `guerdon.training.train`
        raises.
        """
        train, held_out = (shown(self.demonstrations.load(s)) for s in ("train", "test"))
        if not train:
            raise ValueError("there are no demonstrations to learn from")

        def teach(learner: Learner[LanguagePolicy]) -> Lesson:
            texts = ShownTexts(learner.model, train, self.max_tokens)
            return Lesson(
                lambda some: texts.learn(learner, some, self.microbatch),
                lambda: likelihood(learner.model, held_out, max_tokens=self.max_tokens),
            )

        return fit(
            self,
            folder,
            len(train),
            lambda: language_policy(self.model) if policy is None else policy,
            teach,
            what="demonstrations",
            names={"loss": "text_loss"},
            **options,
        )


def shown(tasks: Sequence[Task]) -> list[Demonstration]:
    """Tasks whose answers are to be imitated. Raises ValueError for one that is no text."""
    for task in tasks:
        if not isinstance(task.answer, str):
            raise ValueError(f"the answer of task {task.id!r} is {task.answer!r:.60}, and no text")
    return [Demonstration(task, str(task.answer)) for task in tasks]
