"""Databases that tasks bring: where their files may lie, and how they are built and kept.

A task is as hostile as a completion. Its file must lie in a folder that the user allowed; its
schema and rows are run by an engine, in a worker, under the same limits as a query.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import stat
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from guerdon.records import Task

MAX_SCRIPT = 16_000_000
"""Longest schema that is run, in characters."""

_CELLS = 400
"""How many cells are inserted at once, about: engines bind a limited number of values."""


@dataclass(frozen=True)
class QueryLimits:
    """What one query may use: processor seconds, rows of result, memory of its engine.

    Building a task's database has the same seconds and memory, counted apart from its queries.
    """

    seconds: float = 30.0
    rows: int = 10_000
    memory_mb: int = 512


@dataclass(frozen=True)
class Database:
    """A file, or a script of CREATE and INSERT statements with further rows for its tables."""

    script: str = ""
    rows: Mapping[str, Sequence[Sequence[Any]]] = field(default_factory=dict)
    file: str = ""


@dataclass(frozen=True)
class StoredTable:
    """A table's columns with the types declared for them, and its first rows.

    ``required`` are the places of columns that may not be NULL, ``keys`` the groups of columns
    whose values are different in every row, ``references`` a column's place to the table and the
    column that its values are taken from.
    """

    name: str
    columns: tuple[tuple[str, str], ...]
    rows: tuple[tuple[Any, ...], ...]
    required: frozenset[int] = frozenset()
    keys: tuple[tuple[int, ...], ...] = ()
    references: Mapping[int, tuple[str, str]] = field(default_factory=dict)


@dataclass(frozen=True)
class Contents:
    """What a database is made by, its tables and views without rows, and its tables."""

    script: str
    tables: tuple[StoredTable, ...]


MOST_ROWS, LONGEST_CELL = 200, 1000
"""Rows of each table that `Contents` hold, and characters of their cells."""


def short_rows(rows: Sequence[tuple[Any, ...]]) -> tuple[tuple[Any, ...], ...]:
    """Those rows that have no longer text than `LONGEST_CELL`."""
    return tuple(
        row
        for row in rows
        if not any(isinstance(c, str | bytes) and len(c) > LONGEST_CELL for c in row)
    )


class BuildError(ValueError):
    """A database could not be opened or built; the message says why."""


def database_of(task: Task, folders: Sequence[str] = ()) -> Database:
    """The task's database: column ``database`` (a file), else ``schema`` with ``rows``.

    A file is opened only inside ``folders``, see `file_inside`. ``rows`` is a mapping from table
    names to rows, or the rows of the one table that column ``table`` names. Raises ValueError
    naming the task.
    """
    columns = task.columns
    if columns.get("database"):
        file = file_inside(columns["database"], folders)
        if file is None:
            raise ValueError(f"task {task.id!r} {_not_found(columns['database'], folders)}")
        return Database(file=file)
    script = columns.get("schema")
    if not isinstance(script, str):
        raise ValueError(
            f"task {task.id!r} has no database: give the column 'database' (a file), or "
            "'schema' (CREATE statements, as text) with 'rows' and 'table'"
        )
    if len(script) > MAX_SCRIPT:
        raise ValueError(
            f"task {task.id!r}: its schema has {len(script)} characters, and at most {MAX_SCRIPT} "
            "are run; give a database file"
        )
    rows = columns.get("rows")
    if not isinstance(rows, Mapping):
        rows = {} if rows is None else {str(columns.get("table", "")): rows}
    return Database(script=script, rows=rows)


def _not_found(name: Any, folders: Sequence[str]) -> str:
    if not folders:
        return (
            f"names the database file {name!r:.100}, and no folder with databases is allowed: name "
            "one with --reward.databases DIR, or databases=(DIR,) of the reward"
        )
    # Not a word of why: whether a file outside exists is nobody's business.
    return (
        f"names the database file {name!r:.100}, which is not in the folders allowed by the "
        "reward's databases: add its folder there"
    )


def file_inside(name: Any, folders: Sequence[str]) -> str | None:
    """The real path of the regular file ``name`` in one of ``folders``; None where there is none.

    A relative name is read against each folder in turn. Links are followed, and what counts is
    where they lead. Names that point outside as they are written are not looked up at all.
    Raises ValueError where one of ``folders`` is no folder.
    """
    tops = real_folders(folders)
    for folder, top in zip(folders, tops, strict=True):
        # What is not there raises, and so does what is no name: not text, or with a NUL in it.
        with contextlib.suppress(OSError, TypeError, ValueError):
            found = _inside(name, os.path.abspath(Path(folder).expanduser()), top)
            if found is not None:
                return found
    return None


def _inside(name: Any, given: str, top: str) -> str | None:
    """``name`` as a real path, if it is written as below ``given`` or ``top`` and lies there."""
    written = (os.path.normpath(os.path.join(base, name)) for base in (given, top))
    if not any(_below(*one) for one in zip(written, (given, top), strict=True)):
        return None
    path = os.path.realpath(os.path.join(top, name))
    return path if _below(path, top) and stat.S_ISREG(os.stat(path).st_mode) else None


def real_folders(folders: Sequence[str]) -> tuple[str, ...]:
    """Folders by their real paths. Raises ValueError naming one that is no folder."""
    found = tuple(os.path.realpath(Path(folder).expanduser()) for folder in folders)
    for folder, real in zip(folders, found, strict=True):
        if not os.path.isdir(real):
            raise ValueError(f"the reward's databases: {folder!r} is no folder; name one that is")
    return found


def _below(path: str, folder: str) -> bool:
    return os.path.commonpath((path, folder)) == folder


def insertions(database: Database) -> Iterator[tuple[str, list[Any]]]:
    """INSERT statements for the further rows, each with its cells: many short rows at once.

    Raises ValueError for what is no row.
    """
    for table, rows in database.rows.items():
        if not _is_list(rows) or not all(map(_is_list, rows)):
            raise ValueError(f"rows of table {table!r:.40} must be a list of lists of cells")
        quoted = '"' + str(table).replace('"', '""') + '"'
        start = 0
        while start < len(rows):
            width = len(rows[start])
            end = start + 1
            while end < len(rows) and len(rows[end]) == width and (end - start) * width < _CELLS:
                end += 1
            marks = f"({', '.join('?' * width)})"
            some = ", ".join([marks] * (end - start))
            yield f"INSERT INTO {quoted} VALUES {some}", [c for r in rows[start:end] for c in r]
            start = end


def _is_list(value: Any) -> bool:
    return isinstance(value, Sequence) and not isinstance(value, str | bytes)


def in_worker() -> bool:
    """Whether this is a worker process, whose limits are its own."""
    return multiprocessing.parent_process() is not None


@dataclass
class _Kept:
    engine: Any = None
    database: Database | None = None
    connection: Any = None

    def drop(self) -> None:
        if self.connection is not None:
            self.connection.close()
        self.engine = self.database = self.connection = None


_KEPT = _Kept()
"""A worker's last built database: queries on it follow each other, and find it there."""


@contextlib.contextmanager
def built(
    engine: Any, database: Database, build: Callable[[], Any], harmless: tuple[type[Exception], ...]
) -> Iterator[Any]:
    """A connection to ``database``, made by ``build``; a worker keeps it for the next query.

    The next one gets it for the same `Database` object and an equal engine. It is given up after
    an error that is not among ``harmless``, and a file is opened each time, since it may have
    changed. What ``build`` raises becomes BuildError.
    """
    if not (_KEPT.database is database and _KEPT.engine == engine):
        _KEPT.drop()
        try:
            connection = build()
        except Exception as error:
            told = f"{type(error).__name__}: {error}"
            if database.file:
                told = told.replace(database.file, "the file")
            raise BuildError(told) from error
        _KEPT.engine, _KEPT.database, _KEPT.connection = engine, database, connection
    keep = in_worker() and not database.file
    try:
        yield _KEPT.connection
    except BaseException as error:
        keep = keep and isinstance(error, harmless)
        raise
    finally:
        if not keep:
            _KEPT.drop()
