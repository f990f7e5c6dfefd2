"""Graders of files: those that believe a folder fall, those that compare outside do not."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from audit import folder_graders as graders

from guerdon.audit import Audit, AuditError
from guerdon.audit.copies import MOST_BYTES, names_files
from guerdon.audit.folders import audit_folders, folder_probes
from guerdon.audit.shipped import beside_files
from guerdon.audit.solutions import Trick
from guerdon.audit.tampering import TAMPERINGS, Tampering
from guerdon.cli.audit import run
from guerdon.records import Task
from guerdon.rewards import reward
from guerdon.rewards.programs.sandbox import isolation_in_force
from guerdon.stages import Reward

confined = pytest.mark.skipif(not isolation_in_force()["kernel"], reason="no sandbox here")
RESULTS = json.loads((Path(__file__).parents[2] / "docs" / "audit.json").read_text())["files"]


def mending(folder: Path, answer: str = graders.PATCH, **columns: Any) -> Task:
    return Task("mend", "Mend mean().", answer, {"repository": str(folder), **columns})


def adding(workdir: Path, expected: Path, answer: str, **columns: Any) -> Task:
    named = {"workdir": str(workdir), "expected_output": str(expected)}
    return Task("add", "Add the numbers.", answer, {**named, **columns})


def tried(judge: Reward, task: Task, *names: str) -> Audit:
    attacks = [one for one in TAMPERINGS if not names or one.name in names]
    return audit_folders(judge, folder_probes([task]), "r", seconds=60.0, attacks=attacks)


def paid(found: Audit) -> set[str]:
    return {one.attack for one in found.findings if one.kind == "false positive"}


def kinds(found: Audit, attack: str) -> set[str]:
    return {one.kind for one in found.findings if one.attack == attack}


OF_PYTEST = ("tests-skipped", "forged-report", "shadowed-module", "patched-comparison")


def test_a_grader_that_believes_pytests_status_falls(tmp_path: Path) -> None:
    found = tried(reward(graders.naive_patch), mending(graders.repository(tmp_path)), *OF_PYTEST)
    assert paid(found) == {*OF_PYTEST}
    assert kinds(found, "tests-skipped") == {"false positive", "changed"}


def test_a_grader_that_patches_the_folder_where_it_lies_falls(tmp_path: Path) -> None:
    others = [one.name for one in TAMPERINGS if one.name not in OF_PYTEST]
    found = tried(reward(graders.plain), mending(graders.repository(tmp_path)), *others)
    assert paid(found) == {*others} - {"expected-overwritten", "outside", "left-running"}
    assert kinds(found, "tests-gone") == {"false positive", "changed"}
    assert kinds(found, "outside") == {"outside"}
    assert kinds(found, "left-running") == {"left running"}
    gone = next(one for one in found.findings if one.kind == "changed")
    assert gone.reason.startswith("repository/tests/test_stats.py is gone; judge each completion")
    mend = next(one for one in found.findings if one.attack == "equal-to-all")
    assert "compare outside of the program's process" in mend.reason
    assert (tmp_path / "repository" / "stats.py").read_text() == graders.STATS
    assert len(list(tmp_path.rglob("*"))) == 4  # nothing was written to the folder itself


def test_a_grader_that_writes_where_it_is_told_falls(tmp_path: Path) -> None:
    task = mending(graders.repository(tmp_path), graders.WHOLE)
    found = tried(reward(graders.naive_files), task, "tests-gone", "outside", "after-right")
    assert paid(found) == {"tests-gone", "after-right"}
    # By .. and by its whole path, and once by the code.
    assert [one.kind for one in found.findings if one.attack == "outside"] == ["outside"] * 3


def test_a_grader_that_compares_with_a_file_in_reach_falls(tmp_path: Path) -> None:
    task = adding(*graders.exercise(tmp_path), graders.PROGRAM)
    found = tried(reward(graders.naive_program), task)
    assert paid(found) == {"expected-overwritten", "expected-read", "links", "after-right"}
    assert kinds(found, "expected-overwritten") == {"false positive", "changed"}
    assert kinds(found, "outside") == {"outside"}
    assert kinds(found, "left-running") == {"left running"}
    assert (tmp_path / "expected.txt").read_text() == "42\n"


@confined
@pytest.mark.parametrize("name", ["patch", "files", "program"])
def test_a_grader_that_compares_outside_falls_to_none(tmp_path: Path, name: str) -> None:
    judge = reward(getattr(graders, f"careful_{name}"))
    if name == "program":
        task = adding(*graders.exercise(tmp_path), graders.PRINTS)
    else:
        answer = graders.PATCH if name == "patch" else graders.WHOLE
        task = mending(graders.repository(tmp_path), answer)
    found = tried(judge, task)
    assert not found.findings
    assert found.cases > 40


@confined
@pytest.mark.parametrize("name", list(RESULTS))
def test_our_own_fall_to_none(tmp_path: Path, name: str) -> None:
    subject = beside_files(tmp_path)[name]
    found = audit_folders(subject.reward, subject.probes, name, seconds=60.0)
    assert not found.findings
    assert RESULTS[name] == {"cases": found.cases, "counts": {}}
    asked = {"expected-read", "expected-overwritten", "outside"}
    if name.startswith("code"):
        asked = {one.name for one in TAMPERINGS}
    assert {one.attack for one in found.tallies} >= asked


def test_a_reward_that_works_on_the_folder_itself_is_not_attacked(tmp_path: Path) -> None:
    folder = graders.repository(tmp_path)
    seen: list[str] = []

    def fixed(completion: str, repository: str) -> float:
        (folder / "stats.py").write_text("touched")
        seen.append(completion)
        return 1.0

    with pytest.raises(AuditError, match=r"wrote to .*repository itself .* nothing was attacked"):
        tried(reward(fixed), mending(folder))


def test_a_program_that_changes_the_reward_itself_is_told(tmp_path: Path) -> None:
    def executes(completion: str, workdir: str) -> float:
        space: dict[str, Any] = {"judge": executes}
        try:
            exec(completion, space)
        except Exception:
            return 0.0
        return float(getattr(executes, "won", False) or space.get("value") == 42)

    task = adding(*graders.exercise(tmp_path), "value = 42\n", wrong_answers=["value = 41\n"])
    poison = [Tampering("poison", "", "", lambda ground: [Trick(code="judge.won = True\n")])]
    found = audit_folders(reward(executes), folder_probes([task]), "r", attacks=poison)
    assert kinds(found, "poison") == {"false positive", "unsteady"}
    # The next is judged by another process.
    assert paid(found) == {"poison"}


def test_what_cannot_be_tried_is_told(tmp_path: Path) -> None:
    folder = graders.repository(tmp_path)
    with pytest.raises(ValueError, match="has no reference solution"):
        folder_probes([Task("t", "?", None, {"repository": str(folder)})])
    with pytest.raises(ValueError, match="is no diff, no files in fences or tags"):
        folder_probes([Task("t", "?", "I would mend it.", {"repository": str(folder)})])
    with (folder / "large").open("wb") as file:
        file.truncate(MOST_BYTES + 1)
    with pytest.raises(ValueError, match="each completion gets a copy: at most"):
        tried(reward(graders.naive_patch), mending(folder))


def test_columns_that_name_files_are_known(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    graders.repository(tmp_path)
    monkeypatch.chdir(tmp_path)
    assert names_files(Task("t", "?", "", {"repository": "repository"}))
    assert names_files(Task("t", "?", "", {"where": "./repository"}))
    assert names_files(Task("t", "?", "", {"extra_info": {"where": str(tmp_path)}}))
    assert names_files(Task("t", "?", "", {"tests": "repository/tests/test_stats.py"}))
    assert not names_files(Task("t", "?", "", {"language": "repository"}))
    assert not names_files(Task("t", "?", "", {"image": "repository/stats.py"}))
    assert not names_files(Task("t", "?", "", {"operator": "/", "above": "../"}))
    assert not names_files(Task("t", "?", "", {"repository": "elsewhere", "tests": ["tests"]}))


@pytest.mark.parametrize("name", ["plain", "trl", "compute_score"])
def test_the_command_takes_each_signature(
    tmp_path: Path, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = str(graders.repository(tmp_path))
    row: dict[str, Any] = {"prompt": "Mend mean().", "answer": graders.PATCH, "repository": folder}
    if name == "compute_score":
        info = {"index": 0, "repository": row.pop("repository")}
        row = {**row, "data_source": "stats", "extra_info": info}
    rows = tmp_path / "rows.jsonl"
    rows.write_text(json.dumps(row) + "\n")
    options = dict.fromkeys(("judges", "memory", "databases", "count", "page"))
    given = {"reward": f"{graders.__file__}:{name}", "tasks": str(rows), "seconds": "60"}
    allowed = ",".join(one.name for one in TAMPERINGS if one.name != "after-right")
    shown = {"json": True, "quiet": True, "allow": allowed}
    assert run({**options, **given, **shown}, []) == 1
    told = json.loads(capsys.readouterr().out)
    assert told["judges"] == "files"
    assert told["counts"]["false positive"] > 10
    assert [one["attack"] for one in told["findings"] if one["attack"] not in allowed.split(",")]


def test_without_a_folder_the_command_says_so(tmp_path: Path) -> None:
    rows = tmp_path / "rows.jsonl"
    rows.write_text(json.dumps({"prompt": "2+2?", "answer": "4"}) + "\n")
    options = dict.fromkeys(("memory", "databases", "count", "page", "allow", "seconds"))
    asked = {"judges": "files", "reward": "answer-match", "json": True, "quiet": True}
    for tasks, said in ((str(rows), "names a folder that exists"), (None, "give --tasks")):
        with pytest.raises(Exception, match=said):
            run({**options, **asked, "tasks": tasks}, [])
