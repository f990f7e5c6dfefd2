"""Questions about a small fact table, answered by a sentence of a paraphrase grammar."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Annotated, ClassVar

from guerdon.ranges import Count, Seed, between, check_ranges
from guerdon.tasks.procedural import Drawn, Problem

PEOPLE = ("Anna", "Ben", "Carla", "David", "Eva", "Felix", "Greta", "Hugo", "Ida", "Jonas")
VALUES: Mapping[str, Sequence[str]] = MappingProxyType(
    {
        "city": ("Rome", "Oslo", "Lima", "Cairo", "Paris", "Delhi", "Tokyo", "Quito"),
        "pet": ("cat", "dog", "goat", "horse", "parrot", "rabbit", "snake", "turtle"),
        "job": ("baker", "doctor", "farmer", "judge", "nurse", "pilot", "teacher", "writer"),
    }
)
QUESTIONS: Mapping[str, str] = MappingProxyType(
    {
        "city": "Where does {who} live?",
        "pet": "Which pet does {who} keep?",
        "job": "What is the job of {who}?",
    }
)

GRAMMAR: Mapping[str, Sequence[str]] = MappingProxyType(
    {
        "city": (
            "{OPEN}{who} {LIVES} in {value}{END}",
            "{OPEN}the {HOME} of {who} is in {value}{END}",
            "{OPEN}{value} is {WHERE} {who} {LIVES}{END}",
            "{OPEN}{who} has a {HOME} in {value}{END}",
            "{OPEN}you can find {who} in {value}{END}",
        ),
        "pet": (
            "{OPEN}{who} {KEEPS} a {value}{END}",
            "{OPEN}the {ANIMAL} of {who} is a {value}{END}",
            "{OPEN}a {value} is the {ANIMAL} that {who} {KEEPS}{END}",
            "{OPEN}{who} has a {value} at home{END}",
            "{OPEN}it is a {value} that {who} {KEEPS}{END}",
        ),
        "job": (
            "{OPEN}{who} {WORKS} as a {value}{END}",
            "{OPEN}the {TRADE} of {who} is {value}{END}",
            "{OPEN}{who} is a {value} by {TRADE}{END}",
            "{OPEN}{who} is a {value}{END}",
            "{OPEN}{value} is the {TRADE} of {who}{END}",
        ),
        "OPEN": ("", "", "", "by the table, ", "as listed, ", "it says that "),
        "END": (".", ".", " now."),
        "LIVES": ("lives", "stays", "resides"),
        "HOME": ("home", "house", "flat"),
        "WHERE": ("where", "the city where"),
        "KEEPS": ("keeps", "owns"),
        "ANIMAL": ("pet", "animal"),
        "WORKS": ("works", "serves", "is employed"),
        "TRADE": ("job", "trade", "profession"),
    }
)
"""The paraphrase grammar, 42 rules: a symbol in capitals is replaced by one of its rules."""


def paraphrase(relation: str, who: str, value: str, source: random.Random) -> str:
    """One sentence that states the fact, expanded from `GRAMMAR` with uniform choices."""
    text = source.choice(GRAMMAR[relation])
    for symbol, rules in GRAMMAR.items():
        while "{" + symbol + "}" in text:
            text = text.replace("{" + symbol + "}", source.choice(rules), 1)
    text = text.replace("{who}", who).replace("{value}", value)
    return text[0].upper() + text[1:]


def stated_facts(sentence: str, relation: str) -> tuple[set[str], set[str]]:
    """People and values of ``relation`` that a sentence names: how truth is read off it."""
    words = {w.strip(".,!?") for w in sentence.split()}
    lowered = {w.lower() for w in words}
    return words & set(PEOPLE), {v for v in VALUES[relation] if v.lower() in lowered}


def facts_right(completion: str, answer: str, relation: str, person: str) -> float:
    """1 where the sentence names the person and the value asked for and no other, else 0.

    A function to lift to a reward; the arguments are `FactQuestions`' own.
    """
    return float(stated_facts(completion, relation) == ({person}, {answer}))


def fact_report(who: str, facts: Mapping[str, str], source: random.Random) -> str:
    """One sentence per relation, in the order of `VALUES`."""
    return " ".join(paraphrase(r, who, facts[r], source) for r in VALUES)


def corrupted_report(
    who: str, facts: Mapping[str, str], source: random.Random
) -> tuple[int, int, str]:
    """A `fact_report` of known quality: (wrong facts, broken words, text), fewer is better.

    Up to three facts are replaced by others of their relation; then up to three times two
    neighbouring words are swapped, the second left out or the first doubled.
    """
    relations = tuple(VALUES)
    wrong, broken = source.randint(0, len(relations)), source.randint(0, 3)
    told = dict(facts)
    for relation in source.sample(relations, wrong):
        told[relation] = source.choice([v for v in VALUES[relation] if v != facts[relation]])
    words = fact_report(who, told, source).split()
    for _ in range(broken):
        at = source.randrange(len(words) - 1)
        pair = words[at : at + 2]
        words[at : at + 2] = source.choice((pair[::-1], pair[:1], [pair[0], *pair]))
    return wrong, broken, " ".join(words)


@dataclass(frozen=True)
class FactQuestions(Drawn):
    """A table of people with city, pet and job, and a question about one of them.

    The answer is the value asked for ("Oslo"). Columns: ``references`` (that many different
    paraphrases of the full answer), ``relation``, ``person``, ``facts`` (person to relation to
    value). Tables hold one to ``people`` rows (at most 10): more rows are harder.
    """

    kind: ClassVar[str] = "facts"

    people: Annotated[int, between(1, len(PEOPLE))] = 3
    """The most rows of a table: more are harder."""
    references: Annotated[int, between(1, 8)] = 5
    """How many paraphrases of the answer each task has."""
    train: Count = 4096
    """Tasks to learn from."""
    test: Count = 512
    """Held-out tasks."""
    seed: Seed = 0
    """What they are drawn from."""

    def __post_init__(self) -> None:
        check_ranges(self)

    def draw(self, source: random.Random) -> Problem:
        """One problem."""
        names = source.sample(PEOPLE, source.randint(1, self.people))
        facts = {who: {r: source.choice(v) for r, v in VALUES.items()} for who in names}
        who, relation = source.choice(names), source.choice(list(VALUES))
        table = " ".join(f"{n}: {', '.join(row.values())};" for n, row in facts.items())
        value = facts[who][relation]
        references: list[str] = []
        while len(references) < self.references:
            sentence = paraphrase(relation, who, value, source)
            if sentence not in references:
                references.append(sentence)
        return Problem(
            prompt=f"{table}\n{QUESTIONS[relation].format(who=who)}\n",
            answer=value,
            columns={
                "references": references,
                "relation": relation,
                "person": who,
                "facts": facts,
            },
        )
