"""The form of a reference solution, and other changes written in it."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from guerdon.audit.solutions import MARK, Change, Ground, Trick, form_of, unsolved

OLD = {"a.py": "x = 1\n", "tests/test_a.py": "assert x\n", "end.txt": "no line's end"}
GROUND = Ground(Path("/folder"), OLD)
DIFF = "Here:\n```diff\n--- a/a.py\n+++ b/a.py\n@@ -1 +1 @@\n-x = 1\n+x = 2\n```\nDone.\n"
TAGS = '<file path="a.py">\nx = 2\n</file>\n<file path="b/c.py">\ny = 3\n</file>'
FENCES = "First `a.py`:\n```python\nx = 2\n```\nand b/c.py:\n```python\ny = 3\n```\n"
COMMENT = "```python\n# a.py\nx = 2\n```"
INFO = "```python a.py\nx = 2\n```"
MOVED = Trick((Change("new.py", "z = 1\n"),))


@pytest.mark.parametrize(
    ("solution", "paths"),
    [
        (DIFF, ("a.py",)),
        ("diff --git a/a.py b/a.py\n--- a/a.py\n+++ b/a.py\n@@ -1 +1 @@\n-x\n+y\n", ("a.py",)),
        (TAGS, ("a.py", "b/c.py")),
        (FENCES, ("a.py", "b/c.py")),
        (COMMENT, ("a.py",)),
        (INFO, ("a.py",)),
        ("SELECT 1", ()),
        ("x = 1", ()),
        ("So:\n```python\nprint(1)\n```\n", ()),
    ],
)
def test_the_form_and_its_files_are_read(solution: str, paths: tuple[str, ...]) -> None:
    assert form_of(solution).paths == paths


@pytest.mark.parametrize("solution", ["", "I don't know.", "```\nnot python at all\n```", "<b c>"])
def test_what_is_no_solution_is_an_error(solution: str) -> None:
    with pytest.raises(ValueError, match="write it as the reward reads answers"):
        form_of(solution)


def test_other_files_stand_where_the_solution_stood() -> None:
    assert form_of(TAGS).written(MOVED, GROUND) == (
        '<file path="new.py">\nz = 1</file>\n<file path="b/c.py">\n</file>'
    )
    said = form_of(FENCES).written(MOVED, GROUND)
    assert said == "First `new.py`:\n```python\nz = 1\n```\nFirst `b/c.py`:\n```python\n\n```\n"
    assert form_of(COMMENT).written(MOVED, GROUND) == "```python\n# new.py\nz = 1\n```"
    assert form_of(INFO).written(MOVED, GROUND) == "```python new.py\nz = 1\n```"
    said = form_of(DIFF).written(MOVED, GROUND) or ""
    assert said.startswith("Here:\n```diff\ndiff --git a/new.py b/new.py\nnew file mode 100644\n")
    assert said.endswith("+z = 1\n```\nDone.\n")


def test_code_stands_in_the_solutions_files_and_knows_where_it_is() -> None:
    trick = Trick(code="print(ROOTS)\n")
    assert "print(ROOTS)" in (form_of(COMMENT).written(trick, GROUND) or "")
    program = form_of("x = 1").written(trick, GROUND) or ""
    assert MARK in program
    assert "'/folder'" in program
    assert form_of("x = 1").written(Trick(code="pass\n"), GROUND) == "pass\n"


def test_what_a_form_cannot_say_is_none() -> None:
    link = Trick((Change("l", "a.py", link=True),))
    assert form_of(TAGS).written(link, GROUND) is None
    assert form_of("SELECT 1").written(link, GROUND) is None
    assert form_of("x = 1").written(Trick(query="SELECT 2"), GROUND) is None
    assert (
        form_of(DIFF).written(Trick((Change("none", None),)), GROUND)
        == "Here:\n```diff\n```\nDone.\n"
    )


def test_nothing_done_is_said_in_every_form() -> None:
    for solution in (DIFF, TAGS, FENCES, COMMENT, INFO, "SELECT 1", "x = 1"):
        text = unsolved(form_of(solution), GROUND)
        assert text != solution
        assert form_of(text).paths in (
            (),
            ("notes.txt",),
            ("notes.txt", "a.py"),
            ("notes.txt", "b/c.py"),
        )


TEXTS = st.text("ab+- \n@\\", max_size=30)


@settings(max_examples=25, deadline=None)
@given(TEXTS, TEXTS, st.sampled_from(["text", "gone", "link"]))
def test_git_makes_of_a_diff_what_was_meant(
    tmp_path_factory: pytest.TempPathFactory, old: str, new: str, kind: str
) -> None:
    folder = tmp_path_factory.mktemp("patched")
    (folder / "a.py").write_text(old)
    meant = {"text": Change("a.py", new), "gone": Change("a.py", None)}
    change = meant.get(kind, Change("a.py", "elsewhere", link=True))
    said = form_of(DIFF.partition("diff\n")[2].partition("```")[0]).written(
        Trick((change,)), Ground(folder, {"a.py": old})
    )
    if kind != "text" or old != new:
        assert said is not None
        subprocess.run(["git", "apply"], cwd=folder, input=said.encode(), check=True)
    file = folder / "a.py"
    if kind == "text":
        assert file.read_text() == new
    elif kind == "gone":
        assert not file.exists()
    else:
        assert file.is_symlink()
