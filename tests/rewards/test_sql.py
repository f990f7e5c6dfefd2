"""Queries that are run and compared, and queries that try to do harm."""

from __future__ import annotations

import sqlite3
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from rewards.completions import rollouts_of

from guerdon.records import Progress, Scores, Task
from guerdon.rewards.programs.sql import SqlExecution, SqlQuestion, SqlReward
from guerdon.rewards.programs.sql_answers import (
    OrderIfAsked,
    same_list,
    same_multiset,
    same_set,
)
from guerdon.rewards.programs.sql_engines import (
    Database,
    DuckDb,
    Engine,
    QueryLimits,
    Sqlite,
    answer_query,
    run_queries,
)
from guerdon.rewards.programs.sql_text import ngram_similarity, orders, query_of, schema_items
from guerdon.rewards.running.workers import Failed
from guerdon.tasks import SqlQueries

SINGERS = {
    "schema": "CREATE TABLE singer (name TEXT, age INTEGER)",
    "rows": [("ann", 30), ("bo", 31), ("cy", 40)],
    "table": "singer",
}
GOLD = "SELECT name FROM singer WHERE age > 30"
OTHER_WORDS = "SELECT s.name FROM singer AS s WHERE NOT s.age <= 30"
WRONG = "SELECT name FROM singer WHERE age > 31"
QUICK = QueryLimits(seconds=1, rows=1000, memory_mb=200)


def written(sql: str) -> str:
    return f"<reasoning>x</reasoning><answer>```sql\n{sql}\n```</answer>"


def judged(reward: Any, *queries: str, gold: str = GOLD, **columns: Any) -> Scores:
    task = Task("t", "which singers?", gold, {**SINGERS, **columns})
    scores: Scores = reward(rollouts_of([written(q) for q in queries], task), Progress())
    return scores


def parts_of(scores: Scores, row: int = 0) -> dict[str, float]:
    return {name: part[row].item() for name, part in scores.parts.items()}


def says(value: float | None) -> Any:
    def judge(questions: Sequence[SqlQuestion]) -> list[float | None]:
        return [value] * len(questions)

    return judge


def test_partial_rewards_worked_by_hand() -> None:
    pytest.importorskip("sqlglot")
    scores = judged(SqlReward(limits=QUICK), OTHER_WORDS, WRONG, "SELECT name FROM singer WHERE (")
    assert parts_of(scores) == pytest.approx(
        {"execution": 3, "judge": 0, "syntax": 1, "schema": 1, "ngram": 2 / 19, "format": 1}
    )
    assert scores.value[0].item() == pytest.approx(6.105, abs=1e-3)
    assert parts_of(scores, 1) == pytest.approx(
        {"execution": 0, "judge": 0, "syntax": 1, "schema": 1, "ngram": 0.75, "format": 1}
    )
    broken = parts_of(scores, 2)
    assert (broken["execution"], broken["syntax"], broken["schema"]) == (0, 0, 0)
    assert broken["ngram"] > 0.4
    liked = judged(SqlReward(limits=QUICK, judge=says(1.0)), WRONG, OTHER_WORDS)
    assert liked.value.tolist() == pytest.approx([5.75, 6.105], abs=1e-3)
    spared = judged(SqlReward(limits=QUICK, spare_form=True), OTHER_WORDS, WRONG)
    assert spared.value.tolist() == pytest.approx([7, 3.75])


def test_prose_earns_nothing() -> None:
    reward = SqlReward(limits=QUICK, schema=0, judge=says(1.0))
    task = Task("t", "q", GOLD, SINGERS)
    texts = ["plain prose", "", "<answer></answer>", "<answer>", "```sql\n```"]
    assert reward(rollouts_of(texts, task), Progress()).value.tolist() == [0] * 5


def test_the_margin_between_right_and_wrong_is_told() -> None:
    assert SqlReward(judge=says(1.0)).bounds == (5, 6)
    assert SqlReward(judge=says(1.0), judged=1).bounds == (5, 5)
    assert SqlReward().bounds == (5, 4)
    assert SqlReward(spare_form=True, judge=says(1.0)).bounds == (7, 6)
    assert SqlReward().range == SqlReward(judge=says(0.0)).range == (0, 7)
    assert SqlReward(judge=says(1.0), judged=5).range == (0, 9)


def test_a_liked_copy_is_worth_more_than_a_right_query_that_shares_nothing() -> None:
    """Right: 5 and what it has in common with the reference; wrong but liked: 3.75 and 2."""
    pytest.importorskip("sqlglot")
    plain = SqlReward(limits=QUICK, variants=0)
    right = judged(plain, "SELECT 'bo' UNION ALL SELECT 'cy'")
    shared = right.parts["schema"].item() + right.parts["ngram"].item()
    assert right.value.item() == pytest.approx(5 + shared)
    assert 0 <= shared < 0.7
    for weight, ahead in ((2, True), (1, False)):
        reward = replace(plain, judge=says(1.0), judged=weight)
        liked = judged(reward, WRONG).value.item()
        assert liked == pytest.approx(3.75 + weight)
        assert (liked > right.value.item()) is ahead
        # The least that a right query is worth, and what a wrong one is always below.
        least, below = reward.bounds
        assert (below > least) is ahead


def test_the_judge_is_asked_only_about_wrong_queries_and_once() -> None:
    asked: list[SqlQuestion] = []

    def judge(questions: Sequence[SqlQuestion]) -> list[float]:
        asked.extend(questions)
        return [0.5] * len(questions)

    reward = SqlReward(limits=QUICK, schema=0, judge=judge)
    scores = judged(reward, GOLD, WRONG, WRONG)
    assert asked == [SqlQuestion("which singers?", SINGERS["schema"], GOLD, WRONG)]
    assert scores.parts["judge"].tolist() == [0, 1, 1]
    assert judged(SqlReward(limits=QUICK, schema=0, judge=says(7)), WRONG).parts["judge"] == 2
    for silent in (None, float("nan")):
        open_ = judged(SqlReward(limits=QUICK, schema=0, judge=says(silent)), WRONG, GOLD)
        assert open_.reasons == ("the judge gave no score", None)
        kept = judged(SqlReward(limits=QUICK, schema=0, judge=says(silent), fallback=0.2), WRONG)
        assert kept.parts["judge"].item() == pytest.approx(0.4)


def test_results_compare_as_sets_multisets_or_lists() -> None:
    def answers(one: str, two: str) -> tuple[Any, Any]:
        empty = Database()
        return tuple(answer_query(Sqlite(), empty, q, QUICK) for q in (one, two))  # type: ignore[return-value]

    twice = answers("VALUES (1), (2)", "VALUES (2), (1), (1)")
    assert same_set(*twice)
    assert not same_multiset(*twice)
    turned = answers("VALUES (1), (2)", "VALUES (2), (1)")
    assert same_multiset(*turned)
    assert not same_list(*turned)
    for one, two, same in (
        ("SELECT 1", "SELECT 1.0", True),
        ("SELECT 0.1 + 0.2", "SELECT 0.3", True),
        ("SELECT 1", "SELECT '1'", False),
        ("SELECT NULL", "SELECT 'null'", False),
        ("SELECT x'41'", "SELECT 'A'", True),
        ("SELECT 1, 2", "SELECT 2, 1", False),
        ("SELECT 'a', 'b'", "SELECT 'a' || char(31) || 'text b'", False),
        ("SELECT 9223372036854775807", "SELECT 9223372036854775806", False),
        ("SELECT 1 WHERE 0", "SELECT 2 WHERE 0", True),
        ("SELECT 1e999", "SELECT 1e999", True),
    ):
        assert same_set(*answers(one, two)) is same, (one, two)


def test_the_order_counts_where_the_reference_asks_for_one() -> None:
    up, down = "SELECT name FROM singer ORDER BY age", "SELECT name FROM singer ORDER BY age DESC"
    plain, inside = "SELECT name FROM singer", f"SELECT * FROM ({up})"

    def values(gold: str, *queries: str, **more: Any) -> list[float]:
        reward = SqlExecution(compare=OrderIfAsked(**more), limits=QUICK)
        return judged(reward, *queries, gold=gold).value.tolist()

    assert values(up, up, down) == [1, 0]
    assert values(plain, up, down) == [1, 1]
    assert values(inside, up, down) == [1, 1]
    twice = f"{plain} UNION ALL {plain}"
    assert values(plain, twice) == [0]
    assert values(plain, twice, otherwise=same_set) == [1]
    assert values(up, twice, otherwise=same_set) == [0]


def test_a_reference_that_fails_makes_its_rows_invalid() -> None:
    scores = judged(SqlExecution(limits=QUICK), GOLD, gold="SELECT x FROM nowhere")
    assert not scores.valid.any()
    told = "the reference query failed: OperationalError: no such table: nowhere"
    assert scores.reasons == (told,)


ENDLESS = "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT "
HOSTILE = [
    "DROP TABLE singer",
    "DELETE FROM singer",
    "INSERT INTO singer VALUES ('x', 31) RETURNING name",
    "CREATE TABLE t AS SELECT 1",
    "PRAGMA table_info(singer)",
    "SELECT * FROM pragma_table_info('singer')",
    "ATTACH '/tmp/guerdon-attached.db' AS a",
    "VACUUM INTO '/tmp/guerdon-attached.db'",
    "SELECT load_extension('/tmp/x.so')",
    "SELECT readfile('/etc/passwd')",
    f"{GOLD}; DROP TABLE singer",
    ENDLESS + "count(*) FROM n",
    ENDLESS + "x FROM n",
    ENDLESS + "max(length(hex(randomblob(900000)))) FROM n",
    "SELECT zeroblob(2000000000)",
    "SELECT printf('%.*c', 2000000000, 'x')",
    "SELECT " + "(" * 4000 + "1" + ")" * 4000,
    "SELECT 1" + " UNION SELECT 1" * 600,
    "SELECT " + "1, " * 20_000 + "1",
    "\x00",
    "é漢字🙂\u202e\ud800",
]


def test_hostile_queries_are_worth_nothing_and_end() -> None:
    began = time.monotonic()
    scores = judged(SqlExecution(limits=QUICK), *HOSTILE, GOLD)
    assert scores.valid.all()
    assert scores.value.tolist() == [0.0] * len(HOSTILE) + [1.0]
    assert time.monotonic() - began < 60
    assert not Path("/tmp/guerdon-attached.db").exists()


def test_hostile_queries_have_all_parts() -> None:
    pytest.importorskip("sqlglot")
    scores = judged(SqlReward(limits=QUICK), *HOSTILE)
    assert scores.valid.all()
    assert (scores.value < 4).all()


def test_a_file_is_read_and_never_written(tmp_path: Path) -> None:
    file = tmp_path / "a ?%20#b.db"
    with sqlite3.connect(file) as connection:
        connection.execute("CREATE TABLE singer (name TEXT, age INTEGER)")
        connection.executemany("INSERT INTO singer VALUES (?, ?)", SINGERS["rows"])
    connection.close()
    before = file.read_bytes()
    columns = {"database": str(file), "schema": None}
    reward = SqlExecution(limits=QUICK, databases=(str(tmp_path),))
    scores = judged(reward, GOLD, "DELETE FROM singer", WRONG, **columns)
    assert scores.value.tolist() == [1, 0, 0]
    assert file.read_bytes() == before


class Stuck(Sqlite):
    """Never comes back from a query that says so."""

    def rows(
        self, database: Database, sql: str, limits: QueryLimits
    ) -> tuple[int, list[tuple[Any, ...]]]:
        if "stuck" in sql:
            time.sleep(60)
        return super().rows(database, sql, limits)


def test_a_killed_worker_costs_its_own_query() -> None:
    limits = QueryLimits(seconds=0.1, rows=9)
    asked = [(Database(), "SELECT 1"), (Database(), "SELECT 'stuck'"), (Database(), "SELECT 1")]
    one, stuck, three = run_queries(asked, Stuck(), limits)
    assert one == three
    assert isinstance(stuck, Failed)
    assert "no result within" in stuck.reason


def test_too_many_rows_are_no_answer() -> None:
    rows = [(str(k), 35) for k in range(12)]
    few = SqlExecution(limits=QueryLimits(rows=11))
    assert not judged(few, GOLD, rows=rows).valid.any()
    enough = SqlExecution(limits=QueryLimits(rows=12))
    assert judged(enough, GOLD, rows=rows).value.tolist() == [1]


def test_duckdb_runs_and_refuses(tmp_path: Path) -> None:
    duckdb = pytest.importorskip("duckdb")
    reward = SqlExecution(engine=DuckDb(), limits=QUICK)
    bad = [
        "DROP TABLE singer",
        "SELECT * FROM read_csv('/etc/passwd')",
        "SELECT * FROM read_text('/etc/passwd')",
        f"COPY singer TO '{tmp_path}/out.csv'",
        f"ATTACH '{tmp_path}/new.db'",
        "SET memory_limit = '10GB'",
        "INSTALL httpfs",
        f"{GOLD}; {GOLD}",
        "SELECT count(*) FROM range(1000000000) a, range(1000) b",
        "SELECT * FROM range(1000000)",
        "SELECT repeat('x', 1000000000)",
    ]
    scores = judged(reward, GOLD, OTHER_WORDS, WRONG, *bad)
    assert scores.valid.all()
    assert scores.value.tolist() == [1, 1, 0] + [0] * len(bad)
    assert list(tmp_path.iterdir()) == []
    file = tmp_path / "singers.duckdb"
    with duckdb.connect(str(file)) as connection:
        connection.execute(str(SINGERS["schema"]))
        connection.execute("INSERT INTO singer VALUES ('bo', 31), ('cy', 40)")
    columns = {"database": str(file), "schema": None}
    reward = SqlExecution(engine=DuckDb(), limits=QUICK, databases=(str(tmp_path),))
    assert judged(reward, GOLD, "DELETE FROM singer", **columns).value.tolist() == [1, 0]


def test_what_a_task_lacks_is_named() -> None:
    (told,) = judged(SqlExecution(), GOLD, schema=None).reasons
    assert "task 't' has no database: give the column" in str(told)
    (told,) = judged(SqlExecution(), GOLD, gold="").reasons
    assert "task 't': its reference query is ''; give it as text" in str(told)
    engine: Engine = Sqlite()
    assert engine.dialect == "sqlite"


def test_a_missing_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sqlglot", None)
    monkeypatch.setitem(sys.modules, "duckdb", None)
    with pytest.raises(ImportError, match=r"sqlglot: pip install .*'sqlglot"):
        judged(SqlReward(), GOLD)
    with pytest.raises(ImportError, match=r"duckdb: pip install .*'duckdb"):
        judged(SqlExecution(engine=DuckDb()), GOLD)


def test_the_seedlings_queries_can_be_run() -> None:
    tasks = SqlQueries(train=8, test=8).load("test")
    texts = [f"<answer>{task.answer}</answer>" for task in tasks]
    assert SqlExecution()(rollouts_of(texts, *tasks), Progress()).value.tolist() == [1.0] * 8


def test_schema_items() -> None:
    pytest.importorskip("sqlglot")

    def items(sql: str) -> set[str]:
        return set(schema_items(sql, "sqlite"))

    assert items(GOLD) == items(OTHER_WORDS) == {"singer", "name", "age"}
    assert items("SELECT COUNT(*) AS n FROM a JOIN b ON a.x = b.Y ORDER BY n") == {
        *("a", "b", "x", "y", "*")
    }
    assert items("WITH c AS (SELECT x FROM t) SELECT x FROM c") == {"x", "t"}
    assert items("SELECT name AS name FROM t") == {"name", "t"}
    for broken in ("SELECT (", "", "(" * 5000, "no sql at all ]["):
        assert items(broken) == set()


def test_an_order_is_asked_for_outside_of_brackets_and_texts() -> None:
    for sql in (
        "SELECT 1 ORDER BY 1",
        "WITH c AS (SELECT 1) SELECT 2 order/* */ by 1",
        "(x)ORDER BY",
    ):
        assert orders(sql), sql
    for sql in (
        "SELECT * FROM (SELECT 1 ORDER BY 1)",
        "SELECT rank() OVER (ORDER BY x) FROM t",
        "SELECT ' ORDER BY '",
        'SELECT "order by" -- ORDER BY x',
        "SELECT `order` by",
        "SELECT (",
    ):
        assert not orders(sql), sql


def test_ngrams() -> None:
    assert ngram_similarity(GOLD, WRONG) == 0.75
    assert ngram_similarity(GOLD, GOLD.lower()) == 1
    assert ngram_similarity("x", GOLD) == 0
    assert ngram_similarity("", "") == 1
    assert ngram_similarity("( " * 100_000, GOLD) == 0


def test_where_the_query_stands() -> None:
    assert query_of("```sql\nSELECT 1;\n``` and ```sql\nSELECT 2 ;\n```") == "SELECT 2"
    assert query_of("<answer> SELECT 3; </answer>") == "SELECT 3"
    assert query_of("<answer>a</answer>```python\nx\n```") == "a"
    assert query_of("SELECT 4") == "SELECT 4"
    assert query_of("I would select them") == ""


def test_the_form() -> None:
    strict, loose = SqlReward(), SqlReward(reasoning="", fenced=False)
    assert strict.holds(written("SELECT 1"))
    for text in (
        written(""),
        "x" + written("SELECT 1"),
        written("SELECT 1") * 2,
        "<reasoning>x</reasoning><answer>SELECT 1</answer>",
        "<answer>```sql\nSELECT 1\n```</answer><reasoning>x</reasoning>",
    ):
        assert not strict.holds(text)
    assert loose.holds("<answer>SELECT 1</answer>")
    assert not loose.holds("<answer> </answer>")
