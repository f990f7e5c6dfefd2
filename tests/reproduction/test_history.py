"""That a claim came before its result, by git: this repository's history, and ones that cheat."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from guerdon.reproduction import ClaimError
from guerdon.reproduction.code import digest
from guerdon.reproduction.history import commit_of, doubts, text_at, whole

ROOT = Path(__file__).parents[2]
OF_BEFORE = {
    *("bleuberi/v1.json", "clip-delta/v1.json", "crm/v1.json", "crm/v2.json", "crm/v3.json"),
    *("d3po/v1.json", "dianjin-r1/v1.json", "disco/v1.json", "disco/v2.json"),
    *("fine-grained-rlhf/v1.json", "gazal-r1/v1.json", "gigpo/v1.json", "grpo/v1.json"),
    *("mixed-r1/v1.json", "mo-grpo/v1.json", "mobile-r1/v1.json", "multirole-r1/v1.json"),
    *("par/v1.json", "prefix-grouper/v1.json", "reasoning-sql/v1.json", "shop-r1/v1.json"),
    *("starc/v1.json", "starc/v2.json", "temporal-r1/v1.json", "timemaster/v1.json"),
    *("toolrl/v1.json", "transform-combine/v1.json", "unlikeliness/v1.json"),
    "vlaa-thinker/v1.json",
}
"""Results of before a file said at which commit it ran. Nothing is added to these."""

RECIPE, CLAIM, PART = (
    f"src/guerdon/{path}.py" for path in ("recipes/toy_r1", "claims/toy_r1", "objectives/toy")
)
RESULT = "reproductions/toy-r1/v1.json"


@pytest.mark.skipif(not whole(ROOT), reason="no clone with its whole history")
def test_every_claim_came_before_its_result() -> None:
    assert doubts(ROOT, OF_BEFORE) == []


class Clone:
    """A repository with one system: a recipe, a claim and a part."""

    def __init__(self, root: Path) -> None:
        self.root = root
        root.mkdir(exist_ok=True)
        self.git("init", "--quiet")
        for path in (RECIPE, CLAIM, PART):
            self.write(path, f'"""{path}"""\n\nRATE = 0.5\n')
        self.write("src/guerdon/__init__.py", "")
        self.first = self.commit("what is expected")

    def git(self, *words: str) -> str:
        plain = {key: value for key, value in os.environ.items() if not key.startswith("GIT_")}
        person = {f"GIT_{who}_{what}": "toy" for who in ("AUTHOR", "COMMITTER") for what in _SAID}
        done = subprocess.run(
            ("git", "-C", str(self.root), "-c", "commit.gpgsign=false", *words),
            capture_output=True, text=True, check=True, env={**plain, **person},
        )  # fmt: skip
        return done.stdout.strip()

    def write(self, path: str, text: str) -> None:
        (self.root / path).parent.mkdir(parents=True, exist_ok=True)
        (self.root / path).write_text(text)

    def commit(self, told: str) -> str:
        self.git("add", "--all")
        self.git("commit", "--quiet", "-m", told)
        return self.git("rev-parse", "HEAD")

    def code(self) -> dict[str, str]:
        paths = {path: path[4:-3].replace("/", ".") for path in (RECIPE, CLAIM, PART)}
        return {name: digest((self.root / path).read_text()) for path, name in paths.items()}

    def result(self, **fields: Any) -> None:
        known = {"slug": "toy-r1", "version": 1, "commit": self.first, "code": self.code()}
        self.write(RESULT, json.dumps({**known, **fields}))


_SAID = ("NAME", "EMAIL")


@pytest.fixture
def clone(tmp_path: Path) -> Clone:
    return Clone(tmp_path / "clone")


def test_a_result_in_a_commit_of_its_own_is_beyond_doubt(clone: Clone) -> None:
    assert doubts(clone.root) == []
    clone.result()
    assert doubts(clone.root) == []  # not committed yet
    clone.commit("the result")
    clone.write(CLAIM, "RATE = 0.7\n")
    clone.commit("the claim changes later")
    assert doubts(clone.root) == []


def test_other_files_may_change_between(clone: Clone) -> None:
    clone.result()
    clone.git("stash", "--include-untracked", "--quiet")
    clone.write(PART, "RATE = 0.9\n")
    clone.commit("a part changes while it runs")
    clone.git("stash", "pop", "--quiet")
    clone.commit("the result")
    assert doubts(clone.root) == []


def test_a_recipe_that_somebody_changes_while_it_runs(clone: Clone) -> None:
    """The result is of the recipe that ran, which stands in the commit that it names."""
    clone.result()
    clone.git("stash", "--include-untracked", "--quiet")
    clone.write(RECIPE, "RATE = 0.9\n")
    clone.commit("another rate, for the real run")
    clone.git("stash", "pop", "--quiet")
    clone.commit("the result")
    assert doubts(clone.root) == []


def test_a_claim_that_changes_with_its_result(clone: Clone) -> None:
    clone.write(CLAIM, "RATE = 0.7\n")
    clone.result()
    wrote = clone.commit("the result, and an expectation that fits it")
    assert doubts(clone.root) == [
        f"{RESULT}: the commit that adds it ({wrote[:12]}) changes guerdon.claims.toy_r1",
        f"{RESULT}: guerdon.claims.toy_r1 was another one before the commit that adds it "
        f"({wrote[:12]})",
        f"{RESULT}: guerdon.claims.toy_r1 is another one in the commit that it names "
        f"({clone.first[:12]})",
    ]


def test_a_recipe_that_was_another_one_when_it_ran(clone: Clone) -> None:
    clone.write(RECIPE, "RATE = 0.7\n")
    clone.commit("another rate")
    clone.result()
    clone.commit("the result names the commit before")
    (told,) = doubts(clone.root)
    assert told.endswith(f"another one in the commit that it names ({clone.first[:12]})")


def test_a_result_that_was_touched_up(clone: Clone) -> None:
    clone.result()
    clone.commit("the result")
    clone.result(verdict="shown")
    later = clone.commit("a better one")
    assert doubts(clone.root) == [f"{RESULT} was changed after it was written: {later}"]
    assert doubts(clone.root, {"toy-r1/v1.json"}) == doubts(clone.root)


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"commit": None}, "it says no commit"),
        ({"commit": "f" * 40}, "which does not lie before"),
        ({"code": {}}, "it says no digest of guerdon.recipes.toy_r1"),
    ],
)
def test_a_result_that_names_nothing(clone: Clone, fields: Mapping[str, Any], told: str) -> None:
    clone.result(**fields)
    clone.commit("the result")
    assert told in " ".join(doubts(clone.root))
    assert doubts(clone.root, {"toy-r1/v1.json"}) == []


def test_a_commit_that_was_rewritten_since(clone: Clone) -> None:
    clone.git("commit", "--quiet", "--amend", "-m", "what is expected, told otherwise")
    clone.result()
    clone.commit("the result")
    (told,) = doubts(clone.root)
    assert "a commit is shared before a result is recorded at it, and not rewritten after" in told


def test_a_whole_clone_and_a_shallow_one(clone: Clone, tmp_path: Path) -> None:
    clone.result()
    clone.commit("the result")
    assert whole(clone.root)
    assert not whole(tmp_path)
    clone.git("clone", "--quiet", "--depth", "1", f"file://{clone.root}", str(tmp_path / "top"))
    assert not whole(tmp_path / "top")


def test_what_is_recorded_is_what_a_commit_has(clone: Clone, tmp_path: Path) -> None:
    package, code = clone.root / "src" / "guerdon", clone.code()
    assert commit_of(code, package) == clone.first
    clone.write("notes.md", "outside the package")
    assert commit_of(code, package) == clone.first
    with pytest.raises(ClaimError, match="toy that runs is not the one in commit"):
        commit_of({**code, "guerdon.objectives.toy": "0" * 16}, package)
    with pytest.raises(ClaimError, match=r"guerdon\.gone that runs is not the one"):
        commit_of({**code, "guerdon.gone": "0" * 16}, package)
    clone.write("src/guerdon/extra.py", "")
    told = f"{clone.first[:12]}-dirty is no commit.*commit first .*extra.py"
    with pytest.raises(ClaimError, match=told):
        commit_of(code, package)
    (tmp_path / "bare").mkdir()
    with pytest.raises(ClaimError, match="recorded in a clone of the repository"):
        commit_of(code, tmp_path / "bare")


def test_a_file_as_a_commit_has_it(clone: Clone) -> None:
    package = clone.root / "src" / "guerdon"
    assert "RATE" in text_at(clone.first, Path(PART), package)
    assert text_at(clone.first, Path("reproductions/toy-r1/notes.md"), package) == ""
