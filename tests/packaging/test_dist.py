"""What is built from a checkout installs elsewhere and works there, without the checkout."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
pytest.importorskip("hatchling", reason="pip install hatchling to run this")


def run(*command: str, cwd: Path, **environment: str) -> str:
    done = subprocess.run(
        command,
        cwd=cwd,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def build(source: Path, kind: str, into: Path) -> Path:
    run(sys.executable, "-m", "hatchling", "build", "-t", kind, "-d", str(into), cwd=source)
    (made,) = into.iterdir()
    return made


@pytest.fixture(scope="module")
def sdist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(ROOT, "sdist", tmp_path_factory.mktemp("sdist"))


@pytest.fixture(scope="module")
def wheel(sdist: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built from the sdist, so that it lacks nothing that a build needs."""
    unpacked = tmp_path_factory.mktemp("unpacked")
    with tarfile.open(sdist) as archive:
        archive.extractall(unpacked, filter="data")
    (source,) = unpacked.iterdir()
    return build(source, "wheel", tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="module")
def elsewhere(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel alone in a folder; its dependencies are the environment's."""
    target = tmp_path_factory.mktemp("elsewhere")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(target)
    return target


def test_every_file_of_the_package_is_in_the_wheel(wheel: Path) -> None:
    package = ROOT / "src" / "guerdon"
    ours = {
        f"guerdon/{path.relative_to(package).as_posix()}"
        for path in package.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert ours
    assert ours <= set(zipfile.ZipFile(wheel).namelist())


def test_neither_holds_runs_environments_or_caches(sdist: Path, wheel: Path) -> None:
    with tarfile.open(sdist) as archive:
        names = [Path(name) for name in archive.getnames()]
    names += [Path(name) for name in zipfile.ZipFile(wheel).namelist()]
    unwanted = {".venv", ".git", "runs", "__pycache__", ".hypothesis", ".mypy_cache"}
    assert not [name for name in names if unwanted & set(name.parts)]
    assert wheel.stat().st_size < 12 * 2**20


def test_it_works_where_it_was_put(elsewhere: Path, tmp_path: Path) -> None:
    where = {"PYTHONPATH": str(elsewhere)}
    told = run(
        sys.executable, "-c", "import guerdon; print(guerdon.__file__)", cwd=tmp_path, **where
    )
    assert Path(told.strip()).is_relative_to(elsewhere)
    guerdon = [sys.executable, "-m", "guerdon.cli"]
    told = json.loads(run(*guerdon, "recipes", "--json", cwd=tmp_path, **where))
    (grpo,) = (one for one in told if one["slug"] == "grpo")
    assert (grpo["parts"], grpo["runs"], grpo["verdict"]) == ("yes", True, "shown")
    small = ["--loop.groups", "2", "--sampler.size", "2", "--loop.evaluation-tasks", "4"]
    run(*guerdon, "train", "--steps", "1", "--quiet", *small, cwd=tmp_path, **where)
    assert (tmp_path / "runs" / "grpo" / "report.html").is_file()
