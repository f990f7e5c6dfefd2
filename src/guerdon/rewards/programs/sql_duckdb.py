"""DuckDB without files, extensions and settings: which statements a schema and a query may be."""

from __future__ import annotations

import contextlib
import re
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from guerdon.extras import install
from guerdon.rewards.programs.sql_databases import (
    MOST_ROWS,
    Contents,
    Database,
    QueryLimits,
    StoredTable,
    built,
    insertions,
    short_rows,
)

_SETTINGS = {
    "threads": 1,
    "enable_external_access": False,
    "autoinstall_known_extensions": False,
    "autoload_known_extensions": False,
    "allow_community_extensions": False,
    "allow_persistent_secrets": False,
    "python_enable_replacements": False,
    "temp_directory": "",
    "max_temp_directory_size": "0KB",
}
_BUILDING = frozenset(
    {"CREATE", "INSERT", "UPDATE", "DELETE", "ALTER", "DROP", "TRANSACTION", "SELECT", "ANALYZE"}
)
_UNIQUE = frozenset({"PRIMARY KEY", "UNIQUE"})
_LEADING = re.compile(r"(?:\s|--[^\n]*|/\*(?:[^*]|\*(?!/))*\*/)*+")
_CREATED = re.compile(
    r"CREATE\s+(?:OR\s+REPLACE\s+)?(?:UNIQUE\s+)?"
    r"(?:TABLE|VIEW|INDEX|TYPE|SEQUENCE|SCHEMA|MACRO|FUNCTION)\b",
    re.IGNORECASE,
)
_TABLE_FUNCTIONS = frozenset(
    {"range", "generate_series", "unnest", "repeat", "repeat_row", "json_each", "json_tree"}
)
"""Those of the engine's table functions that compute and touch nothing."""

PATIENCE = 2.0
"""Seconds that a statement may wait, beyond its processor time, before it is interrupted."""


@dataclass(frozen=True)
class DuckDb:
    """DuckDB (extra ``sql``): read-only, no file, extension or setting within reach."""

    dialect = "duckdb"

    def check(self) -> None:
        """Load duckdb, before workers are forked; ImportError where it is missing."""
        try:
            import duckdb  # noqa: F401
        except ImportError:
            raise ImportError(f"DuckDb needs the package duckdb: {install('sql')}") from None

    def rows(
        self, database: Database, sql: str, limits: QueryLimits
    ) -> tuple[int, list[tuple[Any, ...]]]:
        """Columns and rows of one query; see `Engine`."""
        import duckdb

        harmless = (ValueError, duckdb.ProgrammingError)
        with built(self, database, lambda: _built(database, limits), harmless) as connection:
            statements = _statements(connection, sql)
            if [one.type.name for one in statements] != ["SELECT"]:
                raise ValueError("only one SELECT is run")
            # A SELECT may begin with a WITH that writes: the transaction refuses it.
            connection.execute("BEGIN TRANSACTION READ ONLY")
            try:
                with _interrupted(connection, limits.seconds):
                    found = connection.execute(statements[0])
                    rows: list[tuple[Any, ...]] = found.fetchmany(limits.rows + 1)
                    columns = len(found.description)
            finally:
                connection.execute("ROLLBACK")
        if len(rows) > limits.rows:
            raise ValueError(f"over {limits.rows} rows")
        return columns, rows

    def tables(self, database: Database, limits: QueryLimits) -> Contents:
        """The tables and views of its main schema; see `Engine`."""
        import duckdb

        harmless = (ValueError, duckdb.ProgrammingError)
        with (
            built(self, database, lambda: _built(database, limits), harmless) as connection,
            _interrupted(connection, limits.seconds),
        ):
            made = connection.execute(
                "SELECT table_name, sql FROM duckdb_tables() "
                "WHERE schema_name = 'main' AND NOT internal ORDER BY table_oid"
            ).fetchall()
            views = connection.execute(
                "SELECT sql FROM duckdb_views() "
                "WHERE schema_name = 'main' AND NOT internal ORDER BY view_oid"
            ).fetchall()
            tables = tuple(_table(connection, name) for name, _ in made)
        statements = [sql for _, sql in made] + [sql for (sql,) in views]
        return Contents("".join(f"{sql.rstrip(';')};\n" for sql in statements), tables)


def _table(connection: Any, name: str) -> StoredTable:
    quoted = '"' + name.replace('"', '""') + '"'
    rows = connection.execute(f"SELECT * FROM {quoted} LIMIT {MOST_ROWS}").fetchall()
    columns = connection.execute(
        "SELECT column_name, data_type, is_nullable FROM duckdb_columns() "
        "WHERE schema_name = 'main' AND table_name = ? ORDER BY column_index",
        [name],
    ).fetchall()
    place = {column: k for k, (column, *_) in enumerate(columns)}
    bound = connection.execute(
        "SELECT constraint_type, constraint_column_names, referenced_table, "
        "referenced_column_names FROM duckdb_constraints() "
        "WHERE schema_name = 'main' AND table_name = ?",
        [name],
    ).fetchall()
    return StoredTable(
        name,
        tuple((column, kind) for column, kind, _ in columns),
        short_rows(rows),
        frozenset(k for k, (*_, nullable) in enumerate(columns) if not nullable),
        tuple(
            sorted({tuple(place[c] for c in mine) for kind, mine, *_ in bound if kind in _UNIQUE})
        ),
        {
            place[mine]: (other, theirs)
            for kind, own, other, others in bound
            if kind == "FOREIGN KEY"
            for mine, theirs in zip(own, others, strict=True)
        },
    )


def _built(database: Database, limits: QueryLimits) -> Any:
    """A connection to the file or to a new database in memory, which holds its schema and rows."""
    import duckdb

    settings = {**_SETTINGS, "memory_limit": f"{limits.memory_mb}MB"}
    place = database.file or ":memory:"
    connection = duckdb.connect(place, read_only=bool(database.file), config=settings)
    try:
        connection.execute("SET lock_configuration = true")
        if not database.file:
            with _interrupted(connection, limits.seconds) as in_time:
                for statement in _statements(connection, database.script):
                    in_time()
                    _check_building(statement)
                    connection.execute(statement)
                for insertion, cells in insertions(database):
                    in_time()
                    connection.execute(insertion, cells)
                with contextlib.suppress(duckdb.TransactionException):
                    connection.execute("COMMIT")  # where the script left one open
    except BaseException:
        connection.close()
        raise
    return connection


def _statements(connection: Any, sql: str) -> list[Any]:
    """What is written there, parsed. Raises ValueError for a call that is not allowed."""
    for call in _refused_calls().finditer(sql):
        if call["name"]:
            raise ValueError(f"the function {call['name']} is not allowed")
    statements: list[Any] = connection.extract_statements(sql)
    return statements


def _check_building(statement: Any) -> None:
    kind, text = statement.type.name, statement.query
    leading = _LEADING.match(text)
    text = text[leading.end() :] if leading else text
    if kind not in _BUILDING or (kind == "CREATE" and not _CREATED.match(text)):
        raise ValueError(f"a schema may not hold the statement {' '.join(text[:60].split())!r}")


@lru_cache(maxsize=1)
def _refused_calls() -> re.Pattern[str]:
    """Calls of table functions of the engine's own that are not on the list.

    Read as text, strings and comments included, so that nothing has to be parsed as DuckDB does;
    the name of a table that is made or filled is none. What a call hides from this reading still
    meets the settings.
    """
    import duckdb

    with duckdb.connect(":memory:", config=dict(_SETTINGS)) as connection:
        found = connection.execute(
            "SELECT DISTINCT lower(function_name) FROM duckdb_functions() "
            "WHERE function_type IN ('table', 'table_macro')"
        ).fetchall()
    names = sorted({name for (name,) in found} - _TABLE_FUNCTIONS, key=len, reverse=True)
    return re.compile(
        r'(?<!\w)(?:(?:table|exists|into|references|on)\s+"?\w+"?\s*\(|'
        rf'(?P<name>{"|".join(map(re.escape, names))})"?\s*(?:\(|--|/\*))',
        re.IGNORECASE,
    )


@contextlib.contextmanager
def _interrupted(connection: Any, seconds: float) -> Iterator[Any]:
    """Inside, what runs is interrupted when the time is over; gives a check of the clock.

    The time is the processor's, and ``PATIENCE`` more by the wall clock, for what only waits. It
    is told again and again: between two statements there is nothing to interrupt.
    """
    import duckdb

    done, over = threading.Event(), threading.Event()
    busy, late = time.process_time() + seconds, time.monotonic() + seconds + PATIENCE

    def watch() -> None:
        wait = seconds
        while not done.wait(wait):
            left = min(busy - time.process_time(), late - time.monotonic())
            if left <= 0:
                over.set()
                connection.interrupt()
            wait = max(left, 0.02)

    def in_time() -> None:
        if over.is_set():
            raise TimeoutError(f"over {seconds:g} s")

    clock = threading.Thread(target=watch, daemon=True)
    clock.start()
    try:
        yield in_time
    except duckdb.InterruptException:
        in_time()
        raise
    finally:
        done.set()
        clock.join()
