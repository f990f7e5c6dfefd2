"""Questions about one table, answered by a query of a small SQL dialect."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import ClassVar

from guerdon.ranges import Count, Seed, check_ranges
from guerdon.tasks.procedural import Drawn, Problem

_TABLES = {
    "pets": (("name", "kind"), ("age", "weight")),
    "staff": (("name", "city"), ("age", "pay")),
    "books": (("title", "author"), ("year", "pages")),
}
_WORDS = ("ada", "bela", "cora", "dino", "emil", "fay")


@dataclass(frozen=True)
class SqlQueries(Drawn):
    """ "Table pets(name, kind, age, weight). Show name where age > 3." and the like.

    The answer is the query. Columns: ``schema`` (a CREATE TABLE statement), ``rows`` (the
    table's eight rows, so that a query can be run) and ``table``.
    """

    kind: ClassVar[str] = "sql"

    train: Count = 2048
    """Tasks to learn from."""
    test: Count = 256
    """Held-out tasks."""
    seed: Seed = 0
    """What they are drawn from."""

    def __post_init__(self) -> None:
        check_ranges(self)

    def draw(self, source: random.Random) -> Problem:
        """One problem."""
        table = source.choice(list(_TABLES))
        texts, numbers = _TABLES[table]
        number, bound = source.choice(numbers), source.randint(1, 40)
        sign, word = source.choice(((">", "above"), ("<", "below"), ("=", "equal to")))
        shown = source.choice((*texts, *numbers, "count", "average"))
        other = source.choice(numbers)
        request, selected = {
            "count": ("Count rows", "COUNT(*)"),
            "average": (f"Average {other}", f"AVG({other})"),
        }.get(shown, (f"Show {shown}", shown))
        where, clause = (
            (f" where {number} is {word} {bound}", f" WHERE {number} {sign} {bound}")
            if source.random() < 0.75
            else ("", "")
        )
        fields = ", ".join((*texts, *numbers))
        typed = [f"{t} TEXT" for t in texts] + [f"{n} INTEGER" for n in numbers]
        rows = [
            (*(source.choice(_WORDS) for _ in texts), *(source.randint(1, 40) for _ in numbers))
            for _ in range(8)
        ]
        return Problem(
            prompt=f"Table {table}({fields}). {request}{where}.\n",
            answer=f"SELECT {selected} FROM {table}{clause}",
            columns={
                "schema": f"CREATE TABLE {table} ({', '.join(typed)})",
                "rows": rows,
                "table": table,
            },
        )
