"""Queries as text: where they stand in a completion, their schema items, their n-grams."""

from __future__ import annotations

import re
from functools import lru_cache

from guerdon.extras import install
from guerdon.parsing import sections
from guerdon.parsing.fenced import last_fenced
from guerdon.rewards.actions.tool_calls import jaccard

_TOKEN = re.compile(r"[A-Za-z_]\w*|\d+|\S")
_MAX_TOKENS = 4000


def query_of(text: str) -> str:
    """The last ```` ```sql ```` block, else the inside of the last ``<answer>``, else ""."""
    fenced = last_fenced(text, ("sql",))
    if fenced is None:
        fenced = sections(text, ("answer",)).last("answer") or ""
    return fenced.strip().rstrip(";").strip()


def ngram_similarity(one: str, two: str, n: int = 2) -> float:
    """Jaccard index of the sets of token n-grams of two queries, in lower case.

    Tokens are words, numbers and single signs; up to 4000 are read. Both without any n-gram:
    1; one without: 0.
    """
    return jaccard(_ngrams(one, n), _ngrams(two, n))


def _ngrams(sql: str, n: int) -> frozenset[tuple[str, ...]]:
    tokens = _TOKEN.findall(sql.lower()[: 10 * _MAX_TOKENS])[:_MAX_TOKENS]
    return frozenset(zip(*(tokens[start:] for start in range(n)), strict=False))


@lru_cache(maxsize=4096)
def schema_items(sql: str, dialect: str) -> frozenset[str]:
    """Base tables and columns that a query names, lower-case, ``*`` included.

    Qualifiers and aliases are dropped, names of CTEs are no tables. A query that sqlglot can't
    parse, or one nested too deeply, has no items. May take long on hostile text: it is called
    in a worker process.
    """
    import sqlglot
    from sqlglot import exp

    try:
        tree = sqlglot.parse_one(sql, read=dialect)
    except (sqlglot.errors.SqlglotError, RecursionError, ValueError):
        return frozenset()
    named = {cte.alias_or_name.lower() for cte in tree.find_all(exp.CTE)}
    aliases = {alias.alias.lower() for alias in tree.find_all(exp.Alias)}
    tables = {table.name.lower() for table in tree.find_all(exp.Table)} - named
    columns = {
        column.name.lower()
        for column in tree.find_all(exp.Column)
        if column.table or column.name.lower() not in aliases
    }
    # An alias that repeats its column's name hides no column.
    columns |= {
        alias.this.name.lower()
        for alias in tree.find_all(exp.Alias)
        if isinstance(alias.this, exp.Column)
    }
    stars = {"*"} if any(True for _ in tree.find_all(exp.Star)) else set()
    return frozenset((tables | columns | stars) - {""})


@lru_cache(maxsize=4096)
def orders(sql: str, dialect: str) -> bool:
    """Whether a query has an ORDER BY at its top level; False where it can't be parsed."""
    import sqlglot

    try:
        return sqlglot.parse_one(sql, read=dialect).args.get("order") is not None
    except (sqlglot.errors.SqlglotError, RecursionError, ValueError):
        return False


def need_sqlglot(what: str) -> None:
    """Load sqlglot; ImportError, naming the mend, where it is missing.

    Loaded before workers are forked, it costs none of them their time.
    """
    try:
        import sqlglot  # noqa: F401
    except ImportError:
        raise ImportError(f"{what} needs the package sqlglot: {install('sql')}") from None
