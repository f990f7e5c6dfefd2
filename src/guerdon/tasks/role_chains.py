"""Demonstrations in which several roles answer, made of a model's own samples."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import permutations
from typing import Annotated, Any, NamedTuple

from guerdon.ranges import Filled, between, check_ranges
from guerdon.records import Task
from guerdon.stages import TaskSource
from guerdon.tasks.reading import DataError


class Chain(NamedTuple):
    """What a role thought, and what it answered."""

    thought: str
    answer: str


def agreed(chains: Sequence[Chain]) -> Chain | None:
    """The first chain of the answer that more than half of them give; None where none is.

    Answers are equal in any letter case and without the space around them; an empty one counts
    against every other and is never kept.
    """
    votes = Counter(chain.answer.strip().lower() for chain in chains)
    answer, count = votes.most_common(1)[0] if votes else ("", 0)
    if not answer or 2 * count <= len(chains):
        return None
    return next(chain for chain in chains if chain.answer.strip().lower() == answer)


@dataclass(frozen=True)
class RoleChains:
    """What MultiRole-R1 fine-tunes on before it pays for variety (2507.20187, phase one).

    A task of ``source`` has, in its ``column``, samples by role: {role: [[thought, answer], ...]}.
    Of each role that agrees with itself (`agreed`) one chain is kept, and of the first ``roles``
    of these a task is made for each order in which they can stand, so that no place is a role's:
    3 roles make 6. Its answer is a block ``role: NAME``, thought, ``answer: X`` for each, which
    `guerdon.rewards.RoleAccuracy` reads. With ``agree`` the roles should come to one answer: that
    of most of them stands at the end, and a question without one is left out. A question with
    fewer than two roles left is left out too. No label is looked at.

    The ``trimmed`` share of the shortest and of the longest texts of a split is left out. Raises
    DataError naming a task whose column is something else.
    """

    source: TaskSource
    column: Filled = "chains"
    """The column of the samples."""
    roles: Annotated[int, between(2, 5)] = 3
    """The most roles in one text."""
    agree: bool = False
    """Whether the roles should come to one answer."""
    trimmed: Annotated[float, between(0, 0.49)] = 0.0
    """The share of texts that is left out at either end of their lengths; the paper's is 0.1."""

    def __post_init__(self) -> None:
        check_ranges(self)

    def load(self, split: str) -> Sequence[Task]:
        """The demonstrations of "train" or "test"."""
        made = [shown for task in self.source.load(split) for shown in self._shown(task)]
        by_length = sorted(range(len(made)), key=lambda i: len(str(made[i].answer)))
        cut = int(self.trimmed * len(made))
        return [made[i] for i in sorted(by_length[cut : len(made) - cut])]

    def _shown(self, task: Task) -> list[Task]:
        kept = {role: chain for role, some in self._samples(task) if (chain := agreed(some))}
        blocks = [
            f"role: {role}\n{chain.thought.strip()}\nanswer: {chain.answer.strip()}\n"
            for role, chain in list(kept.items())[: self.roles]
        ]
        end = ""
        if self.agree:
            last = agreed([Chain("", chain.answer) for chain in list(kept.values())[: self.roles]])
            if last is None:
                return []
            end = f"answer: {last.answer.strip()}\n"
        if len(blocks) < 2:
            return []
        return [
            replace(task, id=f"{task.id}/{order}", answer="".join(some) + end)
            for order, some in enumerate(permutations(blocks))
        ]

    def _samples(self, task: Task) -> list[tuple[str, list[Chain]]]:
        given: Any = task.columns.get(self.column)
        try:
            if not isinstance(given, Mapping):
                raise TypeError
            return [(str(role), [_chain(one) for one in some]) for role, some in given.items()]
        except (TypeError, ValueError) as error:
            raise DataError(
                f"task {task.id!r}: its column {self.column!r} is {given!r:.60}; give samples by "
                'role, {"role": [["thought", "answer"], ...]}'
            ) from error


def _chain(one: Any) -> Chain:
    thought, answer = one
    if not isinstance(thought, str) or not isinstance(answer, str):
        raise TypeError
    return Chain(thought, answer)
