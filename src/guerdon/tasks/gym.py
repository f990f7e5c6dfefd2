"""Every data set of reasoning-gym as tasks (an optional extra)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from guerdon.extras import install
from guerdon.ranges import Count, Seed, check_ranges
from guerdon.records import Task
from guerdon.tasks.procedural import SPLITS


@dataclass(frozen=True)
class ReasoningGym:
    """Tasks of one reasoning-gym data set, such as "chain_sum" or "countdown".

    ``settings`` go to the data set's generator. Train and test are drawn with different seeds,
    and a test question that also stands in the training part is left out of the test part, so
    a data set of few questions can give fewer than ``test`` tasks. The column ``reasoning_gym``
    carries data set, settings and entry: what ``guerdon.rewards.ReasoningGymScore`` reads.
    """

    dataset: str
    """The data set's name."""
    train: Count = 1000
    """Tasks to learn from."""
    test: Count = 256
    """Held-out tasks."""
    seed: Seed = 0
    """What they are drawn from."""
    settings: Mapping[str, Any] = field(default_factory=dict)
    """What the data set's generator is given."""

    def __post_init__(self) -> None:
        check_ranges(self)

    def load(self, split: str) -> Sequence[Task]:
        """The tasks of "train" or "test".

        Raises ImportError naming the extra, ValueError for an unknown split or data set and for
        settings that the generator refuses.
        """
        if split not in SPLITS:
            raise ValueError(
                f"{self.dataset} has no split {split!r}; it has {' and '.join(SPLITS)}"
            )
        train = self._draw(self.train, self.seed, "train")
        if split == "train":
            return train
        known = {t.prompt for t in train}
        # Seeds of two sources that differ by one must not make one's test the other's train.
        drawn = self._draw(self.test, self.seed + 1_000_003, "test")
        return [t for t in drawn if t.prompt not in known]

    def _draw(self, size: int, seed: int, split: str) -> list[Task]:
        try:
            import reasoning_gym
            from reasoning_gym.factory import DATASETS
        except ImportError as error:
            raise ImportError(
                f"ReasoningGym needs the package reasoning-gym: {install('reasoning-gym')}"
            ) from error
        if self.dataset not in DATASETS:
            raise ValueError(
                f"reasoning-gym has no data set {self.dataset!r}; it has "
                f"{', '.join(sorted(DATASETS))}"
            )
        try:
            data = reasoning_gym.create_dataset(self.dataset, size=size, seed=seed, **self.settings)
        except (TypeError, AssertionError) as error:
            raise ValueError(
                f"reasoning-gym's {self.dataset} refuses the settings {dict(self.settings)}: "
                f"{error}"
            ) from error
        return [
            Task(
                id=f"{self.dataset}-{split}-{seed}-{n}",
                prompt=entry["question"],
                answer=entry["answer"],
                columns={
                    "reasoning_gym": {
                        "dataset": self.dataset,
                        "settings": dict(self.settings),
                        "entry": entry,
                    }
                },
            )
            for n, entry in enumerate(data)
        ]
