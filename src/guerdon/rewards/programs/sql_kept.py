"""What is known of reference queries, kept from one batch to the next within bounds of memory."""

from __future__ import annotations

import hashlib
import os
import pickle
import re
import threading
from collections import OrderedDict
from collections.abc import Hashable
from typing import Generic, TypeVar

from guerdon.rewards.programs.sql_databases import Database

MOST_BYTES = 64 << 20
"""What all that is kept may take, as it is estimated; what was asked for longest ago goes first."""

_CHANGES = re.compile(r"random|now|current|today|time|changes|rowid|uuid|nextval|version", re.I)
_CELL_BYTES = 80

Kept = TypeVar("Kept")


def steady(sql: str) -> bool:
    """Whether a text of SQL names nothing that gives another answer the next time.

    It would rather be wrong the other way: a column called ``time`` is taken for a clock.
    """
    return not _CHANGES.search(sql)


def content_key(database: Database) -> Hashable:
    """Equal for databases of equal content; None where that can't be said.

    A file is taken for the same while its size, its place on the disk and the time of its last
    change are, and those of the files in which its writes may be unfinished.
    """
    if database.file:
        return tuple(_state(database.file + more) for more in ("", "-wal", "-journal"))
    try:
        packed = pickle.dumps((database.script, {**database.rows}))
    except Exception:
        return None
    return hashlib.blake2b(packed, digest_size=20).digest()


def _state(file: str) -> tuple[str, int, int, int]:
    try:
        found = os.stat(file)
    except OSError:
        return file, 0, 0, 0
    return file, found.st_ino, found.st_size, found.st_mtime_ns


def bytes_of(database: Database) -> int:
    """An estimate of what a database takes in memory."""
    cells = (cell for rows in database.rows.values() for row in rows for cell in row)
    texts = (len(cell) if isinstance(cell, str | bytes) else 0 for cell in cells)
    return len(database.script) + sum(_CELL_BYTES + length for length in texts)


class Memory(Generic[Kept]):
    """Values by key, up to so many bytes; safe to use from several threads."""

    def __init__(self, most: int = MOST_BYTES) -> None:
        self.most, self.held = most, 0
        self._values: OrderedDict[Hashable, tuple[Kept, int]] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: Hashable) -> Kept | None:
        """What was put there, if it is still kept."""
        with self._lock:
            if key not in self._values:
                return None
            self._values.move_to_end(key)
            return self._values[key][0]

    def put(self, key: Hashable, value: Kept, size: int) -> None:
        """Keep a value that takes ``size`` bytes, unless it alone is over the limit."""
        with self._lock:
            self.held -= self._values.pop(key, (None, 0))[1]
            if size <= self.most:
                self._values[key] = value, size
                self.held += size
            while self.held > self.most:
                self.held -= self._values.popitem(last=False)[1][1]
