"""The corpus of cases: every grader says of each completion what a careful person would.

A case is a line of tests/cases/*.jsonl (docs/graders.md tells its fields); adding one is adding a
line.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from guerdon.cli.cases import read_cases, told, try_cases
from guerdon.cli.commands import run
from guerdon.rewards import AnswerMatch
from guerdon.tasks import DataError

CASES = sorted((Path(__file__).parent / "cases").glob("*.jsonl"))


@pytest.mark.parametrize("file", CASES, ids=lambda file: file.stem)
def test_every_case_has_its_verdict(file: Path) -> None:
    wrong = [told(one) for one in try_cases(read_cases(file), AnswerMatch()) if not one.right]
    assert not wrong, f"{len(wrong)} wrong:\n" + "\n".join(wrong)


@pytest.mark.parametrize("file", CASES, ids=lambda file: file.stem)
def test_every_case_names_its_reward_its_kind_and_where_it_was_met(file: Path) -> None:
    for case in read_cases(file):
        assert case.reward is not None, case.place
        assert case.kind, case.place
        assert case.source, case.place


def _file(tmp_path: Path, **fields: object) -> Path:
    row = {"completion": "so 5", "answer": "5", "verdict": 1, **fields}
    path = tmp_path / "cases.jsonl"
    path.write_text(json.dumps({k: v for k, v in row.items() if v is not None}) + "\n")
    return path


def test_a_file_of_ones_own_is_tried_on_the_reward_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = _file(tmp_path)
    assert run(["score", "--cases", str(path), "--reward", "answer-match"]) == 0
    assert "1 of 1 verdicts are right" in capsys.readouterr().out
    path = _file(tmp_path, verdict=0)
    assert run(["score", str(path), "--cases", "--json"]) == 1
    report = json.loads(capsys.readouterr().out)
    assert report["wrong"][0]["said"] == 1.0
    assert report["kinds"][""]["overpaid"] == 1


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"verdict": "yes"}, "line 1, field 'verdict': 'yes'; give a number, or 'invalid'"),
        ({"verdict": True}, "field 'verdict': True"),
        ({"completion": None}, "field 'completion': missing"),
        ({"reward": "answer-mach"}, "field 'reward': 'answer-mach' is none of ours"),
        ({"reward": "answer-match", "settings": {"limit": 2}}, "has no setting 'limit'"),
        ({"settings": {"limit": 2}}, "field 'settings': of which reward?"),
        ({"gold": "5"}, "field 'gold': a case has the fields answer, columns"),
        ({"columns": [1]}, "field 'columns': [1]; give an object"),
    ],
)
def test_what_is_no_case_is_named(tmp_path: Path, fields: dict[str, object], told: str) -> None:
    with pytest.raises(DataError) as raised:
        read_cases(_file(tmp_path, **fields))
    assert told in str(raised.value)


def test_invalid_is_a_verdict(tmp_path: Path) -> None:
    path = _file(tmp_path, answer=None, verdict="invalid")
    (outcome,) = try_cases(read_cases(path), AnswerMatch())
    assert outcome.right
    assert outcome.reason == "the task has no reference answer"
