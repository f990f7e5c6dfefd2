"""Queries as answers: executed, and compared in parts."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Annotated, Any, ClassVar

from guerdon.examples import Example, Probe, probe
from guerdon.parsing import sections
from guerdon.ranges import NonNegative, between, check_ranges
from guerdon.records import Progress, Rollouts, Scores, Task
from guerdon.rewards.actions.tool_calls import jaccard
from guerdon.rewards.programs.sql_databases import Database, database_of, real_folders
from guerdon.rewards.programs.sql_engines import (
    Answer,
    Engine,
    QueryLimits,
    Sqlite,
    Unanswered,
    Unbuilt,
    run_queries,
)
from guerdon.rewards.programs.sql_text import (
    need_sqlglot,
    ngram_similarity,
    orders,
    query_of,
    schema_items,
)
from guerdon.rewards.running.rows import Judged, Ungradable, gather, refuse_ungradable
from guerdon.rewards.running.workers import Failed, WorkerPool

PARSE_SECONDS, PARSE_MEGABYTES = 3.0, 1024
"""What reading one query's schema items, or whether it orders, may take; beyond, it has none."""

Compare = Callable[[Answer, Answer], bool]
"""Reference answer and predicted answer: are they the same?"""


def same_set(gold: Answer, predicted: Answer) -> bool:
    """The same rows, whatever their order and repetition: BIRD's rule, blind to DISTINCT."""
    return gold.distinct == predicted.distinct


def same_multiset(gold: Answer, predicted: Answer) -> bool:
    """The same rows equally often, whatever their order."""
    return gold.sorted == predicted.sorted


def same_list(gold: Answer, predicted: Answer) -> bool:
    """The same rows in the same order: for references that ask for an order."""
    return gold.in_order == predicted.in_order


@dataclass(frozen=True)
class OrderIfAsked:
    """`same_list` where the reference query has a top-level ORDER BY, else ``otherwise``.

    Rows that tie in what they are ordered by may come in any order, and are then wrongly
    refused: let references order by a key. Needs sqlglot (extra ``sql``), which reads references
    in ``dialect``; one that it can't parse asks for no order.
    """

    otherwise: Compare = same_multiset
    dialect: str = "sqlite"

    def __call__(self, gold: Answer, predicted: Answer) -> bool:
        need_sqlglot("OrderIfAsked")
        same = same_list if _asks_for_order(gold.sql, self.dialect) else self.otherwise
        return same(gold, predicted)


@dataclass(frozen=True)
class SqlExecution:
    """1 where the completion's query gives what the reference query gives, else 0.

    The query is the last ```` ```sql ```` block, else the last ``<answer>`` section. Both run
    on the task's database (`database_of`) under ``limits``, in processes that can be stopped.
    ``compare`` is `same_set` (column order counts), `same_multiset`, `same_list` or
    `OrderIfAsked`. Value and part "execution". A predicted query that fails, writes or runs over
    a limit is a valid 0. A task without a database or reference query (column ``query``, else its
    answer), or with one that fails or runs over a limit, makes its rows invalid.

    Tasks may name files (column ``database``) only inside the folders ``databases``; without
    any, they bring ``schema`` and ``rows``. Raises ValueError where one of these is no folder.
    """

    name: ClassVar[str] = "sql"

    engine: Engine = Sqlite()
    compare: Compare = same_set
    limits: QueryLimits = QueryLimits()
    databases: tuple[str, ...] = ()

    scope: ClassVar[str] = "completion"
    range: ClassVar[tuple[float, float]] = (0.0, 1.0)

    def __call__(self, rollouts: Rollouts, progress: Progress) -> Scores:
        rows: list[Judged | Ungradable] = []
        for ran in executed(rollouts, self.engine, self.compare, self.limits, self.databases):
            if ran.ungradable:
                rows.append(Ungradable(ran.ungradable))
            else:
                value = float(ran.right)
                rows.append(Judged(value, {"execution": value}))
        return gather(rows)

    def check_tasks(self, tasks: Sequence[Task]) -> None:
        """See `check_databases`."""
        check_databases(tasks, self.engine, self.databases)

    @classmethod
    def example(cls) -> Example:
        return Example(cls(), _queries())


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
    """What a task is graded by, or why it can't be graded."""

    task: str
    database: Database | None = None
    query: str = ""
    answer: Answer | None = None
    failed: str = ""


def executed(
    rollouts: Rollouts,
    engine: Engine,
    compare: Compare,
    limits: QueryLimits,
    databases: Sequence[str] = (),
) -> list[Executed]:
    """Every row's query and every reference, each different one run once.

    References come first: where one fails, or its database, the task's queries are not run.
    """
    engine.check()
    folders = real_folders(databases)
    references = [_reference(task, databases) for task in rollouts.tasks]
    references = _answered(references, engine, limits, folders)
    groups = rollouts.group.tolist()
    queries = [query_of(text) for text in rollouts.texts]
    found: dict[tuple[int, str], Answer | Failed] = {}
    asked: list[tuple[int, Database, str]] = []
    for g, query in sorted(set(zip(groups, queries, strict=True))):
        one = references[g]
        if one.answer is not None and query == one.query:
            found[g, query] = one.answer
        elif one.answer is not None and one.database is not None and query:
            asked.append((g, one.database, query))
    answers = run_queries(
        [(database, query) for _, database, query in asked], engine, limits, folders
    )
    found.update({(g, query): answer for (g, _, query), answer in zip(asked, answers, strict=True)})
    return [
        _judged(query, references[g], found.get((g, query)), compare)
        for g, query in zip(groups, queries, strict=True)
    ]


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


def _answered(
    references: Sequence[_Reference], engine: Engine, limits: QueryLimits, folders: Sequence[str]
) -> list[_Reference]:
    asked = [(one.database, one.query) for one in references if one.database is not None]
    answers = iter(run_queries(asked, engine, limits, folders))
    return [one if one.database is None else _with_answer(one, next(answers)) for one in references]


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
    query: str, reference: _Reference, predicted: Answer | Failed | None, same: Compare
) -> Executed:
    gold, wanted = reference.query, reference.answer
    if wanted is None:
        return Executed(query, gold, False, False, reference.failed)
    if isinstance(predicted, Unbuilt):
        return Executed(query, gold, False, False, _unbuilt(reference.task, predicted))
    if not isinstance(predicted, Answer):
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


@dataclass(frozen=True)
class SqlQuestion:
    """What a judge is shown: question, schema, reference query, predicted query."""

    question: str
    schema: str
    gold: str
    predicted: str


SqlJudge = Callable[[Sequence[SqlQuestion]], Sequence[float | None]]
"""Logical closeness in [0, 1] of each prediction; None where it could not be judged."""


@dataclass(frozen=True)
class SqlReward:
    """Six partial rewards for text-to-SQL (Reasoning-SQL, arXiv 2503.23157).

    Value: sum of its parts, each already times its weight:

    - "execution" 3: as `SqlExecution`;
    - "judge" 2: what ``judge`` says of a wrong query, clipped to [0, 1]; asked only for those;
    - "syntax" 1: the query runs, whatever it gives;
    - "schema" 1: Jaccard index of tables and columns named (`schema_items`; extra ``sql``);
    - "ngram" 1: Jaccard index of token bigrams (`ngram_similarity`);
    - "format" 1: ``<reasoning>`` and ``<answer>`` once each, in order, nothing outside, and,
      with ``fenced``, a ```` ```sql ```` block in the answer.

    No query found: all parts but format are 0, and without one there is no format either.
    With ``spare_form`` a right query gets schema and ngram in full, so that another way of
    writing it is not held against it. What the judge left open counts ``fallback``, or, with
    None, makes the row invalid, like a database or reference that fails. Files of databases may
    lie in the folders ``databases`` only, as in `SqlExecution`.

    A wrong copy that the judge likes may outweigh a right query in other words: `bounds`.
    """

    name: ClassVar[str] = "sql-reward"
    extra: ClassVar[str] = "sql"

    engine: Engine = Sqlite()
    compare: Compare = same_set
    limits: QueryLimits = QueryLimits()
    judge: SqlJudge | None = None
    execution: NonNegative = 3.0
    judged: NonNegative = 2.0
    syntax: NonNegative = 1.0
    schema: NonNegative = 1.0
    ngram: NonNegative = 1.0
    format: NonNegative = 1.0
    reasoning: str = "reasoning"
    fenced: bool = True
    spare_form: bool = False
    fallback: Annotated[float | None, between(0, 1)] = None
    databases: tuple[str, ...] = ()

    scope: ClassVar[str] = "completion"

    def __post_init__(self) -> None:
        check_ranges(self)

    @property
    def range(self) -> tuple[float, float]:
        """0 to the best that a right or a wrong query can get (weights of 0 or more)."""
        alike = self.syntax + self.schema + self.ngram + self.format
        return 0.0, alike + max(self.execution, self.judged if self.judge else 0.0)

    @property
    def bounds(self) -> tuple[float, float]:
        """The least that a right query in form gets, and what no wrong query passes.

        They overlap where the first is below the second: a judge of weight 2 with the default
        weights gives 5 and 6, of weight 1 or less none.
        """
        form = self.schema + self.ngram
        least = self.execution + self.syntax + self.format + (form if self.spare_form else 0.0)
        most = (self.judged if self.judge else 0.0) + self.syntax + form + self.format
        return least, most

    def __call__(self, rollouts: Rollouts, progress: Progress) -> Scores:
        if self.schema:
            need_sqlglot("SqlReward with a weight for schema")
        ran = executed(rollouts, self.engine, self.compare, self.limits, self.databases)
        linked = self._links(ran)
        opinions = self._opinions(rollouts, ran)
        rows: list[Judged | Ungradable] = []
        for text, one, link, opinion in zip(rollouts.texts, ran, linked, opinions, strict=True):
            if one.ungradable:
                rows.append(Ungradable(one.ungradable))
            elif opinion is None:
                rows.append(Ungradable("the judge gave no score"))
            else:
                parts = self._parts(text, one, link, opinion)
                rows.append(Judged(sum(parts.values()), parts))
        return gather(rows)

    def check_tasks(self, tasks: Sequence[Task]) -> None:
        """See `check_databases`."""
        check_databases(tasks, self.engine, self.databases)

    def _parts(self, text: str, one: Executed, link: float, opinion: float) -> dict[str, float]:
        spared = one.right and self.spare_form
        close = ngram_similarity(one.query, one.gold) if one.query else 0.0
        return {
            "execution": self.execution * one.right,
            "judge": self.judged * opinion,
            "syntax": self.syntax * one.ran,
            "schema": self.schema * (1.0 if spared else link),
            "ngram": self.ngram * (1.0 if spared else close),
            "format": self.format * self.holds(text),
        }

    def holds(self, text: str) -> bool:
        """Whether a completion has the form."""
        names = (self.reasoning, "answer") if self.reasoning else ("answer",)
        found = sections(text, names)
        inside = found.once("answer") or ""
        fence = not self.fenced or ("```sql" in inside.lower() and bool(query_of(inside)))
        return found.strict and bool(inside.strip()) and fence

    def _links(self, ran: Sequence[Executed]) -> list[float]:
        if not self.schema:
            return [0.0] * len(ran)
        dialect = self.engine.dialect
        once = list(dict.fromkeys(sql for one in ran for sql in (one.query, one.gold) if sql))
        read = _parsers().map([{"sql": sql, "dialect": dialect} for sql in once])
        nothing: frozenset[str] = frozenset()
        items = {
            sql: nothing if isinstance(found, Failed) else found
            for sql, found in zip(once, read, strict=True)
        }
        return [
            jaccard(items[one.query], items[one.gold]) if one.query and one.gold else 0.0
            for one in ran
        ]

    def _opinions(self, rollouts: Rollouts, ran: Sequence[Executed]) -> list[float | None]:
        """The judge's word on wrong queries, each asked once; 0 where it is not asked."""
        questions: dict[int, SqlQuestion] = {}
        for row, one in enumerate(ran):
            if self.judge is not None and one.query and not one.right and not one.ungradable:
                task = rollouts.task_of(row)
                schema = str(task.columns.get("schema", ""))
                questions[row] = SqlQuestion(task.text, schema, one.gold, one.query)
        once = list(dict.fromkeys(questions.values()))
        replies: dict[SqlQuestion, float | None] = {}
        if once and self.judge is not None:
            replies = dict(zip(once, self.judge(once), strict=True))
        return [
            self._opinion(replies[questions[row]]) if row in questions else 0.0
            for row in range(len(ran))
        ]

    def _opinion(self, reply: float | None) -> float | None:
        if reply is None or math.isnan(reply):
            return self.fallback
        return min(max(float(reply), 0.0), 1.0)

    @classmethod
    def example(cls) -> Example:
        form = "<reasoning>{think}</reasoning>\n<answer>\n```sql\n{answer}\n```\n</answer>"
        return Example(cls(), tuple(replace(one, form=form) for one in _queries()))


@lru_cache(maxsize=4096)
def _asks_for_order(sql: str, dialect: str) -> bool:
    """`orders`, of a text that may be hostile; False where it can't be read in time."""
    (found,) = _order_readers().map([{"sql": sql, "dialect": dialect}])
    return found is True


@lru_cache(maxsize=1)
def _parsers() -> WorkerPool:
    return WorkerPool(schema_items, PARSE_SECONDS, megabytes=PARSE_MEGABYTES)


@lru_cache(maxsize=1)
def _order_readers() -> WorkerPool:
    return WorkerPool(orders, PARSE_SECONDS, workers=1, megabytes=PARSE_MEGABYTES)


def _queries() -> tuple[Probe, ...]:
    columns: dict[str, Any] = {
        "schema": "CREATE TABLE pets (name TEXT, age INTEGER)",
        "rows": [("ada", 3), ("bela", 9), ("cora", 12), ("dino", 9)],
        "table": "pets",
    }
    by_heart = "SELECT 'bela' UNION SELECT 'cora' UNION SELECT 'dino'"
    return (
        probe(
            *("old", "Table pets(name, age). Show name where age > 5."),
            "SELECT name FROM pets WHERE age > 5",
            ("SELECT name FROM pets WHERE age < 5", "SELECT * FROM pets", by_heart),
            ("select name from pets where age > 5;", "SELECT name FROM pets WHERE 5 < age"),
            **columns,
        ),
    )
