"""Other data for a schema: what stays, what differs, and what it tells apart."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rewards.completions import rollouts_of

from guerdon.records import Progress, Task
from guerdon.rewards.programs.sql import SqlExecution
from guerdon.rewards.programs.sql_answers import OrderIfAsked, same_set, tied
from guerdon.rewards.programs.sql_databases import Contents, Database
from guerdon.rewards.programs.sql_engines import Answer, DuckDb, Engine, QueryLimits, Sqlite
from guerdon.rewards.programs.sql_text import constants, ties_broken
from guerdon.rewards.programs.sql_variants import turned, variants

LIMITS = QueryLimits(seconds=2, rows=1000)
SHOP = Database(
    "CREATE TABLE makers (id INTEGER PRIMARY KEY, town VARCHAR NOT NULL UNIQUE);"
    "CREATE TABLE goods (name VARCHAR, maker INTEGER REFERENCES makers(id), price DOUBLE, "
    "sold VARCHAR, kept INTEGER);",
    {
        "makers": [[1, "ulm"], [2, "bonn"], [3, "kiel"]],
        "goods": [
            *[["pan", 1, 9.5, "2024-02-28", 0], ["pot", 2, 20.0, "2023-12-31", 1]],
            *[["lid", 1, 4.0, "2024-01-01", 1], ["cup", None, 2.5, "2022-07-04", 0]],
        ],
    },
)
QUERY = "SELECT name FROM goods WHERE price > 7 AND sold LIKE '2024%'"


def engine_of(name: str) -> Engine:
    if name == "duckdb":
        pytest.importorskip("duckdb")
        return DuckDb()
    return Sqlite()


@pytest.mark.parametrize("engine", ["sqlite", "duckdb"])
def test_what_a_schema_declares_is_kept(engine: str) -> None:
    contents = engine_of(engine).tables(SHOP, LIMITS)
    assert [table.name for table in contents.tables] == ["makers", "goods"]
    makers, goods = contents.tables
    assert makers.rows == ((1, "ulm"), (2, "bonn"), (3, "kiel"))
    assert set(makers.keys) == {(0,), (1,)}
    assert makers.required == {0, 1}
    assert goods.references == {1: ("makers", "id")}
    made = variants(contents, QUERY, 4)
    assert made == variants(contents, QUERY, 4)
    for database in made:
        rows = database.rows
        assert rows != SHOP.rows
        assert len({row[0] for row in rows["makers"]}) == len(rows["makers"]) > 0
        assert len({row[1] for row in rows["makers"]}) == len(rows["makers"])
        assert all(None not in row for row in rows["makers"])
        owners = {row[0] for row in rows["makers"]}
        assert {row[1] for row in rows["goods"]} <= owners
        assert {row[4] for row in rows["goods"]} <= {0, 1}
        assert all(row[3][4] == row[3][7] == "-" for row in rows["goods"])
        assert engine_of(engine).rows(database, "SELECT * FROM goods", LIMITS)[1]
        assert engine_of(engine).rows(turned(database), "SELECT * FROM goods", LIMITS)[1]


def test_constants_of_a_query() -> None:
    assert constants("SELECT 'it''s', 3.5 FROM t9 WHERE x = 7 -- 8") == ([3.5, 7], ["it's"])


def test_ties_are_what_two_ways_of_breaking_them_tell() -> None:
    def answer(text: str) -> Answer:
        return Answer(tuple(letter.encode() for letter in text), 1, "SELECT x ORDER BY y")

    assert tied(answer("abccd"), answer("bacdc")) == (2, 3, 5)
    assert tied(answer("aaba"), answer("aaab")) == (1, 2, 4)
    assert tied(answer(""), answer("")) == ()
    up, down = ties_broken("SELECT a, b FROM t ORDER BY c DESC LIMIT 3", 2)
    assert "".join(up.split()) == "SELECTa,bFROMtORDERBYcDESC,1ASC,2ASCLIMIT3"
    assert "1 DESC, 2 DESC" in down
    assert ties_broken("SELECT a FROM (SELECT 1 AS a ORDER BY 1)", 1) == []


PETS: dict[str, Any] = {
    "schema": "CREATE TABLE pets (name TEXT, age INTEGER)",
    "rows": [["ada", 3], ["bela", 9], ["cora", 12], ["dino", 9]],
    "table": "pets",
}


def right(gold: str, *queries: str, engine: str = "sqlite", **more: Any) -> list[float]:
    task = Task("t", "which?", gold, PETS)
    reward = SqlExecution(engine=engine_of(engine), limits=LIMITS, **more)
    texts = [f"<answer>{query}</answer>" for query in queries]
    scores = reward(rollouts_of(texts, task), Progress())
    assert scores.valid.all(), scores.reasons
    found: list[float] = scores.value.tolist()
    return found


@pytest.mark.parametrize("engine", ["sqlite", "duckdb"])
def test_a_query_that_is_right_by_accident_is_wrong(engine: str) -> None:
    gold = "SELECT name FROM pets WHERE age > 40"
    same, never = "SELECT p.name FROM pets p WHERE 40 < p.age", "SELECT 'x' WHERE 1 = 0"
    assert right(gold, same, never, engine=engine) == [1, 0]
    assert right(gold, same, never, engine=engine, variants=0) == [1, 1]
    ordered, backwards = "SELECT name FROM pets ORDER BY age", "SELECT name FROM pets ORDER BY -age"
    tied_otherwise = "SELECT name FROM pets ORDER BY age, name DESC"
    assert right(ordered, tied_otherwise, backwards, engine=engine) == [1, 0]
    assert right(ordered, backwards, engine=engine, variants=0, compare=same_set) == [1]


def test_an_order_is_told_apart_from_ties_on_the_tasks_own_data_too() -> None:
    by_age = "SELECT name FROM pets ORDER BY age"
    assert right(by_age, f"{by_age}, name DESC", "SELECT name FROM pets", variants=0) == [1, 0]
    one, two = (Answer((b"x", b"y"), 1, by_age), Answer((b"y", b"x"), 1, ""))
    assert not OrderIfAsked()(one, two)


def test_a_reference_that_finds_nothing_anywhere_cannot_be_graded() -> None:
    task = Task("t", "which?", "SELECT name FROM pets WHERE age <> age", PETS)
    texts = [f"<answer>{query}</answer>" for query in (str(task.answer), "SELECT 1", "")]
    scores = SqlExecution(limits=LIMITS)(rollouts_of(texts, task), Progress())
    assert not scores.valid.any()
    assert "task 't': its reference query finds no row" in str(scores.reasons[0])


@settings(max_examples=15, deadline=None)
@given(
    column=st.sampled_from(["age", "age + 1"]),
    sign=st.sampled_from(["<", ">", "="]),
    number=st.integers(0, 15),
    space=st.sampled_from([" ", "\n", " /* so */ "]),
)
def test_a_query_is_itself_however_it_is_written_and_no_other(
    column: str, sign: str, number: int, space: str
) -> None:
    gold = f"SELECT name FROM pets WHERE {column} {sign} {number}"
    turned_round = {"<": ">", ">": "<", "=": "="}[sign]
    same = f"select p.name{space}from pets as p where {number} {turned_round} p.{column};"
    near = f"SELECT name FROM pets WHERE {column} {sign} {number + 1}"
    assert right(gold, same, near) == [1, 0]


def test_tables_that_cannot_be_filled_are_left_empty() -> None:
    schema = "CREATE TABLE odd (x BLOB NOT NULL);" + str(PETS["schema"])
    contents = Sqlite().tables(Database(schema, {"pets": PETS["rows"]}), LIMITS)
    assert isinstance(contents, Contents)
    for database in variants(contents, QUERY, 2):
        assert database.rows["pets"]
        assert Sqlite().rows(database, "SELECT * FROM odd", LIMITS)[0] == 1
