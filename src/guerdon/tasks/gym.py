"""Every data set of reasoning-gym as tasks (an optional extra)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from guerdon.records import Task


@dataclass(frozen=True)
class ReasoningGym:
    """Tasks of one reasoning-gym data set; the columns carry what its own scorer reads.

    ``settings`` go to the data set's generator. Train and test are drawn with different seeds,
    and a test question that also stands in the training part is left out of the test part.
    Score with ``guerdon.rewards.ReasoningGymScore``.
    """

    dataset: str
    train: int = 1000
    test: int = 256
    seed: int = 0
    settings: dict[str, Any] = field(default_factory=dict)

    def load(self, split: str) -> Sequence[Task]:
        """The tasks of "train" or "test". Raises ImportError naming the extra."""
        if split == "train":
            return self._draw(self.train, self.seed, "train")
        known = {t.prompt for t in self.load("train")}
        drawn = self._draw(self.test, self.seed + 1_000_003, "test")
        return [t for t in drawn if t.prompt not in known]

    def _draw(self, size: int, seed: int, split: str) -> list[Task]:
        try:
            import reasoning_gym
        except ImportError as error:
            raise ImportError(
                "ReasoningGym needs the package reasoning-gym: pip install 'guerdon[reasoning-gym]'"
            ) from error
        data = reasoning_gym.create_dataset(self.dataset, size=size, seed=seed, **self.settings)
        return [
            Task(
                id=f"{self.dataset}-{split}-{seed}-{n}",
                prompt=entry["question"],
                answer=entry["answer"],
                columns={"reasoning_gym": self.dataset, "entry": entry},
            )
            for n, entry in enumerate(data)
        ]
