"""Queries run on real databases, in processes that can be stopped."""

from __future__ import annotations

import contextlib
import hashlib
import multiprocessing
import sqlite3
import threading
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any, Protocol

from guerdon.records import Task
from guerdon.rewards.memory import limit_memory
from guerdon.rewards.workers import Failed, WorkerPool

MAX_SQL = 10_000
"""Longest query that is run, in characters."""


@dataclass(frozen=True)
class QueryLimits:
    """What one query may use: processor seconds, rows of result, memory of its engine."""

    seconds: float = 30.0
    rows: int = 10_000
    memory_mb: int = 512


@dataclass(frozen=True)
class Database:
    """A file, or a script of CREATE and INSERT statements with further rows for its tables."""

    file: str = ""
    script: str = ""
    rows: Mapping[str, Sequence[Sequence[Any]]] = field(default_factory=dict)


@dataclass(frozen=True)
class Answer:
    """A query's result, as digests of its rows: in order, sorted, and sorted without repetition.

    Cells: NULL is its own; numbers equal as numbers, rounded to 6 places; texts, bytes and
    what else an engine has compare as text.
    """

    in_order: str
    sorted: str
    distinct: str
    count: int
    sql: str


class Engine(Protocol):
    """A database engine. ``dialect`` is sqlglot's name of its SQL."""

    dialect: str

    def check(self) -> None:
        """Raise ImportError, naming the mend, where the engine is not installed."""
        ...

    def rows(self, database: Database, sql: str, limits: QueryLimits) -> list[tuple[Any, ...]]:
        """The rows of one query that only reads; raises for anything else and over a limit."""
        ...


@dataclass(frozen=True)
class Sqlite:
    """SQLite: files are opened read-only, and only SELECT passes its authorizer."""

    dialect = "sqlite"

    def check(self) -> None:
        """It comes with Python."""

    def rows(self, database: Database, sql: str, limits: QueryLimits) -> list[tuple[Any, ...]]:
        """The rows of one query; see `Engine`."""
        with contextlib.closing(_sqlite(database)) as connection:
            if _in_worker():  # the limit is the process's, and can't be raised again
                connection.execute(f"PRAGMA hard_heap_limit = {limits.memory_mb << 20}")
            deadline = time.process_time() + limits.seconds
            connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, 1_000_000)
            connection.setlimit(sqlite3.SQLITE_LIMIT_LIKE_PATTERN_LENGTH, 1000)
            connection.set_authorizer(_only_reading)
            connection.set_progress_handler(lambda: time.process_time() > deadline, 10_000)
            return _fetched(connection.execute(sql), limits)


def _sqlite(database: Database) -> sqlite3.Connection:
    if database.file:
        return sqlite3.connect(f"{Path(database.file).resolve().as_uri()}?mode=ro", uri=True)
    connection = sqlite3.connect(":memory:")
    connection.executescript(database.script)
    for table, rows in database.rows.items():
        for row in rows:
            marks = ", ".join("?" * len(row))
            connection.execute(f'INSERT INTO "{table}" VALUES ({marks})', tuple(row))
    return connection


_READING = frozenset(
    {sqlite3.SQLITE_SELECT, sqlite3.SQLITE_READ, sqlite3.SQLITE_FUNCTION, sqlite3.SQLITE_RECURSIVE}
)


def _only_reading(action: int, one: str | None, two: str | None, *_: str | None) -> int:
    loads = action == sqlite3.SQLITE_FUNCTION and two in ("load_extension", "fts3_tokenizer")
    return sqlite3.SQLITE_OK if action in _READING and not loads else sqlite3.SQLITE_DENY


@dataclass(frozen=True)
class DuckDb:
    """DuckDB (extra ``sql``): read-only, no file, extension or setting within reach."""

    dialect = "duckdb"

    def check(self) -> None:
        """Load duckdb, before workers are forked; ImportError where it is missing."""
        try:
            import duckdb  # noqa: F401
        except ImportError:
            mend = "DuckDb needs the package duckdb: pip install 'guerdon[sql]'"
            raise ImportError(mend) from None

    def rows(self, database: Database, sql: str, limits: QueryLimits) -> list[tuple[Any, ...]]:
        """The rows of one query; see `Engine`."""
        import duckdb

        settings = {
            "threads": 1,
            "memory_limit": f"{limits.memory_mb}MB",
            "enable_external_access": False,
            "autoinstall_known_extensions": False,
            "autoload_known_extensions": False,
            "temp_directory": "",
        }
        place = database.file or ":memory:"
        connection = duckdb.connect(place, read_only=bool(database.file), config=settings)
        with contextlib.closing(connection):
            if database.script:
                connection.execute(database.script)
            for table, rows in database.rows.items():
                marks = ", ".join("?" * (len(rows[0]) if rows else 0))
                connection.executemany(f'INSERT INTO "{table}" VALUES ({marks})', list(rows))
            connection.execute("SET lock_configuration = true")
            statements = connection.extract_statements(sql)
            if [one.type for one in statements] != [duckdb.StatementType.SELECT]:
                raise ValueError("only one SELECT is run")
            clock = threading.Timer(limits.seconds, connection.interrupt)
            clock.start()
            try:
                return _fetched(connection.execute(statements[0]), limits)
            finally:
                clock.cancel()


def _fetched(cursor: Any, limits: QueryLimits) -> list[tuple[Any, ...]]:
    rows: list[tuple[Any, ...]] = cursor.fetchmany(limits.rows + 1)
    if len(rows) > limits.rows:
        raise ValueError(f"over {limits.rows} rows")
    return rows


def run_queries(
    asked: Sequence[tuple[Database, str]], engine: Engine, limits: QueryLimits
) -> list[Answer | Failed]:
    """One answer, or why there is none, per (database, query), in order.

    Every query runs in a worker process with a bound on its memory. Its engine stops it
    after ``limits.seconds``; should a native call not come back, the process is killed after
    twice that and 5 s. A query that brings its process down fails alone.
    """
    calls = [
        {"engine": engine, "database": database, "sql": sql, "limits": limits}
        for database, sql in asked
    ]
    return _pool(limits).map(calls)


@lru_cache(maxsize=4)
def _pool(limits: QueryLimits) -> WorkerPool:
    return WorkerPool(answer_query, 2 * limits.seconds + 5)


def answer_query(engine: Engine, database: Database, sql: str, limits: QueryLimits) -> Answer:
    """The answer to one query; raises what the engine raises."""
    _bound_memory(limits.memory_mb + HEADROOM_MB)
    if len(sql) > MAX_SQL or "\0" in sql:
        raise ValueError(f"a query is text of at most {MAX_SQL} characters")
    lines = [_joined(map(_cell, row)) for row in engine.rows(database, sql, limits)]
    in_order, by_value, distinct = lines, sorted(lines), sorted(set(lines))
    return Answer(_digest(in_order), _digest(by_value), _digest(distinct), len(lines), sql)


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


def _digest(lines: Sequence[str]) -> str:
    return hashlib.sha256(_joined(lines).encode("utf-8", "surrogatepass")).hexdigest()


def _joined(texts: Iterable[str]) -> str:
    """Every text with its length first, so that none runs into the next."""
    return "".join(f"{len(text)}:{text}" for text in texts)


HEADROOM_MB = 1024
"""Memory beyond the engine's own memory limit: thread stacks, malloc arenas, libraries.

The engine's limit must strike first: a process that is short of memory fails innocent queries.
"""

_bounded = False


def _in_worker() -> bool:
    return multiprocessing.parent_process() is not None


def _bound_memory(megabytes: int) -> None:
    """Once in a worker's life: at most so much data beyond what it has already."""
    global _bounded
    if _in_worker() and not _bounded:
        _bounded = True
        limit_memory(megabytes)


def database_of(task: Task) -> Database:
    """The task's database: column ``database`` (a file), else ``schema`` with ``rows``.

    ``rows`` is a mapping from table names to rows, or the rows of the one table that column
    ``table`` names. Raises ValueError naming the task.
    """
    columns = task.columns
    if columns.get("database"):
        file = str(columns["database"])
        if not Path(file).is_file():
            raise ValueError(f"task {task.id!r}: there is no database file {file}")
        return Database(file=file)
    if not isinstance(columns.get("schema"), str):
        raise ValueError(
            f"task {task.id!r} has no database: give the column 'database' (a file), or "
            "'schema' (CREATE statements) with 'rows' and 'table'"
        )
    rows = columns.get("rows") or {}
    if not isinstance(rows, Mapping):
        rows = {str(columns.get("table", "")): rows}
    return Database(script=columns["schema"], rows=rows)
