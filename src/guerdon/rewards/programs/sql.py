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
from guerdon.rewards.programs.sql_answers import (
    Compare,
    Executed,
    OrderIfAsked,
    check_databases,
    executed,
)
from guerdon.rewards.programs.sql_engines import Engine, QueryLimits, Sqlite
from guerdon.rewards.programs.sql_text import (
    need_sqlglot,
    ngram_similarity,
    query_of,
    schema_items,
)
from guerdon.rewards.running.rows import Judged, Ungradable, gather
from guerdon.rewards.running.workers import Failed, WorkerPool

PARSE_SECONDS, PARSE_MEGABYTES = 3.0, 1024
"""What reading one query's schema items may take; beyond, it has none."""


@dataclass(frozen=True)
class SqlExecution:
    """1 where the completion's query gives what the reference query gives, else 0.

    The query is what `query_of` finds. Both run on the task's database (`database_of`) under
    ``limits``, in processes that can be stopped, and, where their answers are the same, on
    ``variants`` others of the same schema with rows made up (`sql_variants`), always the same ones:
    a query that is right by accident is not right. A variant on which the reference's answer
    depends on how the rows lie, as of a LIMIT among ties, says nothing. ``compare`` is
    `OrderIfAsked`, `same_multiset`, `same_list` or, with ``variants`` 0, BIRD's `same_set`; the
    order of columns counts, their names do not. Value and part "execution". A predicted query that
    fails, writes or runs over a limit is a valid 0. A task without a database or reference query
    (column ``query``, else its answer), with one that fails or runs over a limit, or with one that
    finds no row in any of the databases, makes its rows invalid.

    Tasks may name files (column ``database``) only inside the folders ``databases``; without
    any, they bring ``schema`` and ``rows``. Raises ValueError where one of these is no folder.
    """

    name: ClassVar[str] = "sql"

    engine: Engine = Sqlite()
    """What runs the queries."""
    compare: Compare = OrderIfAsked()
    """When two results are the same."""
    limits: QueryLimits = QueryLimits()
    """What a query may use."""
    databases: tuple[str, ...] = ()
    """The folders that databases may lie in."""
    variants: Annotated[int, between(0, 32, "0 compares on the task's data alone")] = 4
    """On how many further versions of the data the results must be the same too."""

    scope: ClassVar[str] = "completion"
    range: ClassVar[tuple[float, float]] = (0.0, 1.0)

    def __post_init__(self) -> None:
        check_ranges(self)

    def __call__(self, rollouts: Rollouts, progress: Progress) -> Scores:
        rows: list[Judged | Ungradable] = []
        for ran in executed(rollouts, self):
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
    """What runs the queries."""
    compare: Compare = OrderIfAsked()
    """When two results are the same."""
    limits: QueryLimits = QueryLimits()
    """What a query may use."""
    judge: SqlJudge | None = None
    """Who judges wrong queries; null: nobody."""
    execution: NonNegative = 3.0
    """What the right result is worth."""
    judged: NonNegative = 2.0
    """What the judge's word is worth."""
    syntax: NonNegative = 1.0
    """What a query that runs is worth."""
    schema: NonNegative = 1.0
    """What the right tables and columns are worth."""
    ngram: NonNegative = 1.0
    """What the reference's wording is worth."""
    format: NonNegative = 1.0
    """What the form is worth."""
    reasoning: str = "reasoning"
    """The section of reasoning."""
    fenced: bool = True
    """Whether the query must stand in a fence."""
    spare_form: bool = False
    """Whether a right query gets schema and ngram in full."""
    fallback: Annotated[float | None, between(0, 1)] = None
    """What counts where the judge said nothing; null: the row is invalid."""
    databases: tuple[str, ...] = ()
    """The folders that databases may lie in."""
    variants: Annotated[int, between(0, 32, "0 compares on the task's data alone")] = 4
    """On how many further versions of the data the results must be the same too."""

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
        ran = executed(rollouts, self)
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


@lru_cache(maxsize=1)
def _parsers() -> WorkerPool:
    return WorkerPool(schema_items, PARSE_SECONDS, megabytes=PARSE_MEGABYTES)


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
