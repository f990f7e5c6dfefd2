"""Columns of a file that say which question a row is a view of, and whether it is a probe."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from guerdon.records import Task, questions
from guerdon.tasks import FileTasks
from guerdon.tasks.reading import DataError

NAMED = {"link": "of", "probe": "only_watched", "samples": "times"}


def written(folder: Path, *rows: dict[str, Any]) -> str:
    file = folder / "tasks.jsonl"
    lines = [json.dumps({"prompt": f"p{n}", "answer": "a", **row}) for n, row in enumerate(rows)]
    file.write_text("\n".join(lines) + "\n")
    return str(file)


def test_named_columns_are_fields_of_the_task(tmp_path: Path) -> None:
    path = written(
        tmp_path,
        {"of": "q", "times": 4, "level": 2},
        {"of": "q", "only_watched": True},
        {"of": 7, "only_watched": False, "times": None},
        {},
    )
    tasks = FileTasks(path, held_out=0.0, **NAMED).load("train")
    assert [(t.link, t.probe, t.samples) for t in tasks] == [
        ("q", False, 4),
        ("q", True, None),
        ("7", False, None),
        (None, False, None),
    ]
    assert [t.columns for t in tasks] == [{"level": 2}, {}, {}, {}]


def test_columns_of_these_names_mean_nothing_unless_they_are_named(tmp_path: Path) -> None:
    path = written(tmp_path, {"link": "https://a.example", "samples": "many", "probe": 3})
    (task,) = FileTasks(path, held_out=0.0).load("train")
    assert (task.link, task.probe, task.samples) == (None, False, None)
    assert task.columns == {"link": "https://a.example", "samples": "many", "probe": 3}


def test_views_of_a_question_stay_in_one_split(tmp_path: Path) -> None:
    path = written(tmp_path, *({"of": f"q{n // 3}"} for n in range(90)))
    source = FileTasks(path, held_out=0.5, link="of")
    splits: dict[str, list[Task]] = {name: list(source.load(name)) for name in ("train", "test")}
    assert all(splits.values())
    assert {len(places) for tasks in splits.values() for places in questions(tasks)} == {3}
    path = written(tmp_path, {"of": "q", "split": "train"}, {"of": "q", "split": "test"})
    with pytest.raises(DataError, match=r"line 2, field 'split': 'test', but another view of the"):
        FileTasks(path, link="of").load("train")


@pytest.mark.parametrize(
    ("row", "told"),
    [
        ({"times": 0}, r"line 1, field 'times': 0; give a whole number of 1 or more"),
        ({"times": -2}, r"field 'times': -2"),
        ({"times": 1.5}, r"field 'times': 1\.5"),
        ({"times": True}, r"field 'times': True"),
        ({"times": "3"}, r"field 'times': '3'"),
        ({"only_watched": "yes"}, r"field 'only_watched': 'yes'; give true or false"),
        ({"only_watched": 1}, r"field 'only_watched': 1; give true or false"),
        ({"of": ""}, r"field 'of': '' is no id"),
        ({"of": ["q"]}, r"field 'of': \['q'\] is no id"),
    ],
)
def test_what_a_column_may_not_say(row: dict[str, Any], told: str, tmp_path: Path) -> None:
    path = written(tmp_path, {"of": "q", "only_watched": False, "times": 1, **row})
    with pytest.raises(DataError, match=told):
        FileTasks(path, **NAMED).load("train")


def test_a_column_that_no_row_has_is_an_error(tmp_path: Path) -> None:
    path = written(tmp_path, {"of": "q"}, {})
    with pytest.raises(DataError, match=r"has no column .question., which one of"):
        FileTasks(path, link="question").load("train")
    assert len(FileTasks(path, held_out=0.0, link="of").load("train")) == 2
