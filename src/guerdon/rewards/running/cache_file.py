"""The file behind `guerdon.rewards.Cached`: what is lost with it is time, never a judgement."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import sqlite3
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import TypeVar

from guerdon.rewards.running.rows import Judged, Ungradable

VERSION = 2
"""Of the table's layout; a file of another is built anew."""

PATIENCE = 60.0
"""Seconds to wait for another process that is writing."""

T = TypeVar("T")

_TABLE = (
    "CREATE TABLE IF NOT EXISTS scores (key BLOB PRIMARY KEY, judged TEXT, digest BLOB) "
    "WITHOUT ROWID"
)
# What sqlite says of a file that is damaged, no database, or has other columns.
_DAMAGED = frozenset([sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_ERROR])


def look_up(folder: Path, keys: Iterable[bytes]) -> dict[bytes, Judged]:
    """The judgements known for these keys.

    A file that is damaged or of another version is set aside and built anew; one that can't be
    opened is left alone. Both are told in a warning, and then nothing is known. A row whose
    digest is wrong is not known either.
    """

    def read(file: sqlite3.Connection) -> dict[bytes, Judged]:
        return dict(_known(file, sorted(keys)))

    return _with(folder, read) or {}


def keep(folder: Path, judged: Mapping[bytes, Judged | Ungradable]) -> None:
    """Write valid judgements; where that fails (read-only, disk full) a warning says so."""
    rows = []
    for key, one in judged.items():
        if isinstance(one, Judged):
            text = json.dumps([one.value, dict(one.parts), dict(one.diagnostics), one.remark])
            rows.append((key, text, _digest(key, text)))

    def write(file: sqlite3.Connection) -> None:
        with file:
            file.executemany("INSERT OR REPLACE INTO scores VALUES (?, ?, ?)", rows)

    _with(folder, write)


def _known(file: sqlite3.Connection, keys: list[bytes]) -> Iterator[tuple[bytes, Judged]]:
    for key in keys:
        asked = "SELECT judged, digest FROM scores WHERE key = ?"
        for text, digest in file.execute(asked, (key,)):
            if isinstance(text, str) and digest == _digest(key, text):
                yield key, Judged(*json.loads(text))  # older rows have the first two alone


def _digest(key: bytes, text: str) -> bytes:
    """Of both, so that a flipped bit is no other score and no other row's."""
    return hashlib.sha256(key + text.encode()).digest()[:16]


def _with(folder: Path, use: Callable[[sqlite3.Connection], T]) -> T | None:
    """What ``use`` makes of the open file, on a second try with a new one; None where it can't."""
    for again in (True, False):
        try:
            folder.mkdir(parents=True, exist_ok=True)
            with closing(sqlite3.connect(folder / "scores.sqlite", timeout=PATIENCE)) as file:
                _lay_out(file)
                return use(file)
        except (sqlite3.Error, OSError, UnicodeDecodeError) as error:
            code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_CORRUPT) & 0xFF
            damaged = code in _DAMAGED and not isinstance(error, OSError)
            if not (damaged and again and _set_aside(folder, error)):
                _warn(f"{folder} can't be used as a cache of scores ({error}); going on without")
                return None
    return None


def _lay_out(file: sqlite3.Connection) -> None:
    """Make the table, or raise sqlite3.DatabaseError where the file is of another version."""
    if _version(file) == VERSION:
        return
    # Looked at again under the lock: another process may be making the table just now.
    file.execute("BEGIN IMMEDIATE")
    with file:
        found = _version(file)
        if found == VERSION:
            return
        if found or file.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
            raise sqlite3.DatabaseError(f"written by another version: {found}, not {VERSION}")
        file.execute(_TABLE)
        file.execute(f"PRAGMA user_version = {VERSION}")


def _version(file: sqlite3.Connection) -> int:
    return int(file.execute("PRAGMA user_version").fetchone()[0])


def _set_aside(folder: Path, error: Exception) -> bool:
    """Give the file another name, and its journal with it, which would spoil a new one."""
    try:
        for ending in ("", "-journal", "-wal", "-shm"):
            with contextlib.suppress(FileNotFoundError):
                os.replace(folder / f"scores.sqlite{ending}", folder / f"damaged.sqlite{ending}")
    except OSError:
        return False
    told = f"{folder}/scores.sqlite can't be read ({error})"
    _warn(f"{told}; it is kept as damaged.sqlite and built anew")
    return True


def _warn(text: str) -> None:
    warnings.warn(text, stacklevel=5)
