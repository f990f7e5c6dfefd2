"""What an audit tries: a task with completions known to be right and wrong, and what to expect."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum

from guerdon.records import Task
from guerdon.stages import Reward

THOUGHT = "I work it out."
"""What stands in the thinking section of a completion that nothing else is put into."""


class Expect(StrEnum):
    """What a completion deserves; ANY = only that judging it neither fails nor hangs."""

    LOW = "low"
    HIGH = "high"
    ANY = "any"


class Judges(StrEnum):
    """What a reward looks at: whether the answer is right, the sections, or the style."""

    ANSWER = "answer"
    FORM = "form"
    STYLE = "style"


@dataclass(frozen=True)
class Probe:
    """One task with its right answer and some that are wrong beyond dispute.

    ``right``, ``wrong`` and ``rewrites`` (right answers written otherwise) are bare answers;
    ``form`` makes a completion of one: a text with ``{answer}`` and, if it has a place for
    thinking, ``{think}``. ``choices``: the letters of a multiple-choice task.
    """

    task: Task
    right: str
    wrong: tuple[str, ...]
    rewrites: tuple[str, ...] = ()
    form: str = "{answer}"
    choices: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not self.wrong:
            raise ValueError(f"task {self.task.id!r}: an audit needs at least one wrong answer")

    def wrap(self, answer: str, thought: str = THOUGHT) -> str:
        """The completion that gives this answer in form."""
        return self.form.replace("{think}", thought).replace("{answer}", answer)

    @property
    def good(self) -> str:
        """The right answer in form."""
        return self.wrap(self.right)

    @property
    def bad(self) -> str:
        """The first wrong answer in form."""
        return self.wrap(self.wrong[0])


@dataclass(frozen=True)
class Subject:
    """A reward with probes, and what it looks at."""

    reward: Reward
    probes: tuple[Probe, ...]
    judges: Judges = Judges.ANSWER


@dataclass(frozen=True)
class Attack:
    """A way to try a reward: completions made from a probe, all of the same expectation.

    The expectation holds for rewards that judge one of ``of``; for others it is ANY.
    """

    name: str
    about: str
    expect: Expect
    make: Callable[[Probe], Iterable[str]]
    of: frozenset[Judges] = frozenset({Judges.ANSWER})


@dataclass(frozen=True)
class Case:
    """One completion to be judged."""

    probe: Probe
    attack: str
    completion: str
    expect: Expect


def cases_of(probe: Probe, attacks: Iterable[Attack], judges: Judges) -> Iterator[Case]:
    """Every attack's completions on one probe, each text once per attack.

    A text that merely states the right answer is no attack: such low expectations are dropped
    (the reference may be "Solution", or 7 where the attack is a 7).
    """
    innocent = {probe.right.strip(), probe.good.strip()}
    innocent |= {text.strip() for one in probe.rewrites for text in (one, probe.wrap(one))}
    for attack in attacks:
        expect = attack.expect if judges in attack.of else Expect.ANY
        for text in dict.fromkeys(attack.make(probe)):
            if expect is not Expect.LOW or text.strip() not in innocent:
                yield Case(probe, attack.name, text, expect)
