"""The code behind a result: what counts as changed, and claims run one after the other."""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from guerdon.claims import code_behind, load_claim
from guerdon.cli import main
from guerdon.cli import reproduce as command
from guerdon.reproduction import Claim, Expectation, run_claim, write
from guerdon.reproduction.code import State, code_of, seeds_for, standing
from guerdon.training.interrupt import Interrupt

SOURCE = '''"""A toy."""

from guerdon.objectives import DPO

RATE = 0.5


def arm(seed, report):
    """What it does."""
    return {"accuracy": RATE + 0.01 * seed}  # a comment
'''
RAN: list[str] = []


def module(folder: Path, text: str, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """A module of this text, imported."""
    folder.mkdir()
    (folder / "toy_of_test.py").write_text(text)
    monkeypatch.syspath_prepend(str(folder))
    monkeypatch.delitem(sys.modules, "toy_of_test", raising=False)
    made: ModuleType = __import__("toy_of_test")
    return made


def toy(slug: str = "toy", seeds: int = 6, fails: bool = False) -> Claim:
    def arm(seed: int, report: object) -> Mapping[str, float]:
        RAN.append(f"{slug} {seed}")
        if fails:
            raise ArithmeticError("the arm\x1b[2J broke")
        return {"accuracy": 0.8 + 0.01 * seed}

    expected = (Expectation("arm", 0.5, "accuracy", 0.1),)
    return Claim(slug, "it rises", {"arm": arm}, "accuracy", expected, seeds)


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


def test_a_systems_code_holds_recipe_claim_and_what_both_are_made_of() -> None:
    code = code_behind(load_claim("disco"))
    assert {"guerdon.claims.disco", "guerdon.recipes.disco"} <= code.keys()
    assert {"guerdon.objectives.discriminative", "guerdon.training.update"} <= code.keys()
    assert "guerdon.records.rollouts" not in code
    assert {len(digest) for digest in code.values()} == {16}


def test_how_a_result_stands(tmp_path: Path) -> None:
    claim, code, path = toy(), {"a": "1", "b": "2"}, tmp_path / "toy.json"
    assert standing(path, claim, code).state is State.MISSING
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


def test_seeds_are_those_of_the_result_where_there_are_enough(tmp_path: Path) -> None:
    path = tmp_path / "toy.json"
    assert seeds_for(path, toy()) == tuple(range(6))
    write(run_claim(toy(), range(100, 107)), tmp_path)
    assert seeds_for(path, toy()) == tuple(range(100, 107))
    assert seeds_for(path, toy(seeds=8)) == tuple(range(8))
    path.write_text('{"slug": 1, "verdict": 1, "outcomes": 1, "runs": 1, "seeds": "x"}')
    assert seeds_for(path, toy()) == tuple(range(6))


@pytest.fixture
def three(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Three systems, the second of which fails."""
    claims = {"one": toy("one"), "two": toy("two", fails=True), "three": toy("three")}
    known: dict[str, Any] = {"claims": claims, "code": dict.fromkeys(claims, "1")}
    monkeypatch.setattr(command, "all_claims", lambda: tuple(claims))
    monkeypatch.setattr(command, "load_claim", claims.__getitem__)
    monkeypatch.setattr(command, "code_behind", lambda claim: {"m": known["code"][claim.slug]})
    RAN.clear()
    return known


def test_all_go_one_after_the_other_and_go_on_where_they_were(
    three: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = ["reproduce", "--all", "--json", "--out", str(tmp_path)]
    assert main(asked) == 1
    printed = capsys.readouterr()
    assert [row["verdict"] for row in json.loads(printed.out)] == ["shown", None, "shown"]
    assert "two failed: ArithmeticError: the arm" in printed.err
    assert "\x1b" not in printed.err
    assert (tmp_path / "one.png").exists()
    assert len([ran for ran in RAN if "three" in ran]) == 6

    RAN.clear()
    three["claims"]["two"] = toy("two")
    assert main(asked) == 0
    assert {ran.split()[0] for ran in RAN} == {"two"}
    was = {row["slug"]: row["was"] for row in json.loads(capsys.readouterr().out)}
    assert was == {"one": "current", "two": "no result", "three": "current"}

    RAN.clear()
    assert main(["reproduce", "--all", "--out", str(tmp_path)]) == 0
    assert RAN == []
    assert "there is nothing to run" in capsys.readouterr().out


def test_stale_ones_alone_are_run_again(
    three: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(run_claim(toy("one"), range(50, 56), code={"m": "1"}), tmp_path)
    write(run_claim(toy("three")), tmp_path)  # of before digests were written
    three["code"]["one"] = "2"
    RAN.clear()
    assert main(["reproduce", "--stale", "--out", str(tmp_path)]) == 0
    assert [f"one {seed}" for seed in range(50, 56)] == RAN
    printed = " ".join(capsys.readouterr().out.split())
    for told in ("stale: one", "not known: three", "no result: two", "changed since: m"):
        assert told in printed
    RAN.clear()
    assert main(["reproduce", "--stale", "--out", str(tmp_path), "--quiet"]) == 0
    assert RAN == []


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("reproduce", "give SLUG, or --all, or --stale"),
        ("reproduce --seeds 3", "--seeds belongs to one system: give its SLUG first"),
        ("reproduce --all --stale", "--all and --stale can't be asked for at once"),
        ("reproduce grpo --all", "grpo and --all can't be asked for at once"),
        ("reproduce --all --seeds 3", "--seeds belongs to one system"),
    ],
)
def test_what_is_meant_must_be_told(
    words: str, told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(words.split()) == 2
    assert told in capsys.readouterr().err


def test_a_signal_that_an_arms_run_catches_ends_the_claim(
    three: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its run ended earlier than it should, and another arm would have begun."""

    def arm(seed: int, report: object) -> Mapping[str, float]:
        RAN.append(f"caught {seed}")
        before = signal.signal(signal.SIGUSR1, lambda *_: None)  # another's, which ends nothing
        with Interrupt() as interrupt:
            interrupt.patient(str)
            os.kill(os.getpid(), signal.SIGTERM if seed == 1 else signal.SIGUSR1)
        signal.signal(signal.SIGUSR1, before)
        return {"accuracy": 0.8}

    expected = (Expectation("arm", 0.5, "accuracy", 0.1),)
    three["claims"]["two"] = Claim("two", "it rises", {"arm": arm}, "accuracy", expected)
    assert main(["reproduce", "--all", "--out", str(tmp_path), "--quiet"]) == 143
    assert "no result was written" in capsys.readouterr().err
    assert RAN[-2:] == ["caught 0", "caught 1"]
    assert [path.name for path in tmp_path.glob("*.json")] == ["one.json"]
