"""The scorers of reasoning-gym's own data sets as a reward (an optional extra)."""

from __future__ import annotations

import functools
import importlib.util
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, ClassVar

from guerdon.extras import install
from guerdon.parsing import answer_text
from guerdon.ranges import Seconds, at_least, check_ranges
from guerdon.records import Progress, Rollouts, Scores
from guerdon.rewards.programs.text_as_code import no_code
from guerdon.rewards.running.function import FunctionReward


@dataclass(frozen=True)
class ReasoningGymScore:
    """The data set's own score of the answer, in [0, 1]; part ``accuracy``: is it 1?

    Reads the column ``reasoning_gym`` that ``guerdon.tasks.ReasoningGym`` writes. The answer is
    the text inside ``<answer>`` tags, or the whole completion without them. Several data sets
    give partial credit, also for a wrong answer (0.01 is common), so look at ``accuracy``.

    Scorers do algebra without bounds on the model's text: each call has ``timeout`` seconds in a
    process of its own, and one that overruns, or fails on the right answer as well, makes its row
    invalid. Some would evaluate the text as Python; only lists, values and formulas are let
    through to that, and a text that is other code earns 0, as does one that a scorer trips over.
    Raises ImportError naming the extra, ValueError for tasks without the column.
    """

    name: ClassVar[str] = "reasoning-gym"
    extra: ClassVar[str] = "reasoning-gym"
    no_example: ClassVar[str] = "its scorers are reasoning-gym's; give --tasks to try one data set"

    timeout: Seconds = 10.0
    """Seconds for one answer."""
    workers: Annotated[int, at_least(0, "0 is one per core")] = 0
    """Answers that are scored at a time."""
    _scorer: FunctionReward = field(init=False, repr=False, compare=False)

    scope: ClassVar[str] = "completion"
    range: ClassVar[tuple[float, float]] = (0.0, 1.0)

    def __post_init__(self) -> None:
        check_ranges(self)
        scorer = FunctionReward(
            score_entry, range=self.range, timeout=self.timeout, workers=self.workers
        )
        object.__setattr__(self, "_scorer", scorer)

    def __call__(self, rollouts: Rollouts, progress: Progress) -> Scores:
        if importlib.util.find_spec("reasoning_gym") is None:
            raise ImportError(
                "ReasoningGymScore needs the package reasoning-gym: " + install("reasoning-gym")
            )
        return self._scorer(rollouts, progress)


def score_entry(completion: str, reasoning_gym: Mapping[str, Any]) -> dict[str, float]:
    """One completion's score by the data set named in the column ``reasoning_gym``.

    Neither the completion nor the column, which data may bring along, is run as code.
    """
    settings = json.dumps(dict(reasoning_gym["settings"]), sort_keys=True)
    scorer = _data_set(str(reasoning_gym["dataset"]), settings)
    entry = reasoning_gym["entry"]
    with no_code():
        try:
            score = float(scorer.score_answer(answer_text(completion), entry))
        except Exception:
            scorer.score_answer(entry["answer"], entry)  # raises too where the entry is at fault
            score = 0.0
    return {"score": score, "accuracy": float(score >= 1.0)}


@functools.lru_cache(maxsize=128)
def _data_set(name: str, settings: str) -> Any:
    import reasoning_gym

    with no_code():
        return reasoning_gym.create_dataset(name, size=1, seed=0, **json.loads(settings))
