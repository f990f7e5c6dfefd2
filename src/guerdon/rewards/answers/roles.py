"""Answers that several roles give within one completion."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

from guerdon.examples import Example, Judges, probe, style
from guerdon.ranges import PositiveInt, check_ranges
from guerdon.records import Progress, Rollouts, Scores, Task
from guerdon.rewards.running.rows import Judged, gather

_MARK = re.compile(r"\b(role|answer):", re.IGNORECASE)
_NAME_ENDS = re.compile(r"[,;:(\n]|(?<=\w\w\w)[.!?]")
MAX_ROLES = 64
"""Blocks that are read; what follows is not."""

Rule = Callable[[Sequence[tuple[str, str]], Mapping[str, str]], float]
"""(role, answer) blocks and the gold answer by role to a score in [0, 1]."""


def role_answers(text: str) -> list[tuple[str, str]]:
    """Role and answer, in lower case, of each ``role: NAME ... answer: X``.

    The name is what stands between its mark and the end of the line, a comma, a sentence's end or
    the next mark, the answer the first word after its own, both without the punctuation around
    them. A role without an answer before the next role has the answer "".
    """
    found: list[tuple[str, str]] = []
    marks = list(_MARK.finditer(text))
    ends = [mark.start() for mark in marks[1:]] + [len(text)]
    for mark, end in zip(marks, ends, strict=False):
        rest = text[mark.end() : min(end, mark.end() + 200)].lstrip()
        if mark.group(1).lower() == "role":
            if len(found) == MAX_ROLES:
                break
            found.append((_name(_NAME_ENDS.split(rest, maxsplit=1)[0]), ""))
        elif found and not found[-1][1]:
            found[-1] = (found[-1][0], _name(next(iter(rest.split()), "")))
    return found


def _name(text: str) -> str:
    """In lower case, with single blanks, without punctuation and emphasis around."""
    return " ".join(text.split()).strip(" .,;:!?()*_\"'").lower()


def each_role(blocks: Sequence[tuple[str, str]], gold: Mapping[str, str]) -> float:
    """The share of right answers among the blocks of roles with a gold answer: roles may differ."""
    known = [(role, answer) for role, answer in blocks if role in gold]
    return sum(gold[role] == answer for role, answer in known) / max(len(known), 1)


def majority(blocks: Sequence[tuple[str, str]], gold: Mapping[str, str]) -> float:
    """1 where the answer of most blocks is the gold one, named "": roles should agree.

    A tie for the most is 0; so is a majority without an answer.
    """
    ranked = Counter(answer for _, answer in blocks).most_common(2)
    tied = len(ranked) == 2 and ranked[0][1] == ranked[1][1]
    best = ranked[0][0] if ranked and not tied else ""
    return float(bool(best) and best == gold.get(""))


@dataclass(frozen=True)
class RoleAccuracy:
    """Whether the roles' answers are right (MultiRole-R1, arXiv 2507.20187).

    ``rule`` is `each_role` (questions on which roles differ) or `majority`. The gold answers are
    the task's ``column``, role to answer, or its answer where the column is missing: that of
    `majority`. Value and part "accuracy": float[N] in [0, 1]; no role block is 0. Raises
    ValueError naming a task that has neither.
    """

    name: ClassVar[str] = "roles"

    rule: Rule = each_role
    """How the roles' answers are judged together."""
    column: str = "roles"
    """The column of the right answer of each role."""

    scope: ClassVar[str] = "completion"
    range: ClassVar[tuple[float, float]] = (0.0, 1.0)

    def __call__(self, rollouts: Rollouts, progress: Progress) -> Scores:
        golds = [self._gold(task) for task in rollouts.tasks]
        rows = zip(rollouts.texts, rollouts.group.tolist(), strict=True)
        values = [self.rule(role_answers(text), golds[group]) for text, group in rows]
        return gather([Judged(value, {"accuracy": value}) for value in values])

    def _gold(self, task: Task) -> dict[str, str]:
        given = task.columns.get(self.column, {} if task.answer is None else {"": task.answer})
        if not isinstance(given, Mapping) or not given:
            raise ValueError(
                f"task {task.id!r}: column {self.column!r} is {given!r:.60}; give the right "
                "answer of each role, or the task one answer for all"
            )
        return {_name(str(k)): str(v).lower() for k, v in given.items()}

    @classmethod
    def example(cls) -> Example:
        said = "role: ann\nanswer: {answer}\nrole: ben\nanswer: {answer}"
        probes = (probe("roles", "Who is it? A, B or C", "B", ("A", "C"), form=said),)
        first = "a role's answer is its first word: what follows earns nothing"
        attacks = ("many-answers", "repeated-answer")
        return Example(cls(majority), probes, stays=dict.fromkeys(attacks, first))


@dataclass(frozen=True)
class DistinctRoles:
    """Different roles over ``of``, at most 1: is a question seen from several sides?

    Value and part "roles": float[N] in [0, 1].
    """

    name: ClassVar[str] = "distinct-roles"

    of: PositiveInt = 3
    """How many different roles are worth 1."""

    scope: ClassVar[str] = "completion"
    range: ClassVar[tuple[float, float]] = (0.0, 1.0)

    def __post_init__(self) -> None:
        check_ranges(self)

    def __call__(self, rollouts: Rollouts, progress: Progress) -> Scores:
        counts = [len({role for role, _ in role_answers(text)}) for text in rollouts.texts]
        return gather([Judged(v, {"roles": v}) for v in (min(n / self.of, 1.0) for n in counts)])

    @classmethod
    def example(cls) -> Example:
        several = "role: ann answer: A role: ben answer: B role: cy answer: A"
        return Example(
            cls(), style(several, "role: ann answer: A role: ann answer: B"), Judges.STYLE
        )
