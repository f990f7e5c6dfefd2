"""SQLite behind an authorizer: what a schema may do, what a query may do, for how long."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from guerdon.rewards.programs.sql_databases import (
    MOST_ROWS,
    Contents,
    Database,
    QueryLimits,
    StoredTable,
    built,
    in_worker,
    insertions,
    short_rows,
)

_LONGEST = 1_000_000
"""Bytes of one value, row or schema statement (more where the schema itself is longer)."""

_READING = frozenset({sqlite3.SQLITE_SELECT, sqlite3.SQLITE_READ, sqlite3.SQLITE_RECURSIVE})
_WRITING = frozenset(
    {
        *(sqlite3.SQLITE_CREATE_TABLE, sqlite3.SQLITE_CREATE_INDEX, sqlite3.SQLITE_CREATE_VIEW),
        *(sqlite3.SQLITE_CREATE_TRIGGER, sqlite3.SQLITE_ALTER_TABLE, sqlite3.SQLITE_DROP_TABLE),
        *(sqlite3.SQLITE_DROP_INDEX, sqlite3.SQLITE_DROP_VIEW, sqlite3.SQLITE_DROP_TRIGGER),
        *(sqlite3.SQLITE_INSERT, sqlite3.SQLITE_UPDATE, sqlite3.SQLITE_DELETE),
        *(sqlite3.SQLITE_TRANSACTION, sqlite3.SQLITE_SAVEPOINT, sqlite3.SQLITE_REINDEX),
        *(sqlite3.SQLITE_CREATE_TEMP_TABLE, sqlite3.SQLITE_CREATE_TEMP_INDEX),
        *(sqlite3.SQLITE_CREATE_TEMP_VIEW, sqlite3.SQLITE_CREATE_TEMP_TRIGGER),
        *(sqlite3.SQLITE_DROP_TEMP_TABLE, sqlite3.SQLITE_DROP_TEMP_INDEX),
        *(sqlite3.SQLITE_DROP_TEMP_VIEW, sqlite3.SQLITE_DROP_TEMP_TRIGGER),
        sqlite3.SQLITE_ANALYZE,
    }
)
_PRAGMAS = frozenset({"foreign_keys", "defer_foreign_keys", "encoding", "user_version"})
_WITHOUT_EFFECT = frozenset({"journal_mode", "synchronous", "locking_mode", "auto_vacuum"})
"""Pragmas that dumps begin with and that mean nothing in memory: passed over."""

_TELLING = frozenset({"table_info", "index_list", "index_info", "foreign_key_list"})

_INSIDES = frozenset({"sqlite_dbpage", "sqlite_stmt", "dbstat", "bytecode", "tables_used", "fsdir"})
"""Tables that show, or let one change, pages and programs of the engine, or list folders."""

_NAMES = """
    -> ->> abs acos acosh asin asinh atan atan2 atanh avg bm25 ceil ceiling changes char coalesce
    concat concat_ws cos cosh count cume_dist current_date current_time current_timestamp date
    datetime degrees dense_rank exp first_value floor format glob group_concat hex highlight if
    ifnull iif instr json json_array json_array_insert json_array_length json_error_position
    json_extract json_group_array json_group_object json_insert json_object json_patch json_pretty
    json_quote json_remove json_replace json_set json_type json_valid jsonb jsonb_array
    jsonb_extract jsonb_group_array jsonb_group_object jsonb_insert jsonb_object jsonb_patch
    jsonb_remove jsonb_replace jsonb_set julianday lag last_insert_rowid last_value lead length
    like likelihood likely ln log log10 log2 lower ltrim match matchinfo max median min mod
    nth_value ntile nullif octet_length offsets percent_rank percentile percentile_cont
    percentile_disc pi pow power printf quote radians random randomblob rank regexp replace round
    row_number rtrim sign sin sinh snippet soundex sqlite_version sqrt strftime string_agg substr
    substring subtype sum tan tanh time timediff total total_changes trim trunc typeof unhex
    unicode unistr unistr_quote unixepoch unlikely upper zeroblob
"""
_FUNCTIONS = frozenset(_NAMES.split())
"""Functions that compute and touch nothing."""

_OWN_FUNCTIONS = frozenset(
    {"sqlite_drop_column", "sqlite_rename_column", "sqlite_rename_quotefix", "sqlite_rename_table"}
    | {"sqlite_rename_test", "stat_get", "stat_init", "stat_push"}
)
"""What ALTER and ANALYZE call; SQLite hides them from everybody else."""

_REFUSED = {
    sqlite3.SQLITE_ATTACH: "ATTACH or VACUUM",
    sqlite3.SQLITE_DETACH: "DETACH",
    sqlite3.SQLITE_PRAGMA: "the pragma {0}",
    sqlite3.SQLITE_FUNCTION: "the function {1}",
    sqlite3.SQLITE_CREATE_VTABLE: "the virtual table {0}",
}


@dataclass(frozen=True)
class Sqlite:
    """SQLite behind its authorizer, which passes what builds a schema in memory, then SELECT only.

    Files are opened read-only.
    """

    dialect = "sqlite"

    def check(self) -> None:
        """It comes with Python."""

    def rows(
        self, database: Database, sql: str, limits: QueryLimits
    ) -> tuple[int, list[tuple[Any, ...]]]:
        """Columns and rows of one query; see `Engine`."""
        harmless = (sqlite3.Error, sqlite3.Warning, ValueError, TimeoutError)
        with built(self, database, lambda: _built(database, limits), harmless) as connection:
            connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, _LONGEST)
            with (
                _guarded(connection, _may_read, limits.seconds),
                contextlib.closing(connection.execute(sql)) as cursor,
            ):
                if cursor.description is None:
                    raise ValueError("there is no query in it")
                rows: list[tuple[Any, ...]] = cursor.fetchmany(limits.rows + 1)
                columns = len(cursor.description)
        if len(rows) > limits.rows:
            raise ValueError(f"over {limits.rows} rows")
        return columns, rows

    def tables(self, database: Database, limits: QueryLimits) -> Contents:
        """Its tables and views; see `Engine`. Virtual tables are left out."""
        harmless = (sqlite3.Error, sqlite3.Warning, ValueError, TimeoutError)
        with (
            built(self, database, lambda: _built(database, limits), harmless) as connection,
            _guarded(connection, _may_look, limits.seconds),
        ):
            made = connection.execute(
                "SELECT type, name, sql FROM sqlite_master WHERE type IN ('table', 'view') "
                "AND name NOT LIKE 'sqlite!_%' ESCAPE '!' AND sql NOT LIKE 'CREATE VIRTUAL%' "
                "ORDER BY type, rowid"
            ).fetchall()
            tables = tuple(_table(connection, name) for kind, name, _ in made if kind == "table")
        return Contents("".join(f"{sql};\n" for *_, sql in made), tables)


def _table(connection: sqlite3.Connection, name: str) -> StoredTable:
    quoted = '"' + name.replace('"', '""') + '"'
    rows = connection.execute(f"SELECT * FROM {quoted} LIMIT {MOST_ROWS}").fetchall()
    columns = connection.execute(f"PRAGMA table_info({quoted})").fetchall()
    place = {column: k for k, (_, column, *_) in enumerate(columns)}
    primary = tuple(k for k, column in enumerate(columns) if column[5])
    keys = {primary} if primary else set()
    for _, index, unique, *_ in connection.execute(f"PRAGMA index_list({quoted})").fetchall():
        inside = '"' + index.replace('"', '""') + '"'
        named = [one[2] for one in connection.execute(f"PRAGMA index_info({inside})").fetchall()]
        if unique and all(column in place for column in named):
            keys.add(tuple(place[column] for column in named))
    references = {
        place[mine]: (other, theirs or "")
        for _, _, other, mine, theirs, *_ in connection.execute(
            f"PRAGMA foreign_key_list({quoted})"
        ).fetchall()
        if mine in place
    }
    return StoredTable(
        name,
        tuple((column, kind) for _, column, kind, *_ in columns),
        short_rows(rows),
        frozenset(k for k, column in enumerate(columns) if column[3] or column[5]),
        tuple(sorted(keys)),
        references,
    )


def _built(database: Database, limits: QueryLimits) -> sqlite3.Connection:
    """A connection to the file or to a new database in memory, which holds its schema and rows."""
    place = _address(database.file) if database.file else ":memory:"
    # No cache of statements: they were allowed under another authorizer.
    connection = sqlite3.connect(place, uri=True, cached_statements=0)
    try:
        if in_worker():  # the limit is the process's, and can't be raised again
            connection.execute(f"PRAGMA hard_heap_limit = {limits.memory_mb << 20}")
        connection.execute("PRAGMA temp_store = MEMORY")
        connection.execute("PRAGMA trusted_schema = OFF")
        connection.execute("PRAGMA cell_size_check = ON")
        longest = max(_LONGEST, 4 * len(database.script))
        connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, longest)
        connection.setlimit(sqlite3.SQLITE_LIMIT_LIKE_PATTERN_LENGTH, 1000)
        connection.setlimit(sqlite3.SQLITE_LIMIT_ATTACHED, 0)
        if not database.file:
            with _guarded(connection, _may_build, limits.seconds) as in_time:
                connection.executescript(database.script)
                for insertion, cells in insertions(database):
                    in_time()
                    connection.execute(insertion, cells)
                connection.commit()
        connection.execute("PRAGMA query_only = ON")
    except BaseException:
        connection.close()
        raise
    return connection


def _address(file: str) -> str:
    """The file, as immutable: else SQLite would make files beside one in WAL mode to read it.

    Raises ValueError where part of it stands in another file still.
    """
    for more in ("-wal", "-journal"):
        with contextlib.suppress(FileNotFoundError):
            if os.path.getsize(file + more):
                raise ValueError(
                    f"writes to it are unfinished (there is its {more} file): close what writes to "
                    "it, or run PRAGMA wal_checkpoint(TRUNCATE)"
                )
    return f"{Path(file).as_uri()}?mode=ro&immutable=1"


@contextlib.contextmanager
def _guarded(
    connection: sqlite3.Connection, may: Callable[..., int], seconds: float
) -> Iterator[Callable[[], None]]:
    """Inside, an authorizer holds and the processor's clock runs; gives a check of the clock."""
    deadline = time.process_time() + seconds

    def late() -> bool:
        return time.process_time() > deadline

    def in_time() -> None:
        if late():
            raise TimeoutError(f"over {seconds:g} s of processor time")

    refused: list[str] = []

    def authorizer(action: int, one: str | None, two: str | None, *_: str | None) -> int:
        # Also the clock of a script of many statements, each too short for the other one.
        found = sqlite3.SQLITE_DENY if late() else may(action, one, two)
        if found == sqlite3.SQLITE_DENY:
            refused.append(_REFUSED.get(action, "what it does").format(one, two))
        return found

    connection.set_authorizer(authorizer)
    connection.set_progress_handler(late, 10_000)
    try:
        yield in_time
    except sqlite3.Error as error:
        in_time()
        if refused:
            raise ValueError(f"{refused[0]:.100} is not allowed") from error
        raise
    finally:
        connection.set_progress_handler(None, 0)
        connection.set_authorizer(None)


def _may_read(action: int, one: str | None, two: str | None) -> int:
    if action == sqlite3.SQLITE_FUNCTION:
        return _verdict((two or "").lower() in _FUNCTIONS)
    return _verdict(action in _READING and (one or "").lower() not in _INSIDES)


def _may_look(action: int, one: str | None, two: str | None) -> int:
    """What finding out about the tables needs: reading, and pragmas that only tell."""
    if action == sqlite3.SQLITE_PRAGMA:
        return _verdict((one or "").lower() in _TELLING)
    return _may_read(action, one, two)


def _may_build(action: int, one: str | None, two: str | None) -> int:
    name = (one or "").lower()
    if action == sqlite3.SQLITE_PRAGMA and name in _WITHOUT_EFFECT:
        return sqlite3.SQLITE_IGNORE
    if action == sqlite3.SQLITE_PRAGMA:
        return _verdict(name in _PRAGMAS)
    if action == sqlite3.SQLITE_FUNCTION and two in _OWN_FUNCTIONS:
        return sqlite3.SQLITE_OK
    if action in _WRITING:
        return _verdict(name not in _INSIDES)
    return _may_read(action, one, two)


def _verdict(allowed: bool) -> int:
    return sqlite3.SQLITE_OK if allowed else sqlite3.SQLITE_DENY
