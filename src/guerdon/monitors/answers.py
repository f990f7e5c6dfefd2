"""How much the completions agree with each other, whatever they are worth."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import ClassVar

from guerdon.parsing.sections import answer_text
from guerdon.records import Experience


@dataclass(frozen=True)
class CommonestAnswer:
    """Whether a policy says the same everywhere: shares of the commonest answer.

    ``in_group`` is the mean over groups of the share of a group's rows that give its commonest
    answer: 1 where all agree, 1/G where no two do; a group of one agrees. ``in_batch`` is the share
    of all rows that give the commonest answer of the whole batch: where it nears 1 on prompts of
    different answers, the policy has collapsed. ``none`` is the share of rows without an answer,
    which agree with nobody. Every row counts, valid or not. No rows, or rows that are no texts,
    give no figures.
    """

    read: Callable[[str], str] = answer_text
    """What of a completion is its answer; "" is none. It must be quick on any text."""

    name: ClassVar[str] = "commonest-answer"

    def __call__(self, experience: Experience) -> Mapping[str, float]:
        rollouts = experience.rollouts
        if not len(rollouts) or not rollouts.texts:
            return {}
        answers = [self.read(text) for text in rollouts.texts]
        groups: dict[int, list[str]] = {}
        for group, answer in zip(rollouts.group.tolist(), answers, strict=True):
            groups.setdefault(group, []).append(answer)
        shares = [_share_of_commonest(given) for given in groups.values()]
        return {
            "in_group": sum(shares) / len(shares),
            "in_batch": _share_of_commonest(answers),
            "none": answers.count("") / len(answers),
        }

    @classmethod
    def example(cls) -> CommonestAnswer:
        return cls()


def _share_of_commonest(answers: list[str]) -> float:
    given = Counter(answer for answer in answers if answer)
    return max(given.values(), default=0) / len(answers)
