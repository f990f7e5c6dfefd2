"""What an audit tries: a task with completions known to be right and wrong, and what to expect."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum

from guerdon.examples import Judges, Probe


class Expect(StrEnum):
    """What a completion deserves; ANY = only that judging it neither fails nor hangs."""

    LOW = "low"
    HIGH = "high"
    ANY = "any"


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
