"""Queries as text: where they stand in a completion, their schema items, their n-grams."""

from __future__ import annotations

import re
from functools import lru_cache

from guerdon.extras import install
from guerdon.parsing import sections
from guerdon.parsing.fenced import fenced_blocks
from guerdon.parsing.thinking import after_thinking
from guerdon.rewards.actions.tool_calls import jaccard

_TOKEN = re.compile(r"[A-Za-z_]\w*|\d+|\S")
_MAX_TOKENS = 4000
_DIALECTS = frozenset(
    ("sql", "sqlite", "sqlite3", "duckdb", "postgres", "postgresql", "psql", "mysql", "tsql")
)
_QUERY = re.compile(
    r"\A(?:\s|--[^\n]*+(?:\n|\Z)|/\*(?:[^*]|\*(?!/))*+\*/)*+\(?\s{0,8}(?:select|with|values)\b",
    re.IGNORECASE,
)
_LEXEME = re.compile(
    r"--[^\n]*+|/\*(?:[^*]|\*(?!/))*+(?:\*/)?|'(?:[^']|'')*+'?|\"[^\"]*+\"?|`[^`]*+`?|\[[^\]]*+\]?"
    r"|[0-9]++(?:\.[0-9]++)?|[A-Za-z_]\w*+|[()]"
)
"""Comments, texts, quoted names, numbers, words and brackets of a query, in turn."""


def query_of(text: str) -> str:
    """The query of a completion, after its thinking; "" where there is none.

    The last fenced block marked as SQL (``sql``, ``sqlite`` and the like), else the last without a
    mark that begins as a query does, inside the last ``<answer>`` where that has one; else the
    answer section itself, or the only one that a stop string cut off; else the whole text where
    it begins as a query does. A query may begin on the fence's line.
    """
    said = after_thinking(text)
    closed = sections(said, ("answer",)).last("answer")
    answer = said.partition("<answer>")[2] if closed is None else closed
    found = _fenced_query(answer)
    if found is None:
        found = None if _QUERY.match(answer) else _fenced_query(said)
    if found is None:
        found = answer or (said if _QUERY.match(said) else "")
    return found.strip().rstrip("; \n\t").strip()


def _fenced_query(text: str) -> str | None:
    blocks = fenced_blocks(text)
    marked = [f"{b.rest}\n{b.inside}" for b in blocks if b.language in _DIALECTS]
    plain = [f"{b.info}\n{b.inside}" for b in blocks if b.language not in _DIALECTS]
    queries = marked or [query for query in plain if _QUERY.match(query)]
    return queries[-1] if queries else None


def orders(sql: str) -> bool:
    """Whether a query has an ORDER BY at its top level, outside of all brackets. Linear time."""
    return _order_end(sql) is not None


def ties_broken(sql: str, columns: int) -> list[str]:
    """A query that orders, ordered further by all ``columns`` of its result, up and down; none of a
    query that does not. Where the two answers differ is where rows tie in the order asked for."""
    end = _order_end(sql)
    if end is None:
        return []
    places = range(1, columns + 1)
    more = [", ".join(f"{place} {way}" for place in places) for way in ("ASC", "DESC")]
    return [f"{sql[:end]}\n, {one}\n{sql[end:]}" for one in more]


def _order_end(sql: str) -> int | None:
    """Where the ORDER BY of the top level ends: before LIMIT and its like; None without one."""
    depth, before, found = 0, "", False
    for match in _LEXEME.finditer(sql):
        lexeme = match.group().lower()
        depth += (lexeme == "(") - (lexeme == ")")
        if depth == 0 and found and lexeme in ("limit", "offset", "fetch"):
            return match.start()
        found = found or (depth == 0 and before == "order" and lexeme == "by")
        if lexeme[:2] not in ("--", "/*"):
            before = lexeme if depth == 0 else ""
    return len(sql) if found else None


def constants(sql: str) -> tuple[list[float], list[str]]:
    """The numbers and the texts that a query names, each once, in order; 100 of each at most."""
    numbers: dict[float, None] = {}
    texts: dict[str, None] = {}
    for match in _LEXEME.finditer(sql):
        lexeme = match.group()
        if lexeme[0] in "'\"" and len(lexeme) < 200 and len(texts) < 100:
            texts[lexeme[1:-1].replace("''", "'")] = None
        elif lexeme[0].isdigit() and len(lexeme) < 16 and len(numbers) < 100:
            numbers[float(lexeme)] = None
    return list(numbers), list(texts)


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


def need_sqlglot(what: str) -> None:
    """Load sqlglot; ImportError, naming the mend, where it is missing.

    Loaded before workers are forked, it costs none of them their time.
    """
    try:
        import sqlglot  # noqa: F401
    except ImportError:
        raise ImportError(f"{what} needs the package sqlglot: {install('sql')}") from None
