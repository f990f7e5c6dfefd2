"""CONTRIBUTING.md followed to the letter: a newcomer adds a system and edits nothing else."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
TOLD = (ROOT / "CONTRIBUTING.md").read_text()
FILES = dict(
    re.findall(r"^`(\S+)`:\n\n```(?:python|toml)\n(.*?)^```$", TOLD, re.MULTILINE | re.DOTALL)
)
EXPORT = re.search(
    r"^`(src/\S+__init__\.py)`:\n\n```python\n(    from .*)\n```$", TOLD, re.MULTILINE
)


def test_the_walk_through_is_a_recipe_a_claim_a_part_and_their_tests() -> None:
    assert EXPORT is not None
    written = [path.rpartition("/")[0] for path in FILES if path != EXPORT[1]]
    assert written == [
        *("src/guerdon/advantages", "src/guerdon/recipes", "src/guerdon/claims"),
        *("tests/advantages", "tests/recipes", "tests/unit_checks"),
    ]
    assert not [path for path in FILES if path != EXPORT[1] and (ROOT / path).exists()]


@pytest.fixture(scope="module")
def followed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the repository with the walk-through's files and its one line of export."""
    assert EXPORT is not None
    copy = tmp_path_factory.mktemp("followed")
    passing = shutil.ignore_patterns("*.pyc.*", ".*cache")  # what another process is writing
    for folder in ("src", "tests"):
        shutil.copytree(ROOT / folder, copy / folder, ignore=passing)
    for file in ("README.md", "pyproject.toml"):
        shutil.copy(ROOT / file, copy / file)
    for path, text in FILES.items():
        if path != EXPORT[1]:
            (copy / path).write_text(text)
    package = copy / EXPORT[1]
    lines = package.read_text().splitlines()
    first = next(i for i, line in enumerate(lines) if line.startswith("    from guerdon."))
    package.write_text("\n".join([*lines[:first], EXPORT[2], *lines[first:]]) + "\n")
    shutil.copy(ROOT / ".gitignore", copy / ".gitignore")
    git(copy, "init", "--quiet")
    git(copy, "add", "--all")
    git(copy, "commit", "--quiet", "-m", "GPG: what is expected of it")
    return copy


def git(copy: Path, *words: str) -> str:
    """What git says in the copy, whoever runs the tests."""
    person = ("user.name=toy", "user.email=toy", "commit.gpgsign=false")
    settings = [word for setting in person for word in ("-c", setting)]
    command = ("git", "-C", str(copy), *settings, *words)
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def run(copy: Path, *command: str) -> str:
    """What a command prints that runs in the copy, by the copy's package."""
    environment = {**os.environ, "PYTHONPATH": str(copy / "src"), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, *command], cwd=copy, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    return done.stdout


def test_it_is_listed_before_anything_heavy_is_imported(followed: Path) -> None:
    listed = json.loads(run(followed, "-m", "guerdon.cli", "recipes", "--json"))
    (mine,) = (one for one in listed if one["slug"] == "gpg")
    assert mine["system"]
    assert "policy gradient" in mine["about"]


def test_it_trains_reproduces_and_stands_in_the_table(followed: Path) -> None:
    """One process: each command would import torch again."""
    few = "--loop.steps 1 --loop.groups 2 --sampler.size 4 --loop.evaluation-tasks 2 --quiet"
    told = run(
        followed,
        "-c",
        f"""
import runpy
from guerdon.cli import main
assert main("train --recipe gpg --out run {few}".split()) == 0
assert main("train --advantage gpg --settings".split()) == 0
assert main("reproduce gpg --pilot --quiet --seeds 1000 1001".split()) == 1  # two tell nothing
assert main("reproduce gpg --record --quiet".split()) in (0, 1)
runpy.run_module("guerdon.reproduction.table", run_name="__main__")
""",
    )
    kept = (followed / "run" / "recipe.yaml").read_text()
    assert "guerdon.advantages.gpg:GroupPolicyGradient" in kept
    assert "paper's F_norm" in told
    result = json.loads((followed / "reproductions" / "gpg" / "v1.json").read_text())
    assert (result["slug"], result["seeds"]) == ("gpg", [*range(100, 106)])
    assert result["commit"] == git(followed, "rev-parse", "HEAD").strip()
    assert set(result["runs"]) >= {"centred", "gpg"}
    (row,) = re.findall(
        r"^\| gpg \| \[.*", (followed / "docs" / "systems.md").read_text(), re.MULTILINE
    )
    assert "2504.02546" in row
    assert f"| yes | yes | {result['verdict']} |" in row


def test_its_tests_the_contracts_and_the_layout_pass(followed: Path) -> None:
    """The lists that contracts are tried on hold it: more than its own tests are called gpg."""
    modules = [path for path in FILES if path.endswith(".py")]
    run(followed, "-m", "ruff", "check", *modules)
    run(followed, "-m", "ruff", "format", "--check", *modules)
    own = ("tests/advantages/test_gpg_advantage.py", "tests/recipes/test_gpg.py")
    contracts = [f"tests/contracts/test_{kind}_contract.py" for kind in ("advantage", "recipe")]
    told = run(
        followed, "-m", "pytest", "-p", "no:cacheprovider", "-rp", *own, *contracts,
        "tests/test_architecture.py", "tests/test_unit_checks.py",
        "-k", "gpg or architecture or every_recipe_has_its_file",
    )  # fmt: skip
    for tried in (
        "advantage_contract.py::test_the_contract",
        "recipe_contract.py::test_a_run",
        "test_unit_checks.py::test_every_named_test_exists",
    ):
        assert re.search(rf"PASSED \S*{re.escape(tried)}\S*\[gpg\]", told), told
