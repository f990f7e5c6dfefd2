"""Other data for a task's schema, on which queries that differ give different answers.

A query can be right on one database by accident: ``SELECT 'bela'``, or no rows where the reference
finds none. So queries are compared on rows made up as well, as test-suite accuracy does (Zhong et
al., 2010.02840): drawn from the rows that there are and from the constants of the reference, with
near misses of both.
"""

from __future__ import annotations

import contextlib
import datetime
import random
import re
from collections.abc import Sequence
from typing import Any

from guerdon.rewards.programs.sql_databases import Contents, Database, StoredTable
from guerdon.rewards.programs.sql_text import constants

SIZES = (12, 30, 30, 20)
"""Rows per table of one variant and the next."""

_INTEGER = re.compile(r"\bINTEGER\b", re.IGNORECASE)
_AUTOINCREMENT = re.compile(r"\bAUTOINCREMENT\b", re.IGNORECASE)
_LETTERS = re.compile(r"[^\W\d_]+")
_DIGITS = re.compile(r"\d+")
_DATE = re.compile(r"\d{4}-\d\d-\d\d")
_LONGEST = 200
_FAR = 10**15


def variants(contents: Contents, query: str, count: int) -> list[Database]:
    """``count`` databases of the same tables with other rows, the same ones at every call.

    Declared keys, references and NOT NULL are kept. NULL stands only where a column has it
    already or the query asks for it; texts that all look like dates or codes get others that do;
    columns of 0 and 1, or of few values that repeat, get no new ones.
    """
    made = []
    for number in range(count):
        source = random.Random(f"variant {number}")
        rows: dict[str, list[list[Any]]] = {}
        for table in contents.tables:
            drawing = _Drawing(table, contents, query, source)
            size = SIZES[number % len(SIZES)]
            rows[table.name] = _rows(table, drawing, rows, contents, size, source)
        made.append(Database(contents.script, rows))
    return made


def turned(database: Database) -> Database:
    """The same rows, lying in the tables the other way round: what an order that nobody asked for
    comes from. In SQLite an INTEGER PRIMARY KEY is what rows lie by, and an INT is not."""
    script = _AUTOINCREMENT.sub("", _INTEGER.sub("INT", database.script))
    return Database(script, {name: list(rows)[::-1] for name, rows in database.rows.items()})


class _Drawing:
    """New cells for the columns of a table."""

    def __init__(
        self, table: StoredTable, contents: Contents, query: str, source: random.Random
    ) -> None:
        self.source = source
        numbers, texts = constants(query)
        asks_null = " is " in f" {' '.join(query.lower().split())} "
        self.pools, self.named = [], []
        for place, (_, kind) in enumerate(table.columns):
            own = [row[place] for row in table.rows]
            held = list(dict.fromkeys(one for one in own if _plain(one)))
            pool, named = _pool(kind.upper(), own, held, numbers, texts)
            if place not in table.required and (None in own or asks_null):
                pool = [*pool, *[None] * (1 + len(pool) // 8)]
            self.pools.append(pool or [None])
            self.named.append(named)

    def cell(self, place: int, by_name: bool) -> Any:
        """A cell of a column; with ``by_name`` one that the query names, if it names any."""
        return self.source.choice((by_name and self.named[place]) or self.pools[place])


def _rows(
    table: StoredTable,
    drawing: _Drawing,
    made: dict[str, list[list[Any]]],
    contents: Contents,
    size: int,
    source: random.Random,
) -> list[list[Any]]:
    """Rows that change a few cells of one that there is, that are drawn cell by cell, or that are
    drawn from what the query names. Those that repeat a key are made anew or left out."""
    rows: list[list[Any]] = []
    taken: list[set[tuple[Any, ...]]] = [set() for _ in table.keys]
    parents = {place: _parent(table, place, made, contents) for place in table.references}
    width = range(len(table.columns))
    for number in range(3 * size):
        if len(rows) == size:
            break
        kind = source.random()
        row = [drawing.cell(place, by_name=kind > 0.75) for place in width]
        if kind < 0.5 and table.rows:
            old = source.choice(table.rows)
            row = [old[place] if source.random() < 0.6 else row[place] for place in width]
        for place, values in parents.items():
            if values:
                row[place] = source.choice(values)
        for key in table.keys:
            if len(key) == 1 and key[0] not in parents and number >= size:
                row[key[0]] = _fresh(row[key[0]], number)
        if any(row[place] is None for place in table.required):
            continue
        keys = [tuple(row[place] for place in key) for key in table.keys]
        if any(key in seen for key, seen in zip(keys, taken, strict=True)):
            continue
        for key, seen in zip(keys, taken, strict=True):
            seen.add(key)
        rows.append(row)
    return rows


def _parent(
    table: StoredTable, place: int, made: dict[str, list[list[Any]]], contents: Contents
) -> list[Any]:
    """What a reference may hold: the values of the column it is to, as far as that is filled."""
    name, column = table.references[place]
    other = next((t for t in contents.tables if t.name.lower() == name.lower()), None)
    if other is None or other.name not in made:
        return []
    names = [own.lower() for own, _ in other.columns]
    at = names.index(column.lower()) if column.lower() in names else next(iter(_primary(other)), 0)
    return list(dict.fromkeys(row[at] for row in made[other.name] if row[at] is not None))


def _primary(table: StoredTable) -> tuple[int, ...]:
    return table.keys[0] if table.keys else ()


def _fresh(value: Any, number: int) -> Any:
    """A value that the column has hardly had yet."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        return value + 1000 + number
    return f"{value}{number}" if isinstance(value, str) else value


def _pool(
    kind: str, own: Sequence[Any], held: list[Any], numbers: Sequence[float], texts: Sequence[str]
) -> tuple[list[Any], list[Any]]:
    """What a column's cells are drawn from, and those of it that the query names or
    nearly names."""
    if all(isinstance(one, int | float) for one in held) and (held or _is_number(kind)):
        whole = all(isinstance(one, int) for one in held) and "INT" in kind + "INT" * bool(held)
        return _number_pool(held, numbers, whole)
    if all(isinstance(one, str) for one in held):
        few = len(own) >= 12 and len(own) >= 4 * len(held)
        return _text_pool(held, texts, few)
    if held and all(isinstance(one, datetime.date) for one in held):
        return [one + datetime.timedelta(days=days) for one in held for days in (0, 1, -31)], []
    return held, []


def _is_number(kind: str) -> bool:
    return any(name in kind for name in ("INT", "REAL", "FLOA", "DOUB", "NUM", "DEC"))


def _number_pool(
    held: list[Any], numbers: Sequence[float], whole: bool
) -> tuple[list[Any], list[Any]]:
    if held and set(held) <= {0, 1}:
        return held, [one for one in held if one in numbers]
    step, lowest = 1 if whole else 0.5, min([*held, 0])
    given = [int(n) if n == int(n) else n for n in numbers if abs(n) < _FAR]
    given = [n for n in given if not whole or isinstance(n, int)]
    named = [n + change for n in given for change in (-2 * step, -step, 0, step, 2 * step)]
    near = [n + change for n in held if abs(n) < _FAR for change in (-step, step)]
    return [*held, *named, *(n for n in near if n >= lowest)] or [1, 2, 3], named


def _text_pool(held: list[str], texts: Sequence[str], few: bool) -> tuple[list[Any], list[Any]]:
    given: list[Any] = [one for text in texts for one in _readings(text)]
    shapes = {_shape(one) for one in held}
    if len(shapes) == 1 and not _LETTERS.search(next(iter(shapes))) and held:
        # Dates, times, codes: what is made up must be one too, or functions of it tell nothing.
        (shape,) = shapes
        given = [one for one in given if _shape(one) == shape and _real_date(one)]
        return [*held, *given, *(d for one in held if (d := _another_date(one)))], given
    if few:
        return [*held, *texts], list(texts)
    near = [one for text in [*given, *held] for one in (f"{text}a", _changed(text))]
    return [*held, *given, *near] or ["a", "b", "ab"], given


def _readings(text: str) -> list[str]:
    """What a text of the query may be meant for: itself, or what its LIKE finds."""
    if "%" not in text and "_" not in text:
        return [text]
    core = text.replace("%", "").replace("_", "a")
    return [core, f"a{core}", f"{core}b", f"a{core}b"]


def _shape(text: str) -> str:
    return _DIGITS.sub("0", _LETTERS.sub("a", text))


def _changed(text: str) -> str:
    """Another text, as like this as can be: its last digit or letter is the next."""
    last = text[-1:]
    if last.isascii() and last.isalnum():
        return text[:-1] + ("0" if last == "9" else "a" if last in "zZ" else chr(ord(last) + 1))
    return f"{text}b"


def _real_date(text: str) -> bool:
    if not _DATE.match(text):
        return True
    with contextlib.suppress(ValueError):
        datetime.date.fromisoformat(text[:10])
        return True
    return False


def _another_date(text: str) -> str | None:
    """The day after that in a text that begins with a date; None for any other text."""
    with contextlib.suppress(ValueError, OverflowError):
        day = datetime.date.fromisoformat(text[:10]) + datetime.timedelta(days=1)
        return f"{day.isoformat()}{text[10:]}"
    return None


def _plain(value: Any) -> bool:
    return value is not None and not (isinstance(value, str | bytes) and len(value) > _LONGEST)
