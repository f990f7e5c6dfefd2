"""Queries run on a task's data and on other data of its schema, and their answers compared."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import Protocol

from guerdon.records import Rollouts, Task
from guerdon.rewards.programs.sql_databases import Contents, Database, database_of, real_folders
from guerdon.rewards.programs.sql_engines import (
    Answer,
    Engine,
    QueryLimits,
    Unanswered,
    Unbuilt,
    contents_of,
    run_queries,
    run_together,
)
from guerdon.rewards.programs.sql_kept import Memory, bytes_of, content_key, steady
from guerdon.rewards.programs.sql_text import orders, query_of, ties_broken
from guerdon.rewards.programs.sql_variants import turned, variants
from guerdon.rewards.running.rows import refuse_ungradable
from guerdon.rewards.running.workers import Failed

Compare = Callable[[Answer, Answer], bool]
"""Reference answer and predicted answer: are they the same?"""


def same_set(gold: Answer, predicted: Answer) -> bool:
    """The same rows, whatever their order and repetition: BIRD's rule, blind to DISTINCT."""
    return set(gold.rows) == set(predicted.rows)


def same_multiset(gold: Answer, predicted: Answer) -> bool:
    """As many columns, and the same rows equally often, whatever their order."""
    return gold.columns == predicted.columns and sorted(gold.rows) == sorted(predicted.rows)


def same_list(gold: Answer, predicted: Answer) -> bool:
    """As many columns, and the same rows in the same order."""
    return gold.columns == predicted.columns and gold.rows == predicted.rows


@dataclass(frozen=True)
class OrderIfAsked:
    """In the reference's order where that query has a top-level ORDER BY, else ``otherwise``.

    Rows that tie in what they are ordered by may come in any order among each other, as far as the
    ties are known (`tied`).
    """

    otherwise: Compare = same_multiset

    def __call__(self, gold: Answer, predicted: Answer) -> bool:
        if not orders(gold.sql):
            return self.otherwise(gold, predicted)
        if not same_multiset(gold, predicted):
            return False
        ends = gold.ties or range(1, len(gold.rows) + 1)
        starts = (0, *ends)
        return all(
            sorted(gold.rows[a:b]) == sorted(predicted.rows[a:b])
            for a, b in zip(starts, ends, strict=False)
        )


def tied(up: Answer, down: Answer) -> tuple[int, ...]:
    """Where groups of rows end that tie in what a query orders by.

    ``up`` and ``down`` are its answers with ties broken one way and the other (`ties_broken`), the
    same rows; a group ends where both have given the same rows so far.
    """
    left: dict[bytes, int] = {}
    ends = []
    for place, (one, two) in enumerate(zip(up.rows, down.rows, strict=True), 1):
        for row, change in ((one, 1), (two, -1)):
            left[row] = left.get(row, 0) + change
            if not left[row]:
                del left[row]
        if not left:
            ends.append(place)
    return tuple(ends)


class Settings(Protocol):
    """What a reward of queries says of how they are run and compared."""

    @property
    def engine(self) -> Engine: ...
    @property
    def compare(self) -> Compare: ...
    @property
    def limits(self) -> QueryLimits: ...
    @property
    def databases(self) -> tuple[str, ...]: ...
    @property
    def variants(self) -> int: ...


@dataclass(frozen=True)
class Executed:
    """One row's query, whether it ran, whether its result is right, or why nobody can tell."""

    query: str
    gold: str
    ran: bool
    right: bool
    ungradable: str = ""


@dataclass(frozen=True)
class _Reference:
    """What a task is graded by, or why it can't be graded; ``others`` are databases of its schema
    with the reference's answer on each."""

    task: str
    database: Database | None = None
    query: str = ""
    answer: Answer | None = None
    failed: str = ""
    others: tuple[tuple[Database, Answer], ...] = ()

    @property
    def size(self) -> int:
        """An estimate of its bytes in memory."""
        data = [data for data, _ in self.others]
        answers = [answer for _, answer in self.others]
        rows = sum(len(one.rows) + len(one.ties) for one in [*answers, self.answer] if one)
        own = [] if self.database is None else [self.database]
        return 2000 + 100 * rows + sum(map(bytes_of, [*data, *own]))


_KNOWN: Memory[_Reference] = Memory()


def executed(rollouts: Rollouts, settings: Settings) -> list[Executed]:
    """Every row's query and every reference, each different one run once on each database.

    References come first: where one fails, or its database, the task's queries are not run. Tasks
    with the same data and reference are one, and what was found out about it is kept for the next
    batch (`guerdon.rewards.programs.sql_kept`).
    """
    settings.engine.check()
    running = _Running(settings, real_folders(settings.databases))
    given = [_reference(task, settings.databases) for task in rollouts.tasks]
    keys = [running.key(one) or place for place, one in enumerate(given)]
    once: dict[Hashable, _Reference] = {}
    for key, one in zip(keys, given, strict=True):
        once.setdefault(key, one)
    known = running.known(once)
    of_row = rollouts.group.tolist()
    queries = [query_of(text) for text in rollouts.texts]
    judged: dict[tuple[Hashable, str], Executed] = {}
    asked: list[tuple[Hashable, str]] = []
    for key, query in dict.fromkeys(zip((keys[g] for g in of_row), queries, strict=True)):
        one = known[key]
        if one.failed:
            judged[key, query] = Executed(query, one.query, False, False, one.failed)
        elif query == one.query or not query:
            judged[key, query] = Executed(query, one.query, bool(query), bool(query))
        else:
            asked.append((key, query))
    place = {key: number for number, key in enumerate(once)}
    judged |= running.judged(sorted(asked, key=lambda pair: place[pair[0]]), known)
    return [
        _of_task(judged[keys[g], query], known[keys[g]].task, given[g].task)
        for g, query in zip(of_row, queries, strict=True)
    ]


def _of_task(one: Executed, found_for: str, task: str) -> Executed:
    """What was found for one task, told of another with the same data."""
    named = f"task {found_for!r}"
    if found_for == task or not one.ungradable.startswith(named):
        return one
    return replace(one, ungradable=f"task {task!r}{one.ungradable.removeprefix(named)}")


@dataclass(frozen=True)
class _Running:
    """Queries run as the settings say."""

    settings: Settings
    folders: tuple[str, ...]

    def run(self, asked: Sequence[tuple[Database, str]]) -> list[Answer | Failed]:
        return run_queries(asked, self.settings.engine, self.settings.limits, self.folders)

    def known(self, references: Mapping[Hashable, _Reference]) -> dict[Hashable, _Reference]:
        """References with all that they are graded by, found out now or in an earlier batch."""
        kept = [key for key, one in references.items() if self._is_kept(key, one)]
        known = {
            key: replace(old, task=references[key].task) for key in kept if (old := _KNOWN.get(key))
        }
        new = {key: one for key, one in references.items() if key not in known}
        found = self.with_others(self.answered(list(new.values())))
        for key, one in zip(new, found, strict=True):
            known[key] = one
            if key in kept and not one.failed:
                _KNOWN.put(key, one, one.size)
        return known

    def key(self, one: _Reference) -> Hashable:
        """Equal for references that are graded alike; None where that can't be said."""
        settings = self.settings
        content = None if one.database is None else content_key(one.database)
        if not isinstance(settings.engine, Hashable):
            return None
        how = settings.engine, settings.limits, settings.variants, self.folders
        return content and (content, one.query, *how)

    def _is_kept(self, key: Hashable, one: _Reference) -> bool:
        """Whether finding it out costs much, and would give the same another time."""
        if one.database is None or not self.settings.variants or not isinstance(key, tuple):
            return False
        return steady(one.query) and steady(one.database.script)

    def run_together(
        self, asked: Sequence[Sequence[tuple[Database, str]]]
    ) -> list[list[Answer | Failed]]:
        return run_together(asked, self.settings.engine, self.settings.limits, self.folders)

    def answered(self, references: Sequence[_Reference]) -> list[_Reference]:
        """References with their answers on the tasks' own data."""
        asked = [(one.database, one.query) for one in references if one.database is not None]
        answers = iter(self.run(asked))
        return [
            one if one.database is None else _with_answer(one, next(answers)) for one in references
        ]

    def with_others(self, references: Sequence[_Reference]) -> list[_Reference]:
        """References with the ties of their answers, and with their answers on other databases."""
        ready = [one for one in references if one.answer is not None and one.database is not None]
        data = [one.database for one in ready if one.database is not None]
        settings, count = self.settings, self.settings.variants
        held = contents_of(data, settings.engine, settings.limits, self.folders) if count else []
        found = iter(held)
        plans = [
            _Plan(one, database, _others(one.query, next(found, None), count), count > 0)
            for one, database in zip(ready, data, strict=True)
        ]
        answers = itertools.chain.from_iterable(self.run_together([plan.asked for plan in plans]))
        made = {id(plan.reference): plan.with_answers(answers) for plan in plans}
        return [made.get(id(one), one) for one in references]

    def judged(
        self, asked: Sequence[tuple[Hashable, str]], references: Mapping[Hashable, _Reference]
    ) -> dict[tuple[Hashable, str], Executed]:
        """What each query of a reference is worth: on its own data, then on the others."""
        own = [(references[g].database, query) for g, query in asked]
        answers = self.run([(data, query) for data, query in own if data is not None])
        judged = {
            (g, query): _judged(query, references[g], answer, self.settings.compare)
            for (g, query), answer in zip(asked, answers, strict=True)
        }
        right = [pair for pair in asked if judged[pair].right]
        # Queries on one database follow each other.
        more = [
            [
                (pair, data, gold)
                for data, gold in references[g].others
                for pair in right
                if pair[0] == g
            ]
            for g in dict.fromkeys(g for g, _ in right)
        ]
        found = self.run_together([[(data, pair[1]) for pair, data, _ in one] for one in more])
        for (pair, _, gold), answer in zip(
            itertools.chain(*more), itertools.chain(*found), strict=True
        ):
            if not isinstance(answer, Answer) or not self.settings.compare(gold, answer):
                judged[pair] = replace(judged[pair], right=False)
        return judged


def _others(query: str, held: Contents | Failed | None, count: int) -> list[Database]:
    return variants(held, query, count) if isinstance(held, Contents) else []


@dataclass(frozen=True)
class _Plan:
    """What is asked to know a reference's ties, and its answers on other databases."""

    reference: _Reference
    database: Database
    others: Sequence[Database]
    compares: bool

    @property
    def broken(self) -> list[str]:
        answer = self.reference.answer
        return [] if answer is None else ties_broken(self.reference.query, answer.columns)

    @property
    def asked(self) -> list[tuple[Database, str]]:
        """Database and query, in the order in which `with_answers` reads the answers."""
        query = self.reference.query
        own = [(self.database, sql) for sql in self.broken]
        return own + [
            pair
            for data in self.others
            for pair in (
                (data, query),
                *((data, sql) for sql in self.broken),
                (turned(data), query),
            )
        ]

    def with_answers(self, answers: Iterator[Answer | Failed]) -> _Reference:
        """The reference with the databases on which its answer does not depend on how rows lie."""
        one, ways = self.reference, len(self.broken)
        own = one.answer and _with_ties(one.answer, list(islice(answers, ways)))
        others = []
        for data in self.others:
            first, *more = islice(answers, ways + 2)
            agree = isinstance(first, Answer) and all(
                isinstance(way, Answer) and same_multiset(first, way) for way in more
            )
            if agree and isinstance(first, Answer):
                others.append((data, _with_ties(first, more[:ways])))
        found = [own, *(answer for _, answer in others)]
        if self.compares and not any(answer.rows for answer in found if answer is not None):
            return replace(one, failed=_finds_nothing(one.task))
        return replace(one, answer=own, others=tuple(others))


def _with_ties(answer: Answer, ways: Sequence[Answer | Failed]) -> Answer:
    """The answer with its ties, where both ways of breaking them give its own rows."""
    known = [way for way in ways if isinstance(way, Answer) and same_multiset(answer, way)]
    return replace(answer, ties=tied(*known)) if len(known) == 2 else answer


def _finds_nothing(task: str) -> str:
    return (
        f"task {task!r}: its reference query finds no row in its database nor in others of the "
        "schema, so any query that finds none would pass; give it rows to find"
    )


def check_databases(tasks: Sequence[Task], engine: Engine, databases: Sequence[str]) -> None:
    """Raise ValueError naming each task without a query, or without a database within reach.

    To be called before a run; nothing is executed. ImportError where the engine is missing.
    """
    engine.check()
    found = [_reference(task, databases) for task in tasks]
    refuse_ungradable([one.failed for one in found if one.failed])


def _reference(task: Task, databases: Sequence[str]) -> _Reference:
    try:
        return _Reference(task.id, database_of(task, databases), _gold(task))
    except ValueError as error:
        return _Reference(task.id, failed=str(error))


def _with_answer(one: _Reference, found: Answer | Failed) -> _Reference:
    if isinstance(found, Answer):
        return replace(one, answer=found)
    if isinstance(found, Unanswered):
        return replace(one, failed=f"the reference query failed: {found.reason}")
    return replace(one, failed=_unbuilt(one.task, found))


def _unbuilt(task: str, found: Failed) -> str:
    if isinstance(found, Unbuilt):
        return f"task {task!r}: its database can't be used: {found.reason}"
    return f"task {task!r}: its database or its reference query stopped the worker: {found.reason}"


def _judged(
    query: str, reference: _Reference, predicted: Answer | Failed, same: Compare
) -> Executed:
    gold, wanted = reference.query, reference.answer
    if isinstance(predicted, Unbuilt):
        return Executed(query, gold, False, False, _unbuilt(reference.task, predicted))
    if wanted is None or not isinstance(predicted, Answer):
        return Executed(query, gold, False, False)
    return Executed(query, gold, True, same(wanted, predicted))


def _gold(task: Task) -> str:
    answer = task.columns.get("query", task.answer)
    if not isinstance(answer, str) or not answer.strip():
        raise ValueError(
            f"task {task.id!r}: its reference query is {answer!r:.40}; give it as text, as the "
            "answer or in the column 'query'"
        )
    return answer.strip().rstrip(";")
