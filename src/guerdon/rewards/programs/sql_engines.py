"""Queries run on real databases, in processes that can be stopped and reach nothing else."""

from __future__ import annotations

import hashlib
import os
import pickle
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Protocol

from guerdon.rewards.programs.sandbox.isolation import LIBRARIES, restrict
from guerdon.rewards.programs.sql_databases import (
    BuildError,
    Contents,
    Database,
    QueryLimits,
    database_of,
    in_worker,
)
from guerdon.rewards.programs.sql_duckdb import DuckDb
from guerdon.rewards.programs.sql_sqlite import Sqlite
from guerdon.rewards.running.workers import Failed, WorkerPool, failure

__all__ = [
    "Answer",
    "Contents",
    "Database",
    "DuckDb",
    "Engine",
    "QueryLimits",
    "Sqlite",
    "Unanswered",
    "Unbuilt",
    "answer_query",
    "contents_of",
    "database_of",
    "run_queries",
    "run_together",
]

MAX_SQL = 10_000
"""Longest query that is run, in characters."""


@dataclass(frozen=True)
class Answer:
    """A query's result: the digest of each row, in order, and how many columns they have.

    Cells: NULL is its own; numbers equal as numbers, rounded to 6 places, and no text; texts,
    bytes and what else an engine has compare as text. ``ties`` are places at which a group of
    rows ends whose order says nothing, see `tied`.
    """

    rows: tuple[bytes, ...]
    columns: int
    sql: str
    ties: tuple[int, ...] = ()


@dataclass(frozen=True)
class Unbuilt(Failed):
    """The query was not run: its database could not be opened or built."""


@dataclass(frozen=True)
class Unanswered(Failed):
    """The database stands; the query failed or ran over a limit."""


class Engine(Protocol):
    """A database engine. ``dialect`` is sqlglot's name of its SQL."""

    dialect: str

    def check(self) -> None:
        """Raise ImportError, naming the mend, where the engine is not installed."""
        ...

    def rows(
        self, database: Database, sql: str, limits: QueryLimits
    ) -> tuple[int, list[tuple[Any, ...]]]:
        """The number of columns and the rows of one query that only reads; raises for anything
        else and over a limit."""
        ...

    def tables(self, database: Database, limits: QueryLimits) -> Contents:
        """What the database holds, its tables by their first rows; raises over a limit."""
        ...


def run_queries(
    asked: Sequence[tuple[Database, str]],
    engine: Engine,
    limits: QueryLimits,
    folders: Sequence[str] = (),
) -> list[Answer | Failed]:
    """One answer, or why there is none, per (database, query), in order.

    Every query runs in a worker process that is confined (`_confine`) to ``folders``. Its engine
    stops building the database, and then the query, after ``limits.seconds`` each; should a
    native call not come back, the process is killed after three times that and 5 s. A query
    that brings its process down fails alone. Queries on one `Database` that follow each other
    find it built already, once for each worker.

    Gives `Unbuilt` or `Unanswered` for what the engine said, plain `Failed` where the process
    was killed or ended.
    """
    return _alone(asked, engine, limits, folders)


def run_together(
    asked: Sequence[Sequence[tuple[Database, str]]],
    engine: Engine,
    limits: QueryLimits,
    folders: Sequence[str] = (),
) -> list[list[Answer | Failed]]:
    """As `run_queries`, each inner sequence in one process: for many queries on small databases.

    What fails in company is asked again by itself: it may have failed for what another took.
    """
    answers: list[list[Answer | Failed]] = [
        [found] * len(group) if isinstance(found, Failed) else list(found)
        for group, found in zip(asked, _in_workers(asked, engine, limits, folders), strict=True)
    ]
    places = [(g, k) for g, found in enumerate(answers) for k, _ in enumerate(found)]
    failed = [(g, k) for g, k in places if isinstance(answers[g][k], Failed)]
    again = run_queries([asked[g][k] for g, k in failed], engine, limits, folders)
    for (g, k), answer in zip(failed, again, strict=True):
        answers[g][k] = answer
    return answers


def contents_of(
    databases: Sequence[Database],
    engine: Engine,
    limits: QueryLimits,
    folders: Sequence[str] = (),
) -> list[Contents | Failed]:
    """What each database holds (see `Engine.tables`), found out as `run_queries` does."""
    return _alone([(one, None) for one in databases], engine, limits, folders)


def _alone(
    asked: Sequence[tuple[Database, str | None]],
    engine: Engine,
    limits: QueryLimits,
    folders: Sequence[str],
) -> list[Any]:
    """Each in a call of its own."""
    found = _in_workers([[one] for one in asked], engine, limits, folders)
    return [one if isinstance(one, Failed) else one[0] for one in found]


def _in_workers(
    asked: Sequence[Sequence[tuple[Database, str | None]]],
    engine: Engine,
    limits: QueryLimits,
    folders: Sequence[str],
) -> list[list[Any] | Failed]:
    """One call per inner sequence: its answers, or why the call as a whole gave none."""
    packed: dict[int, bytes | Failed] = {}
    for group in asked:
        for database, _ in group:
            if id(database) not in packed:
                packed[id(database)] = _packed(database)
    results: list[Any] = []
    calls: dict[int, dict[str, Any]] = {}
    for place, group in enumerate(asked):
        ready = [(packed[id(database)], sql) for database, sql in group]
        results.append(next((one for one, _ in ready if isinstance(one, Failed)), None))
        if results[place] is None:
            calls[place] = {"engine": engine, "asked": ready, "limits": limits}
    pool = _pool(type(engine), limits, tuple(folders))
    for place, result in zip(calls, pool.map(list(calls.values())), strict=True):
        results[place] = result
    return results


def _packed(database: Database) -> bytes | Failed:
    try:
        return pickle.dumps(database)
    except Exception as error:
        return Unbuilt(f"it can't be sent to a worker: {failure(error).reason}")


@lru_cache(maxsize=8)
def _pool(kind: type, limits: QueryLimits, folders: tuple[str, ...]) -> WorkerPool:
    """Workers of one kind of engine: forked once its module is there."""
    return WorkerPool(
        _Confined(folders),
        3 * limits.seconds + 5,
        megabytes=limits.memory_mb + HEADROOM_MB,
        kept_mb=HEADROOM_MB // 2,
    )


class _Confined:
    """What a worker calls: it gives up what it does not need, and remembers the last database."""

    def __init__(self, folders: tuple[str, ...]) -> None:
        self.folders, self.confined = folders, False
        self.packed, self.database = b"", Database()

    def __call__(
        self, engine: Engine, asked: Sequence[tuple[bytes, str | None]], limits: QueryLimits
    ) -> list[Answer | Contents | Failed]:
        if not self.confined:
            self.confined = True
            _confine(self.folders)
        return [self._answered(engine, packed, sql, limits) for packed, sql in asked]

    def _answered(
        self, engine: Engine, packed: bytes, sql: str | None, limits: QueryLimits
    ) -> Answer | Contents | Failed:
        if packed != self.packed:
            self.packed, self.database = packed, pickle.loads(packed)
        try:
            if sql is None:
                return engine.tables(self.database, limits)
            return answer_query(engine, self.database, sql, limits)
        except BuildError as error:
            return Unbuilt(str(error)[:200])
        except (Exception, SystemExit) as error:
            return Unanswered(failure(error).reason)


def _confine(folders: Sequence[str]) -> None:
    """Let this process write no file, and read little.

    Whatever an engine can be talked into, the kernel lets it write not one byte to a file
    (RLIMIT_FSIZE) and, where it has Landlock, open nothing but ``folders`` and what Python needs,
    make no file at all, and from Landlock 4 on open no TCP connection.
    """
    if not in_worker():
        return
    import resource

    for kind in (resource.RLIMIT_FSIZE, resource.RLIMIT_CORE):
        resource.setrlimit(kind, (0, 0))
    python = [os.path.dirname(os.__file__), os.path.join(sys.base_prefix, "lib")]
    python += [path for path in sys.path if path.endswith("site-packages")]
    # DuckDB asks its control group for the memory that it has, and ends where it may not ask.
    asked = ["/proc/self", "/sys/fs/cgroup"]
    readable = [*LIBRARIES, *python, *asked, str(Path(__file__).parents[2]), *folders]
    # Landlock's caller names one folder with all rights: in this one there is nothing to change.
    restrict(
        [path for path in readable if os.path.isdir(path)], "/proc/self/fdinfo", own_root=False
    )


def answer_query(engine: Engine, database: Database, sql: str, limits: QueryLimits) -> Answer:
    """The answer to one query; raises BuildError, or what the engine raises."""
    if len(sql) > MAX_SQL or "\0" in sql:
        raise ValueError(f"a query is text of at most {MAX_SQL} characters")
    columns, rows = engine.rows(database, sql, limits)
    return Answer(tuple(_digest(map(_cell, row)) for row in rows), columns, sql)


def _cell(value: Any) -> str:
    if value is None:
        return "null"
    if isinstance(value, bytes):
        value = value.decode("utf-8", "replace")
    if isinstance(value, str):
        return f"text {value}"
    try:
        number = value if isinstance(value, int) else round(float(value), 6)
        whole = int(number) if number == int(number) else number
        return f"number {whole}"
    except (TypeError, ValueError):
        return f"text {value}"
    except OverflowError:
        return f"number {float(value)}"


def _digest(cells: Iterable[str]) -> bytes:
    """Of a row: every cell with its length first, so that none runs into the next."""
    joined = "".join(f"{len(cell)}:{cell}" for cell in cells)
    return hashlib.blake2b(joined.encode("utf-8", "surrogatepass"), digest_size=16).digest()


HEADROOM_MB = 1024
"""Memory beyond the engine's own memory limit: thread stacks, malloc arenas, libraries.

The engine's limit must strike first: a process that is short of memory fails innocent queries.
"""
