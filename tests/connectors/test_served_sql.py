"""What a stranger can do to files with requests to ``guerdon serve --reward sql``: nothing."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path
from typing import Any

import pytest

for package in ("uvicorn", "h11", "httpx"):
    pytest.importorskip(package, reason="pip install -e '.[server]' httpx to run this")
from connectors.test_server import served  # noqa: E402
from rewards.test_sql_hostile import GOLD, HONEST, ROWS, contents, furnished  # noqa: E402

FOREIGN = {"Content-Type": "text/plain", "Origin": "https://elsewhere.example"}


def row(query: str = GOLD, gold: str = GOLD, **columns: Any) -> dict[str, Any]:
    return {
        "completion": f"<answer>{query}</answer>",
        "prompt": "which?",
        "answer": gold,
        "columns": {"schema": HONEST, "rows": ROWS, **columns},
    }


def test_requests_touch_no_file_and_tell_of_none(tmp_path: Path) -> None:
    folder = furnished(tmp_path / "watched")
    before = contents(folder)
    victim, nowhere = str(folder / "victim.db"), str(folder / "nowhere.db")
    attack = row(schema=f"ATTACH '{folder}/made.db' AS v; CREATE TABLE v.t (x)")
    drop = row(schema=f"ATTACH '{victim}' AS v; DROP TABLE v.money")
    opened = row("SELECT 42", "SELECT amount FROM money", database=victim)
    absent = row("SELECT 42", "SELECT amount FROM money", database=nowhere)
    with served(tmp_path, "sql") as (client, _, _):
        for one in (attack, drop, opened):
            client.post("/score", content=json.dumps({"rows": [one]}), headers=FOREIGN)
            assert contents(folder) == before
        sent = [row(), attack, drop, opened, absent, row()]
        found = client.post("/score", json={"rows": sent}).json()["results"]
        assert [one["valid"] for one in found] == [True, *[False] * 4, True]
        assert [found[0]["value"], found[-1]["value"]] == [1, 1]
        opened_told = found[3]["reason"].replace(victim, "").replace("row-3", "")
        assert opened_told == found[4]["reason"].replace(nowhere, "").replace("row-4", "")
    assert contents(folder) == before


def test_the_user_allows_a_folder_and_a_request_does_not(tmp_path: Path) -> None:
    folder = furnished(tmp_path / "watched")
    (tmp_path / "secret.db").write_bytes((folder / "victim.db").read_bytes())
    before = contents(folder)
    gold = query = "SELECT amount FROM money"
    names = ["victim.db", str(folder / "victim.db"), "../secret.db", str(tmp_path / "secret.db")]
    sent = [row(query, gold, database=name, databases=[str(tmp_path)]) for name in names]
    with served(tmp_path, "sql", "--reward.databases", str(folder)) as (client, _, _):
        found = client.post("/score", json={"rows": sent}).json()["results"]
    assert [one["value"] for one in found] == [1, 1, None, None]
    assert contents(folder) == before
    assert not list(tmp_path.glob("secret.db-*"))


def test_the_audit_takes_a_folder_of_databases(tmp_path: Path) -> None:
    from guerdon.cli.audit import subject_of

    with sqlite3.connect(tmp_path / "pets.db") as made:
        made.execute("CREATE TABLE pets (name TEXT)")
    made.close()
    task = {"answer": "SELECT name FROM pets", "database": "pets.db"}
    lines = [json.dumps({"prompt": f"which, {k}?", **task}) for k in range(8)]
    (tmp_path / "tasks.jsonl").write_text("\n".join(lines))
    asked = ("sql", str(tmp_path / "tasks.jsonl"), 2, 10.0)
    reward: Any = subject_of(*asked, (str(tmp_path),)).reward
    assert reward.databases == (str(tmp_path),)
    with pytest.raises(ValueError, match="answer-match opens no databases"):
        subject_of("answer-match", None, 2, 10.0, (str(tmp_path),))
