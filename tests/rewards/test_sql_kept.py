"""References that are kept from batch to batch: what is kept, how much, and what is not."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

import pytest
from rewards.completions import rollouts_of

from guerdon.records import Progress, Task
from guerdon.rewards.programs import sql_answers
from guerdon.rewards.programs.sql import SqlExecution
from guerdon.rewards.programs.sql_databases import Database
from guerdon.rewards.programs.sql_engines import (
    Answer,
    QueryLimits,
    Sqlite,
    run_queries,
    run_together,
)
from guerdon.rewards.programs.sql_kept import Memory, bytes_of, content_key, steady
from guerdon.rewards.running.workers import Failed

PETS: dict[str, Any] = {
    "schema": "CREATE TABLE pets (name TEXT, age INTEGER)",
    "rows": [("ada", 3), ("bela", 9), ("cora", 12)],
    "table": "pets",
}
GOLD = "SELECT name FROM pets WHERE age > 5"
OTHER_WORDS = "SELECT name FROM pets WHERE 5 < age"
BY_HEART = "SELECT 'bela' UNION SELECT 'cora'"


def judged(reward: SqlExecution, queries: list[str], tasks: list[Task]) -> list[float]:
    texts = [f"```sql\n{query}\n```" for query in queries]
    each = len(texts) // len(tasks)
    group = [row // each for row in range(len(texts))]
    return reward(rollouts_of(texts, *tasks, group=group), Progress()).value.tolist()


def test_a_memory_holds_so_many_bytes() -> None:
    memory: Memory[str] = Memory(100)
    for name in "abc":
        memory.put(name, name, 40)
    assert [memory.get(name) for name in "abc"] == [None, "b", "c"]
    memory.put("b", "again", 60)
    assert (memory.get("b"), memory.get("c"), memory.held) == ("again", "c", 100)
    memory.put("large", "large", 101)
    assert memory.get("large") is None
    assert memory.held == 100


def test_equal_content_has_one_key() -> None:
    one, same = (Database("CREATE TABLE t (x)", {"t": [(1, "a")]}) for _ in range(2))
    assert content_key(one) == content_key(same)
    for other in (Database("CREATE TABLE t (y)", one.rows), Database(one.script, {"t": [(1, 2)]})):
        assert content_key(other) != content_key(one)
    assert content_key(Database("", {"t": [(lambda: 1,)]})) is None
    assert bytes_of(Database("1234", {"t": [("x" * 1000, 1)]})) > 1000


def test_a_file_that_changed_is_another(tmp_path: Path) -> None:
    file = tmp_path / "pets.db"
    reward = SqlExecution(databases=(str(tmp_path),))
    task = Task("t", "?", GOLD, {"database": str(file)})
    for right, wrong in (("bela", "dino"), ("dino", "bela")):
        file.unlink(missing_ok=True)
        with sqlite3.connect(file) as connection:
            connection.execute("CREATE TABLE pets (name TEXT PRIMARY KEY, age INTEGER)")
            connection.execute("INSERT INTO pets VALUES (?, 9), (?, 2)", (right, wrong))
        connection.close()
        for _ in range(2):
            assert judged(reward, [OTHER_WORDS, f"SELECT '{right}'"], [task]) == [1, 0]


@pytest.mark.parametrize("sql", ["SELECT random()", "SELECT date('NOW')", "SELECT CURRENT_DATE"])
def test_what_changes_is_not_kept(sql: str) -> None:
    assert not steady(sql)
    assert steady(GOLD)


def test_references_are_asked_once_in_all_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sql_answers, "_KNOWN", Memory())
    counts: list[int] = []

    def counted(asked: Any, *rest: Any) -> Any:
        counts.append(len(asked))
        return run_queries(asked, *rest)

    monkeypatch.setattr(sql_answers, "run_queries", counted)
    tasks = [Task(f"t{k}", "?", GOLD, {**PETS}) for k in range(3)]
    queries = [OTHER_WORDS, BY_HEART] * 3
    for _ in range(2):
        assert judged(SqlExecution(), queries, tasks) == [1, 0] * 3
    # Three tasks of one reference and two queries on it; the second time the reference is known.
    assert counts == [1, 2, 0, 2]


def test_a_reason_names_the_task_of_its_row() -> None:
    nothing = {**PETS, "schema": "CREATE TABLE pets (name TEXT, age INTEGER", "rows": []}
    tasks = [Task(name, "?", GOLD, nothing) for name in ("one", "two")]
    texts = [f"```sql\n{OTHER_WORDS}\n```"] * 2
    reasons = SqlExecution()(rollouts_of(texts, *tasks), Progress()).reasons
    for name, reason in zip(("one", "two"), reasons, strict=True):
        assert f"task {name!r}: its database can't be used" in str(reason)


class Ending(Sqlite):
    """Plays an engine that a query brings down."""

    def rows(
        self, database: Database, sql: str, limits: QueryLimits
    ) -> tuple[int, list[tuple[Any, ...]]]:
        if sql == "end":
            raise SystemExit(3) if not database.script else KeyboardInterrupt
        return super().rows(database, sql, limits)


def test_what_fails_in_company_is_asked_again_alone() -> None:
    one, two = Database("CREATE TABLE t (x)"), Database("CREATE TABLE t (y)")
    limits = QueryLimits(seconds=5)
    groups = [[(one, "SELECT 1"), (one, "end"), (two, "SELECT 1")], [(two, "SELECT y FROM t")], []]
    first, second, third = run_together(groups, Ending(), limits)
    assert [isinstance(found, Answer) for found in first] == [True, False, True]
    assert isinstance(first[1], Failed)
    assert first[0] == first[2]
    assert isinstance(second[0], Answer)
    assert third == []
