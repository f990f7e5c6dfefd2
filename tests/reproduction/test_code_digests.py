"""The code behind a result: what counts as changed."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType

import pytest

from guerdon.claims import code_behind, load_claim
from guerdon.reproduction import Claim, Expectation, run_claim, write
from guerdon.reproduction.code import State, code_of, digest, standing

SOURCE = '''"""A toy."""

from guerdon.objectives import DPO

RATE = 0.5


def arm(seed, report):
    """What it does."""
    return {"accuracy": RATE + 0.01 * seed}  # a comment
'''


def module(folder: Path, text: str, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """A module of this text, imported."""
    folder.mkdir()
    (folder / "toy_of_test.py").write_text(text)
    monkeypatch.syspath_prepend(str(folder))
    monkeypatch.delitem(sys.modules, "toy_of_test", raising=False)
    made: ModuleType = __import__("toy_of_test")
    return made


def toy(seeds: int = 6) -> Claim:
    def arm(seed: int, report: object) -> Mapping[str, float]:
        return {"accuracy": 0.8 + 0.01 * seed}

    expected = (Expectation("arm", 0.5, "accuracy", 0.1),)
    return Claim("toy", "it rises", {"arm": arm}, "accuracy", expected, seeds)


def test_code_is_the_sources_and_the_parts_and_not_how_they_are_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def digests(name: str, text: str) -> dict[str, str]:
        return code_of(toy(), module(tmp_path / name, text, monkeypatch))

    first = digests("a", SOURCE)
    assert [*first] == ["guerdon.objectives.preference", "toy_of_test"]
    told = SOURCE.replace("A toy.", "Another toy.\n\nIt tells more.").replace("# a comment", "")
    assert digests("b", told.replace('    """What it does."""\n', "")) == first
    changed = digests("c", SOURCE.replace("RATE = 0.5", "RATE = 0.6"))
    assert changed["toy_of_test"] != first["toy_of_test"]
    assert changed["guerdon.objectives.preference"] == first["guerdon.objectives.preference"]
    assert first["toy_of_test"] == digest(SOURCE)  # of the text alone, as git has it


def test_a_digest_is_of_what_is_done() -> None:
    plain = digest("def f(x):\n    return f'{x!r}' + 'a' * 2\n")
    assert digest('def f(x):  # or so\n    "it"\n    return (f"{x!r}" + "a" * 2)') == plain
    others = (
        "def f(x):\n    return f'{x!s}' + 'a' * 2\n",
        "def f(x):\n    return f'{x!r}' + 'a' * 2.0\n",
        "def f(x):\n    return f'{x!r}' + b'a' * 2\n",
        "def f(x=None):\n    return f'{x!r}' + 'a' * 2\n",
    )
    assert len({plain, *map(digest, others)}) == 5
    assert digest("x = None") != digest("x = 0") != digest("x = False")
    # Python 3.11 made it; later ones add fields to a function, which are empty here.
    assert digest("def f():\n    pass\n") == "932a96a5fa395f06"


def test_a_systems_code_holds_recipe_claim_and_what_both_are_made_of() -> None:
    code = code_behind(load_claim("disco"))
    assert {"guerdon.claims.disco", "guerdon.recipes.disco"} <= code.keys()
    assert {"guerdon.objectives.discriminative", "guerdon.training.update"} <= code.keys()
    assert "guerdon.records.rollouts" not in code
    assert {len(digest) for digest in code.values()} == {16}


def test_how_a_result_stands(tmp_path: Path) -> None:
    claim, code, path = toy(), {"a": "1", "b": "2"}, tmp_path / "toy.json"
    assert standing(path, claim, code).state is State.MISSING
    assert standing(None, claim, code).state is State.MISSING
    write(run_claim(claim, code=code), tmp_path)
    assert json.loads(path.read_text())["code"] == code
    assert standing(path, claim, code) == (State.CURRENT, "")
    other = standing(path, claim, {"a": "1", "b": "3", "c": "4"})
    assert other == (State.STALE, "changed since: b, c")
    assert standing(path, toy(seeds=9), code) == (State.STALE, "6 seeds, and the claim has 9")
    write(run_claim(claim), tmp_path)
    assert standing(path, claim, code) == (State.UNKNOWN, "it says no code")
    path.write_text("{")
    assert standing(path, claim, code).state is State.UNKNOWN
