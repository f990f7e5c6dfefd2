"""Every unit check of a system names tests that exist, and none is left out."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

import pytest

from guerdon.recipes import all_recipes
from guerdon.reproduction.unit_checks import FOLDER, UnitCheck, read_checks, share_tested

ROOT = Path(__file__).parent.parent
SPECIFICATIONS = ROOT.parent / "shared" / "systems"


@cache
def names_in(file: str) -> frozenset[str]:
    """The names of a file's test functions; empty if there is no such file."""
    path = ROOT / file
    body = ast.parse(path.read_text()).body if path.is_file() else []
    named = (node.name for node in body if isinstance(node, ast.FunctionDef))
    return frozenset(name for name in named if name.startswith("test_"))


def test_every_recipe_has_its_file_and_no_other_system_has_one() -> None:
    assert sorted(path.stem for path in (ROOT / FOLDER).iterdir()) == list(all_recipes())


@pytest.mark.parametrize("slug", all_recipes())
def test_every_named_test_exists(slug: str) -> None:
    checks = read_checks(ROOT / FOLDER / f"{slug}.toml")
    assert checks
    for check in checks:
        for test in check.tests:
            file, _, name = test.partition("::")
            assert name in names_in(file), f"{slug}, {check.says!r}: there is no {test}"


@pytest.mark.parametrize("slug", all_recipes())
def test_no_check_of_the_specification_is_left_out(slug: str) -> None:
    """By their number: what each says is for readers to compare."""
    specification = SPECIFICATIONS / f"{slug}.md"
    if not specification.is_file():
        pytest.skip("its specification is not at hand")
    _, _, after = specification.read_text().partition("\n## Unit checks")
    section = after.partition("\n## ")[0]
    asked = re.findall(r"^(?:-|\d+\.) ", section, re.MULTILINE)
    assert len(read_checks(ROOT / FOLDER / f"{slug}.toml")) == len(asked)


def written(folder: Path, text: str) -> Path:
    path = folder / FOLDER / "toy.toml"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


TESTED = '[[check]]\nsays = "one is 1"\ntests = ["tests/test_toy.py::test_one"]\n'
MISSING = '[[check]]\nsays = "two is 2"\nmissing = "nobody counts to it"\n'


def test_the_mark_counts_the_checks_that_are_tested(tmp_path: Path) -> None:
    assert share_tested("toy", tmp_path) == "no"
    path = written(tmp_path, TESTED + MISSING)
    assert read_checks(path) == (
        UnitCheck("one is 1", ("tests/test_toy.py::test_one",)),
        UnitCheck("two is 2", missing="nobody counts to it"),
    )
    assert share_tested("toy", tmp_path) == "1 of 2"
    written(tmp_path, TESTED)
    assert share_tested("toy", tmp_path) == "yes"
    written(tmp_path, MISSING)
    assert share_tested("toy", tmp_path) == "0 of 1"
    written(tmp_path, "check = []")
    assert share_tested("toy", tmp_path) == "no"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[[check]", r"toy\.toml: "),
        ("", "holds .*check.* entries"),
        ("check = 3", "holds .*check.* entries"),
        ("check = [3]", "check 1: give says, and either"),
        (TESTED + 'other = "x"', "check 1: give says, and either"),
        (TESTED + '[[check]]\nsays = "x"', "check 2: give says, and either"),
        (TESTED + 'missing = "x"', "check 1: give says, and either"),
        ('[[check]]\nsays = "x"\ntests = []', "check 1: tests is empty"),
        ('[[check]]\nsays = "x"\ntests = "t"', "tests is a list of texts"),
        ('[[check]]\nsays = ""\nmissing = "x"', "says and missing are texts"),
        ('[[check]]\nsays = "x"\nmissing = ""', "says and missing are texts"),
    ],
)
def test_a_file_that_says_neither_is_refused_by_name(tmp_path: Path, text: str, told: str) -> None:
    with pytest.raises(ValueError, match=told):
        read_checks(written(tmp_path, text))
