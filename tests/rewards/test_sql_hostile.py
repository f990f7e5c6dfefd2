"""Schemas, rows, references and queries that reach for files, settings, memory and time.

Everything here runs beside a folder that is watched: nothing in it may appear or change.
"""

from __future__ import annotations

import hashlib
import os
import socket
import sqlite3
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from rewards.completions import rollouts_of

from guerdon.records import Progress, Scores, Task
from guerdon.rewards.programs.sql import SqlExecution, SqlReward
from guerdon.rewards.programs.sql_engines import (
    Answer,
    Contents,
    Database,
    DuckDb,
    Engine,
    QueryLimits,
    Sqlite,
    run_queries,
)
from guerdon.rewards.programs.sql_text import constants, orders, query_of
from guerdon.rewards.running.memory_limit import memory_can_be_limited
from guerdon.rewards.running.workers import Failed

TIGHT = QueryLimits(seconds=0.3, rows=100, memory_mb=64)
KILLED_AFTER = 3 * TIGHT.seconds + 5
"""Seconds after which a worker is killed at the latest, as `run_queries` says."""

HONEST = "CREATE TABLE pets (name TEXT, age INTEGER)"
ROWS = {"pets": [["ann", 3], ["bo", 4]]}
GOLD = "SELECT name FROM pets WHERE age > 3"
ENDLESS = "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT x FROM n"

# {at} is the watched folder, which holds victim.db, victim.duckdb and note.txt.
SQLITE = [
    "ATTACH '{at}/victim.db' AS v; DROP TABLE v.money",
    "ATTACH '{at}/victim.db' AS v; DELETE FROM v.money",
    "ATTACH '{at}/made.db' AS v; CREATE TABLE v.t (x)",
    "ATTACH 'file:{at}/made.db?mode=rwc' AS v; CREATE TABLE v.t (x)",
    "ATTACH 'file:{at}/victim.db?mode=ro&immutable=1' AS v",
    "ATTACH DATABASE '{at}/victim.db' AS temp2",
    "ATTACH ':memory:' AS v",
    "ATTACH '' AS v",
    "ATTACH '{at}' || '/made.db' AS v",
    "ATTACH (SELECT '{at}/made.db') AS v",
    "BEGIN; ATTACH '{at}/made.db' AS v; COMMIT",
    "attach\n--x\n'{at}/made.db'/*y*/as v",
    "DETACH main",
    "VACUUM",
    "VACUUM main",
    "VACUUM INTO '{at}/made.db'",
    "VACUUM INTO 'file:{at}/made.db'",
    "VACUUM main INTO '{at}/made.db'",
    "SELECT load_extension('{at}/made.so')",
    "SELECT load_extension('{at}/made.so', 'f')",
    "CREATE TABLE t (x DEFAULT (load_extension('{at}/x'))); INSERT INTO t DEFAULT VALUES",
    "CREATE TABLE t AS SELECT load_extension('{at}/x')",
    "SELECT readfile('{at}/note.txt')",
    "SELECT writefile('{at}/made', 'x')",
    "SELECT edit('x')",
    "SELECT fts3_tokenizer('simple')",
    "SELECT sqlite_log(1, 'x')",
    "CREATE VIRTUAL TABLE f USING fsdir",
    "CREATE VIRTUAL TABLE f USING csv(filename='{at}/note.txt')",
    "CREATE VIRTUAL TABLE f USING fts5(x)",
    "CREATE VIRTUAL TABLE f USING fts4(x)",
    "CREATE VIRTUAL TABLE f USING rtree(a, b, c)",
    "CREATE VIRTUAL TABLE f USING dbstat",
    "CREATE TABLE t AS SELECT * FROM fsdir('{at}')",
    "CREATE TABLE t AS SELECT * FROM dbstat",
    "CREATE TABLE t AS SELECT * FROM sqlite_stmt",
    "CREATE TABLE t AS SELECT * FROM pragma_database_list",
    "UPDATE sqlite_dbpage SET data = zeroblob(4096)",
    "PRAGMA journal_mode = WAL; PRAGMA temp_store_directory = '{at}'",
    "PRAGMA temp_store_directory = '{at}'",
    "PRAGMA data_store_directory = '{at}'",
    "PRAGMA writable_schema = ON",
    "PRAGMA writable_schema = 1; UPDATE sqlite_master SET sql = 'x'",
    "PRAGMA hard_heap_limit = 0",
    "PRAGMA hard_heap_limit = 99999999999",
    "PRAGMA soft_heap_limit = 99999999999",
    "PRAGMA temp_store = FILE",
    "PRAGMA main.temp_store = 1",
    "PRAGMA mmap_size = 99999999999",
    "PRAGMA cache_size = 99999999",
    "PRAGMA cache_spill = ON",
    "PRAGMA trusted_schema = ON",
    "PRAGMA query_only = OFF",
    "PRAGMA threads = 8",
    "PRAGMA wal_checkpoint",
    "PRAGMA page_size = 65536",
    "PRAGMA compile_options",
    "PRAGMA database_list",
    "PRAGMA function_list",
    "PRAGMA integrity_check",
    "PRAGMA activate_extensions('x')",
    "PRAGMA rekey = 'x'",
    "PRAGMA lock_proxy_file = '{at}/made'",
    f"CREATE TABLE t (x); INSERT INTO t {ENDLESS}",
    f"CREATE TABLE t AS {ENDLESS}",
    f"SELECT sum(x) FROM ({ENDLESS})",
    f"CREATE TABLE t (x TEXT); INSERT INTO t SELECT zeroblob(900000) FROM ({ENDLESS})",
    f"CREATE TABLE t (x TEXT); INSERT INTO t SELECT hex(randomblob(400000)) FROM ({ENDLESS})",
    f"CREATE TABLE t (x); CREATE INDEX i ON t (x); INSERT INTO t {ENDLESS}",
    f"CREATE TEMP TABLE t AS {ENDLESS}",
    "CREATE TABLE t (x); INSERT INTO t VALUES (zeroblob(2000000000))",
    "CREATE TABLE t (x); INSERT INTO t VALUES (randomblob(2000000000))",
    "CREATE TABLE t (x); INSERT INTO t VALUES (printf('%.*c', 2000000000, 'x'))",
    "CREATE TABLE t (x DEFAULT (zeroblob(1900000000))); INSERT INTO t DEFAULT VALUES",
    "CREATE TABLE t (x); CREATE TRIGGER r AFTER INSERT ON t BEGIN INSERT INTO t VALUES (1); "
    "INSERT INTO t VALUES (2); END; PRAGMA recursive_triggers = ON; INSERT INTO t VALUES (0)",
    f"CREATE TABLE t (x); CREATE TRIGGER r AFTER INSERT ON t BEGIN INSERT INTO t {ENDLESS}; END; "
    "INSERT INTO t VALUES (1)",
    "SELECT 1;" * 400_000,
    f"{ENDLESS.replace('FROM n)', 'FROM n LIMIT 900)')};" * 20_000,
    "CREATE TABLE t (x CHECK (" + "(" * 5000 + "1" + ")" * 5000 + "))",
    "CREATE TABLE t (" + ", ".join(f"c{k}" for k in range(3000)) + ")",
    "SELECT 1" + " UNION SELECT 1" * 900,
    "SELECT " + " || ".join(["zeroblob(999999)"] * 200),
    "SELECT count(*) FROM " + ", ".join(["sqlite_master"] * 70),
    "CREATE TABLE t (x",
    "\x00",
    "é漢字🙂\u202e\ud800",
    "SELECT 'unfinished",
    "CREATE TABLE pets (name, age); CREATE TABLE pets (x)",
]

DUCKDB = [
    "ATTACH '{at}/victim.duckdb' AS v; DROP TABLE v.money",
    "ATTACH '{at}/victim.duckdb' (READ_ONLY)",
    "ATTACH '{at}/made.duckdb' AS v",
    "ATTACH '{at}/victim.db' (TYPE sqlite)",
    "ATTACH ':memory:' AS v",
    "ATTACH ''",
    "ATTACH IF NOT EXISTS '{at}/made.duckdb'",
    "DETACH memory",
    "USE memory",
    "COPY (SELECT 1) TO '{at}/made.csv'",
    "COPY (SELECT 1) TO '{at}/made.parquet' (FORMAT parquet)",
    "COPY (SELECT 1 AS a) TO '{at}/made' (PARTITION_BY a)",
    "CREATE TABLE t (x TEXT); COPY t FROM '{at}/note.txt'",
    "CREATE TABLE t (x TEXT); COPY t TO '{at}/made.csv'",
    "COPY FROM DATABASE memory TO memory",
    "COPY (SELECT 1) TO '/dev/stdout'",
    "EXPORT DATABASE '{at}/made'",
    "IMPORT DATABASE '{at}'",
    "INSTALL httpfs",
    "INSTALL sqlite FROM '{at}'",
    "FORCE INSTALL json",
    "UPDATE EXTENSIONS",
    "LOAD httpfs",
    "LOAD '{at}/made.so'",
    "LOAD json",
    "SET enable_external_access = true",
    "SET allowed_directories = ['{at}']",
    "SET allowed_paths = ['{at}/note.txt']",
    "SET temp_directory = '{at}'",
    "SET GLOBAL temp_directory = '{at}'",
    "SET max_temp_directory_size = '10GB'",
    "SET memory_limit = '100GB'",
    "SET lock_configuration = false",
    "SET home_directory = '{at}'",
    "SET secret_directory = '{at}'",
    "SET extension_directory = '{at}'",
    "SET log_query_path = '{at}/made'",
    "SET profile_output = '{at}/made'",
    "SET profiling_output = '{at}/made'",
    "SET file_search_path = '{at}'",
    "SET VARIABLE x = 1",
    "RESET memory_limit",
    "PRAGMA enable_profiling = 'json'",
    "PRAGMA profiling_output = '{at}/made'",
    "PRAGMA version",
    "CALL enable_logging(storage = 'file', storage_config = {{'path': '{at}/made'}})",
    "SELECT * FROM enable_logging(storage = 'file', storage_config = {{'path': '{at}/made'}})",
    "CALL pragma_version()",
    "CREATE SECRET s (TYPE http, BEARER_TOKEN 'x')",
    "CREATE OR REPLACE SECRET s (TYPE http, BEARER_TOKEN 'x')",
    "CREATE PERSISTENT SECRET s (TYPE http, BEARER_TOKEN 'x')",
    "CREATE TEMPORARY SECRET s (TYPE http, BEARER_TOKEN 'x')",
    "CREATE /* x */ SECRET s (TYPE http, BEARER_TOKEN 'x')",
    "DROP SECRET s",
    "CREATE TABLE t AS SELECT getenv('HOME')",
    "CREATE TABLE t AS SELECT * FROM read_csv('{at}/note.txt')",
    "CREATE TABLE t AS SELECT * FROM read_csv_auto('{at}/*')",
    "CREATE TABLE t AS SELECT * FROM read_text('{at}/note.txt')",
    "CREATE TABLE t AS SELECT * FROM read_blob('{at}/note.txt')",
    "CREATE TABLE t AS SELECT * FROM read_json('{at}/note.txt')",
    "CREATE TABLE t AS SELECT * FROM read_parquet('{at}/note.txt')",
    "CREATE TABLE t AS SELECT * FROM parquet_metadata('{at}/note.txt')",
    "CREATE TABLE t AS SELECT * FROM sniff_csv('{at}/note.txt')",
    "CREATE TABLE t AS SELECT * FROM glob('{at}/*')",
    "CREATE TABLE t AS SELECT * FROM '{at}/note.txt'",
    "CREATE TABLE t AS SELECT * FROM '{at}/note.csv'",
    "CREATE TABLE t AS SELECT * FROM read_duckdb('{at}/victim.duckdb')",
    "CREATE TABLE t AS SELECT * FROM read_csv('http://127.0.0.1:9/x.csv')",
    "CREATE TABLE t AS SELECT * FROM 'https://127.0.0.1:9/x.parquet'",
    "CREATE TABLE t AS SELECT * FROM 's3://bucket/x.parquet'",
    "CREATE TABLE t AS SELECT * FROM query('SELECT * FROM read_te' || 'xt(''{at}/note.txt'')')",
    "CREATE TABLE t AS SELECT * FROM query_table('{at}/note.txt')",
    "CREATE TABLE t AS SELECT * FROM query/**/('SELECT 1')",
    'CREATE TABLE t AS SELECT * FROM "duckdb_settings"()',
    "CREATE TABLE t AS SELECT * FROM duckdb_settings()",
    "CREATE TABLE t AS SELECT * FROM duckdb_secrets()",
    "CREATE TABLE t AS SELECT * FROM arrow_scan(1, 2, 3)",
    "CREATE TABLE t AS SELECT * FROM pandas_scan(1)",
    "CREATE TABLE t AS SELECT * FROM checkpoint('memory')",
    "CREATE TABLE t AS FROM json_execute_serialized_sql(json_serialize_sql('SELECT 1'))",
    "CREATE VIEW v AS SELECT * FROM read_text('{at}/note.txt')",
    "CREATE MACRO m() AS TABLE SELECT * FROM read_text('{at}/note.txt')",
    "CREATE MACRO m(x) AS TABLE SELECT * FROM read_text(x)",
    "CREATE TABLE t AS SELECT * FROM os",
    "PREPARE p AS COPY (SELECT 1) TO '{at}/made'; EXECUTE p",
    "EXPLAIN ANALYZE COPY (SELECT 1) TO '{at}/made'",
    "CHECKPOINT",
    "FORCE CHECKPOINT",
    "VACUUM",
    "CREATE TABLE t AS SELECT * FROM range(1000000000000)",
    "CREATE TABLE t AS SELECT repeat('x', 900000) FROM range(100000000)",
    "CREATE TABLE t AS WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) FROM n",
    "SELECT count(*) FROM range(1000000000) a, range(1000000000) b",
    "SELECT sleep_ms(100000)",
    "SELECT repeat('x', 100000000000)",
    "SELECT list_sum(range(100000000))",
    "SELECT count(*) FROM (SELECT DISTINCT hash(range) FROM range(100000000))",
    "SELECT * FROM range(100000000) t(x) ORDER BY hash(x)",
    "SELECT 1;" * 20_000,
    "SELECT " + "(" * 5000 + "1" + ")" * 5000,
    "CREATE TABLE t (x",
    "\x00",
    "é漢字🙂\u202e\ud800",
    "SELECT 'unfinished",
    "BEGIN; CREATE TABLE pets (name TEXT, age INTEGER); ATTACH '{at}/made.duckdb' AS v; COMMIT",
]


@pytest.fixture(params=[Sqlite(), DuckDb()], ids=["sqlite", "duckdb"])
def engine(request: pytest.FixtureRequest) -> Engine:
    if isinstance(request.param, DuckDb):
        pytest.importorskip("duckdb")
    found: Engine = request.param
    return found


@pytest.fixture
def watched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder with victims, which is also the current one; afterwards it is as it was."""
    folder = furnished(tmp_path / "watched")
    monkeypatch.chdir(folder)
    before = contents(folder)
    yield folder
    assert contents(folder) == before


def furnished(folder: Path) -> Path:
    folder.mkdir()
    (folder / "note.txt").write_text("a secret\n")
    (folder / "note.csv").write_text("a,b\n1,2\n")
    with sqlite3.connect(folder / "victim.db") as made:
        made.execute("CREATE TABLE money (amount INTEGER)")
        made.execute("INSERT INTO money VALUES (42)")
    made.close()
    try:
        import duckdb
    except ImportError:
        return folder
    with duckdb.connect(str(folder / "victim.duckdb")) as other:
        other.execute("CREATE TABLE money AS SELECT 42 AS amount")
    return folder


def contents(folder: Path) -> dict[str, tuple[str, int]]:
    return {
        str(path.relative_to(folder)): (
            hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else "",
            path.lstat().st_mtime_ns,
        )
        for path in sorted(folder.rglob("*"))
    }


def hostile(engine: Engine, folder: Path) -> list[str]:
    table = SQLITE if engine.dialect == "sqlite" else DUCKDB
    return [sql.replace("{{", "{").replace("}}", "}").replace("{at}", str(folder)) for sql in table]


def task(name: str, schema: Any = HONEST, gold: Any = GOLD, **columns: Any) -> Task:
    return Task(name, "which?", gold, {"schema": schema, "rows": ROWS, **columns})


def judged(tasks: list[Task], answer: str = GOLD, **settings: Any) -> Scores:
    """By the task's own data alone, if the settings don't say otherwise."""
    reward = SqlExecution(limits=TIGHT, **{"variants": 0, **settings})
    return reward(rollouts_of([f"<answer>{answer}</answer>"] * len(tasks), *tasks), Progress())


def in_time(calls: int, call: Callable[[], Any]) -> Any:
    """What ``call`` gives; each of its calls of a worker has ended by itself or been ended."""
    began = time.monotonic()
    found = call()
    assert time.monotonic() - began < calls * KILLED_AFTER
    return found


def test_hostile_schemas_cost_their_own_rows(engine: Engine, watched: Path) -> None:
    schemas = hostile(engine, watched)
    tasks = [task(f"bad-{k}", f"{HONEST};{sql}") for k, sql in enumerate(schemas)]
    tasks = [task("first"), *tasks, task("last")]
    scores = in_time(len(schemas), lambda: judged(tasks, engine=engine))
    assert (scores.value[0], scores.value[-1]) == (1, 1)
    for row, schema in enumerate(schemas, 1):
        reason = scores.reasons[row]
        assert reason is not None, schema[:200]
        assert f"task 'bad-{row - 1}': its database" in reason, (schema[:200], reason)


def test_hostile_references_and_queries_read_nothing(engine: Engine, watched: Path) -> None:
    queries = hostile(engine, watched)
    tasks = [task(f"t-{k}", gold=query) for k, query in enumerate(queries)]
    scores = in_time(len(queries), lambda: judged([*tasks, task("last")], engine=engine))
    assert scores.value[-1] == 1
    for row, query in enumerate(queries):
        assert not scores.valid[row], query[:200]
    predicted = [f"```sql\n{query}\n```" for query in queries]
    reward = SqlExecution(engine=engine, limits=TIGHT)
    rollouts = rollouts_of([*predicted, f"```sql\n{GOLD}\n```"], task("one"))
    again = in_time(len(queries), lambda: reward(rollouts, Progress()))
    assert again.valid.all()
    assert again.value.tolist() == [0.0] * len(queries) + [1.0]


WORDS = (
    "ATTACH DETACH COPY TO FROM INTO VACUUM PRAGMA SET LOAD INSTALL EXPORT IMPORT DATABASE CREATE "
    "TABLE VIEW TRIGGER SECRET MACRO TEMP VIRTUAL USING AS SELECT INSERT UPDATE DELETE WITH "
    "RECURSIVE VALUES BEGIN COMMIT END ( ) , ; * = 'at/made' 'at/victim.db' 'at/note.txt' "
    "'file:at/made?mode=rwc' 'at/victim.duckdb' \"at/made\" main temp t x 1 read_text read_csv "
    "load_extension writefile zeroblob(9999999) temp_directory temp_store_directory journal_mode "
    "-- /* */ pets sqlite_master"
)


@given(
    st.lists(
        st.lists(st.sampled_from(WORDS.split()), min_size=1, max_size=8), min_size=20, max_size=20
    )
)
@settings(max_examples=6, deadline=None, suppress_health_check=list(HealthCheck))
def test_words_in_any_order_touch_nothing(
    engine: Engine, watched: Path, drawn: list[list[str]]
) -> None:
    schemas = [" ".join(words).replace("at/", f"{watched}/") for words in drawn]
    tasks = [task(f"t-{k}", f"{HONEST};{sql}", sql) for k, sql in enumerate(schemas)]
    before = contents(watched)
    scores = in_time(20, lambda: judged([*tasks, task("last")], engine=engine))
    assert scores.value[-1] == 1
    assert contents(watched) == before


@pytest.mark.parametrize(
    "columns",
    [
        {"schema": None},
        {"schema": 5},
        {"schema": ["CREATE TABLE pets (name)"]},
        {"schema": ""},
        {"schema": "x" * 16_000_001},
        {"rows": 7},
        {"rows": True},
        {"rows": "abc"},
        {"rows": {"pets": 7}},
        {"rows": {"pets": "abc"}},
        {"rows": {"pets": ["ab", "cd"]}},
        {"rows": {"pets": [{"name": "ann", "age": 3}]}},
        {"rows": {"pets": [[]]}},
        {"rows": {"pets": [["ann"]]}},
        {"rows": {"pets": [["ann", [["deep"]] * 3]]}},
        {"rows": {"pets": [["ann", 10**400]]}},
        {"rows": {"pets": [["\ud800", 1]]}},
        {"rows": {'pets" VALUES (1, 2); --': [["ann", 3]]}},
        {"rows": {'x" SELECT * FROM pets; --': [["ann", 3]]}},
        {"rows": {"": [["ann", 3]]}},
        {"rows": {"a\0b": [["ann", 3]]}},
        {"rows": {"nowhere": [["ann", 3]]}},
        {"rows": {"sqlite_master": [["table", "t", "t", 1, "x"]]}},
        {"query": None},
        {"query": ""},
        {"query": {"sql": GOLD}},
        {"query": "SELECT '" + "x" * 20_000 + "'"},
        {"database": "victim.db"},
        {"database": ["victim.db"]},
    ],
    ids=str,
)
def test_columns_of_the_wrong_kind_cost_their_own_rows(
    engine: Engine, watched: Path, columns: dict[str, Any]
) -> None:
    scores = judged([task("bad", **columns), task("good")], engine=engine)
    assert scores.valid.tolist() == [False, True], columns
    assert scores.value[1] == 1
    assert scores.reasons[0] is not None
    pytest.importorskip("sqlglot")
    partial = SqlReward(engine=engine, limits=TIGHT, fenced=False, reasoning="")
    rollouts = rollouts_of([f"<answer>{GOLD}</answer>"] * 2, task("bad", **columns), task("good"))
    assert partial(rollouts, Progress()).valid.tolist() == [False, True]


def test_a_reason_names_what_is_refused() -> None:
    told = {
        "ATTACH ':memory:' AS v": "ATTACH or VACUUM is not allowed",
        "PRAGMA writable_schema = ON": "the pragma writable_schema is not allowed",
        "SELECT load_extension('x')": "the function load_extension is not allowed",
        "CREATE VIRTUAL TABLE f USING fts5(x)": "the virtual table f is not allowed",
    }
    for sql, why in told.items():
        (reason,) = judged([task("t", f"{HONEST};{sql}")]).reasons
        assert reason == f"task 't': its database can't be used: ValueError: {why}"


def test_names_of_tables_are_quoted(engine: Engine) -> None:
    schema = 'CREATE TABLE "a "" b" (x INTEGER)'
    gold = 'SELECT x FROM "a "" b"'
    scores = judged([task("t", schema, gold, rows={'a " b': [[1]]})], gold, engine=engine)
    assert scores.value.tolist() == [1]


def test_what_is_no_query_is_not_the_empty_answer(engine: Engine) -> None:
    nothing = "SELECT name FROM pets WHERE age > 99"
    for text in ("-- nothing", "/* nothing", "/* */", "--"):
        assert judged([task("t", gold=nothing)], text, engine=engine).value.tolist() == [0], text
    assert judged([task("t", gold=nothing)], nothing, engine=engine).value.tolist() == [1]
    assert not judged([task("t", gold="-- nothing")], GOLD, engine=engine).valid.any()


def test_schemas_as_they_are_written_are_built() -> None:
    schema = """
        PRAGMA foreign_keys=OFF; PRAGMA journal_mode = WAL; PRAGMA synchronous = OFF;
        BEGIN TRANSACTION;
        -- owners
        CREATE TABLE owner (id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT UNIQUE);
        CREATE TABLE pet (id INTEGER, owner INTEGER REFERENCES owner (id) ON DELETE CASCADE,
            kind TEXT CHECK (length(kind) < 9), since TEXT DEFAULT (date('2020-01-01')),
            twice AS (id * 2) STORED);
        CREATE INDEX kinds ON pet (kind COLLATE NOCASE) WHERE kind IS NOT NULL;
        CREATE VIEW cats AS SELECT o.name FROM pet p JOIN owner o ON p.owner = o.id
            WHERE p.kind = 'cat';
        CREATE TRIGGER lower AFTER INSERT ON owner BEGIN
            UPDATE owner SET name = lower(name) WHERE id = NEW.id; END;
        INSERT INTO owner (name) VALUES ('ANN'), ('BO');
        INSERT INTO pet (id, owner, kind) SELECT id, id, 'cat' FROM owner WHERE id = 1;
        ALTER TABLE pet ADD COLUMN age INTEGER; ALTER TABLE pet RENAME COLUMN age TO years;
        ALTER TABLE pet RENAME TO animal; ALTER TABLE animal DROP COLUMN years;
        ANALYZE; REINDEX; SAVEPOINT s; DELETE FROM owner WHERE name = 'bo'; RELEASE s;
        CREATE TABLE gone (x); DROP TABLE gone; COMMIT;
        CREATE TEMP TABLE aside AS SELECT 1;
    """
    gold = "SELECT name FROM cats"
    queries = {gold: 1.0, "SELECT 'ann'": 1.0, "SELECT 'bo'": 0.0}
    for query, worth in queries.items():
        found = judged([task("t", schema, gold, rows=None)], query)
        assert found.value.tolist() == [worth], (query, found.reasons)


def test_duckdb_schemas_as_they_are_written_are_built() -> None:
    pytest.importorskip("duckdb")
    schema = """
        -- owners
        BEGIN TRANSACTION;
        CREATE SCHEMA s; CREATE SEQUENCE ids; CREATE TYPE kind AS ENUM ('cat', 'dog');
        CREATE TABLE owner (id INTEGER PRIMARY KEY DEFAULT nextval('ids'), name TEXT);
        /* a name that is a function's too */ CREATE TABLE summary (id INTEGER, kind kind);
        INSERT INTO summary (id, kind) VALUES (1, 'cat'), (2, 'dog');
        CREATE UNIQUE INDEX i ON summary (id); CREATE OR REPLACE VIEW cats AS
            SELECT name FROM owner JOIN summary USING (id) WHERE kind = 'cat';
        CREATE MACRO twice(x) AS 2 * x;
        INSERT INTO owner (name) SELECT unnest(['ann', 'bo']);
        UPDATE owner SET name = upper(name); ALTER TABLE owner ADD COLUMN age INTEGER;
        CREATE TABLE s.many AS SELECT * FROM range(5); DROP TABLE s.many;
    """
    gold = "SELECT name FROM cats"
    found = judged([task("t", schema, gold, rows=None)], "SELECT 'ANN'", engine=DuckDb())
    assert found.value.tolist() == [1], found.reasons


def test_a_query_leaves_no_trace_for_the_next() -> None:
    pytest.importorskip("duckdb")
    writes = "WITH gone AS (DELETE FROM pets RETURNING name) SELECT count(*) FROM gone"
    database = Database(script=HONEST, rows=ROWS)
    for _ in range(3):
        found = run_queries([(database, writes)] * 8 + [(database, GOLD)] * 8, DuckDb(), TIGHT)
        assert all(isinstance(one, Failed) for one in found[:8])
        assert {len(one.rows) for one in found[8:] if isinstance(one, Answer)} == {1}
        assert len({*found[8:]}) == 1


def test_a_schema_is_built_once_for_each_worker(engine: Engine) -> None:
    """Its random number tells the databases apart: 40 queries, and no more of them than workers."""
    database = Database(script="CREATE TABLE r AS SELECT random() AS x")
    found = run_queries([(database, "SELECT x FROM r")] * 40, engine, TIGHT)
    assert all(isinstance(one, Answer) for one in found)
    assert len({one.rows for one in found if isinstance(one, Answer)}) <= max(
        4, os.cpu_count() or 1
    )


def test_another_schema_is_another_database(engine: Engine) -> None:
    asked = [
        (Database(script=f"CREATE TABLE r AS SELECT {k} AS x"), "SELECT x FROM r") for k in range(9)
    ]
    found = run_queries(asked, engine, TIGHT)
    assert len({one.rows for one in found if isinstance(one, Answer)}) == 9


KEPT: list[bytearray] = []


class Keeping(Sqlite):
    """Plays an engine whose allocator gives nothing back, as DuckDB's does now and then."""

    def rows(
        self, database: Database, sql: str, limits: QueryLimits
    ) -> tuple[int, list[tuple[Any, ...]]]:
        if sql == "keep":
            KEPT.append(bytearray(700 << 20))
        return 1, [(len(bytearray(600 << 20)),)]


def test_memory_that_a_worker_keeps_fails_no_later_query() -> None:
    """700 MB and 600 MB are more than it may hold: it has to be replaced in between."""
    if not memory_can_be_limited():
        pytest.skip("no limit of memory here")
    limits = QueryLimits(seconds=5, memory_mb=64)
    for asked in (["keep"] * 4, ["room"] * 4, ["keep", "room"] * 8):
        found = run_queries([(Database(), sql) for sql in asked], Keeping(), limits)
        failed = [one for sql, one in zip(asked, found, strict=True) if sql == "room"]
        assert all(isinstance(one, Answer) for one in failed), failed


class Reaching(Sqlite):
    """Plays an engine that has been talked into native code: it does what the query names."""

    def rows(
        self, database: Database, sql: str, limits: QueryLimits
    ) -> tuple[int, list[tuple[Any, ...]]]:
        what, place = sql.split(" ", 1)
        if what == "write":
            Path(place).write_text("x")
        elif what == "make":
            os.close(os.open(place, os.O_CREAT | os.O_WRONLY))
        elif what == "read":
            Path(place).read_text()
        elif what == "remove":
            os.remove(place)
        elif what == "connect":
            socket.create_connection(("127.0.0.1", int(place)), 5).close()
        return 1, [(1,)]


def test_the_kernel_stops_an_engine_that_was_talked_into_more(watched: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        asked = [f"write {watched}/made", f"write {watched}/note.txt"]
        if landlocked():
            asked += [f"make {watched}/made", f"read {watched}/note.txt", "read /etc/passwd"]
            asked += [f"remove {watched}/note.txt", f"connect {port}"]
            asked += ["write /proc/self/fdinfo/made"]
        found = run_queries([(Database(), sql) for sql in asked], Reaching(), TIGHT)
        for sql, one in zip(asked, found, strict=True):
            assert isinstance(one, Failed), sql
            assert "Error" in one.reason
        (watched / "made").unlink(missing_ok=True)
        folders = (str(watched),)
        read = (Database(), f"read {watched}/note.txt")
        assert isinstance(run_queries([read], Reaching(), TIGHT, folders)[0], Answer)


def landlocked() -> bool:
    from guerdon.rewards.programs.sandbox import isolation_in_force

    return "Landlock" in str(isolation_in_force()["files"])


def test_duckdb_has_nowhere_to_spill_to(watched: Path) -> None:
    """A sort of eight times its memory fails; it fits when the memory does."""
    pytest.importorskip("duckdb")
    sort = "SELECT row_number() OVER (ORDER BY md5(range::TEXT)) AS p FROM range(3000000)"
    sort = f"SELECT max(p) FROM ({sort})"
    for megabytes, fits in ((40, False), (1000, True)):
        limits = QueryLimits(seconds=60, memory_mb=megabytes)
        (found,) = run_queries([(Database(), sort)], DuckDb(), limits)
        assert isinstance(found, Answer) is fits, found
        assert fits or "Memory" in str(found)


def test_sqlite_sorts_in_memory_or_not_at_all(watched: Path) -> None:
    some = ENDLESS.replace("FROM n)", "FROM n LIMIT 500000)")
    sort = f"SELECT row_number() OVER (ORDER BY hex(x) || '{'a' * 24}') AS p FROM ({some})"
    sort = f"SELECT max(p) FROM ({sort})"
    for megabytes, fits in ((16, False), (1000, True)):
        limits = QueryLimits(seconds=60, memory_mb=megabytes)
        (found,) = run_queries([(Database(), sort)], Sqlite(), limits)
        assert isinstance(found, Answer) is fits, found


REFUSED = "which is not in the folders allowed"


def named(name: Any, *folders: Any, **settings: Any) -> Scores:
    """What a task is worth that names a database file, with these folders allowed."""
    columns = {"schema": None, "rows": None, "database": name}
    one = task("t", gold="SELECT amount FROM money", **columns)
    return judged([one], "SELECT 42", databases=tuple(map(str, folders)), **settings)


def test_files_are_opened_only_in_allowed_folders(engine: Engine, watched: Path) -> None:
    suffix = "db" if engine.dialect == "sqlite" else "duckdb"
    inside = watched / "inside"
    inside.mkdir()
    victim, good = watched / f"victim.{suffix}", inside / f"good.{suffix}"
    good.write_bytes(victim.read_bytes())
    (inside / "link").symlink_to(victim)
    (inside / "hop").symlink_to(watched)
    (inside / "own").symlink_to(good)
    (inside / "dead").symlink_to(inside / "nowhere")
    os.mkfifo(inside / "pipe")
    (inside / "folder").mkdir()
    before = contents(watched)
    for name in (good, good.name, f"folder/../{good.name}", "own", f"./{good.name}"):
        assert named(str(name), inside, engine=engine).value.tolist() == [1], name
    assert named(good.name, watched / "inside" / "folder", inside, engine=engine).value == 1
    outside = [
        *(str(victim), f"../{victim.name}", f"{inside}/../{victim.name}", "link", "hop", "dead"),
        *(f"hop/{victim.name}", "pipe", "folder", ".", "", "/", "/etc/passwd", "/dev/zero"),
        *("/proc/self/mem", "nowhere.db", str(watched / "nowhere.db"), ":memory:", "x" * 5000),
        *(f"file:{good}", f"file:{good}?mode=rwc", f"{good.name}?mode=rwc", f"{good}#", "a\0b"),
        *(f"{good.name}\0", f"{inside}x/{good.name}", "~", "%67ood.db", 7, ["x"], "\ud800"),
    ]
    for name in filter(None, outside):
        found = named(name, inside, engine=engine)
        assert not found.valid.any(), name
        assert REFUSED in str(found.reasons[0]), (name, found.reasons)
    assert contents(watched) == before
    alias = watched / "alias"
    alias.symlink_to(inside)
    for name in (good.name, str(alias / good.name), str(good)):
        assert named(name, alias, engine=engine).value.tolist() == [1], name
    alias.unlink()
    for made in ("link", "hop", "own", "dead", "pipe", good.name):
        (inside / made).unlink()
    (inside / "folder").rmdir()
    inside.rmdir()


def test_nobody_learns_whether_a_file_outside_exists(watched: Path, tmp_path: Path) -> None:
    allowed = tmp_path / "allowed"
    allowed.mkdir()
    paths = [watched / "victim.db", watched / "nothing.", watched, watched / "note.txt" / "x"]
    told = {
        str(named(str(path), allowed).reasons[0]).replace(repr(str(path)), "") for path in paths
    }
    assert len(told) == 1
    none = {str(named(str(path)).reasons[0]).replace(repr(str(path)), "") for path in paths}
    assert len(none) == 1
    assert "task 't' names the database file" in none.copy().pop()
    assert "--reward.databases DIR" in none.pop()
    with pytest.raises(ValueError, match="nowhere' is no folder; name one that is"):
        named("x", tmp_path / "nowhere")


def test_a_file_that_is_no_database_says_so_without_its_path(watched: Path) -> None:
    for engine in (Sqlite(), DuckDb()):
        (reason,) = named("note.txt", watched, engine=engine).reasons
        assert reason is not None
        assert str(watched) not in reason


def test_a_database_in_wal_mode_is_read_and_nothing_is_put_beside_it(watched: Path) -> None:
    file = watched / "wal.db"
    with sqlite3.connect(file) as made:
        made.execute("PRAGMA journal_mode = WAL")
        made.execute("CREATE TABLE money AS SELECT 42 AS amount")
    made.close()
    before = contents(watched)
    assert named("wal.db", watched).value.tolist() == [1]
    assert contents(watched) == before
    # With changes that stand only in the log, nobody is told that 42 is right still.
    with sqlite3.connect(file) as open_:
        open_.execute("UPDATE money SET amount = 43")
        open_.commit()
        assert "writes to it are unfinished" in str(named("wal.db", watched).reasons[0])
    open_.close()
    assert named("wal.db", watched).value.tolist() == [0]
    for left in watched.glob("wal.db*"):
        left.unlink()


def test_settings_name_the_folders_and_come_back_from_a_recipe() -> None:
    from guerdon.parts import build, describe

    reward = SqlExecution(databases=("/data", "more"))
    assert build(describe(reward), trust=("/data",)) == reward


def test_queries_are_parsed_in_a_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the parser does there, the process that trains goes on."""
    sqlglot = pytest.importorskip("sqlglot")
    from guerdon.rewards.programs import sql

    parent = os.getpid()

    def choking(*_: Any, **__: Any) -> None:
        if os.getpid() == parent:
            raise MemoryError("in the process that trains")
        os._exit(7)

    monkeypatch.setattr(sqlglot, "parse_one", choking)
    for kept in (sql._parsers, sql.schema_items):
        kept.cache_clear()
    try:
        rows = rollouts_of(["<answer>SELECT 'bo'</answer>"], task("t"))
        found = SqlReward(limits=TIGHT)(rows, Progress())
        assert found.valid.all()
        assert found.parts["syntax"].item() == 1
    finally:
        sql._parsers.cache_clear()


def test_reading_a_query_takes_linear_time() -> None:
    began = time.process_time()
    for text in ("'" * 200_000, "/*" * 100_000, "-- " * 70_000, "(" * 200_000, "order " * 30_000):
        orders(text)
        constants(text)
        query_of(text)
        query_of(f"<answer>{text}")
    assert time.process_time() - began < 4


class Telling(Sqlite):
    """A database whose tables take for ever to be looked at, or bring the worker down."""

    def tables(self, database: Database, limits: QueryLimits) -> Contents:
        os._exit(7)


def test_where_other_data_cannot_be_made_the_tasks_own_decides() -> None:
    found = judged([task("t")], "SELECT 'bo'", engine=Telling(), variants=4)
    assert found.value.tolist() == [1]
    endless = f"{HONEST};CREATE VIEW v AS {ENDLESS};"
    assert judged([task("t", schema=endless)], f"{GOLD} AND 1", variants=4).value.tolist() == [1]
