"""``guerdon reproduce``: again, as a pilot, for the record, and one after the other."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from guerdon.cli import main, reproducing
from guerdon.cli import reproduce as command
from guerdon.reproduction import Claim, ClaimError, Expectation, Pilot, run_claim
from guerdon.reproduction.versions import record
from guerdon.training.interrupt import Interrupt

RAN: list[str] = []
OUT = Path("runs", "reproduced")
FOLDER = Path("reproductions")


def toy(slug: str = "one", seeds: int = 6, fails: bool = False, base: float = 0.8) -> Claim:
    def arm(seed: int, report: object) -> Mapping[str, float]:
        RAN.append(f"{slug} {seed}")
        if fails:
            raise ArithmeticError("the arm\x1b[2J broke")
        return {"accuracy": base + 0.01 * (seed % 10)}

    expected = (Expectation("arm", 0.5, "accuracy", 0.1),)
    return Claim(slug, "it rises", {"arm": arm}, "accuracy", expected, seeds)


@pytest.fixture
def three(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> dict[str, Any]:
    """Three systems in an empty folder, the second of which fails; all code is as committed."""
    monkeypatch.chdir(tmp_path)
    claims = {"one": toy("one"), "two": toy("two", fails=True), "three": toy("three")}
    known: dict[str, Any] = {"claims": claims, "code": dict.fromkeys(claims, "1"), "notes": ""}
    for module in (command, reproducing):
        monkeypatch.setattr(module, "load_claim", claims.__getitem__)
        monkeypatch.setattr(module, "code_behind", lambda claim: {"m": known["code"][claim.slug]})
    monkeypatch.setattr(reproducing, "all_claims", lambda: tuple(claims))
    monkeypatch.setattr(command, "commit_of", lambda code: "c0ffee")
    monkeypatch.setattr(command, "text_at", lambda commit, path: known["notes"])
    RAN.clear()
    return known


def recorded(claim: Claim, seeds: range, code: str = "1") -> Path:
    made = record(run_claim(claim, seeds, code={"m": code}), FOLDER, "a reason", "c0ffee")
    RAN.clear()
    return made


def files() -> list[str]:
    return sorted(path.as_posix() for path in Path().rglob("*") if path.is_file())


def said(capsys: pytest.CaptureFixture[str]) -> str:
    return " ".join(capsys.readouterr().out.split())


def test_recording_writes_the_next_version(
    three: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["reproduce", "one", "--record", "--quiet"]) == 0
    assert [f"one {seed}" for seed in range(100, 106)] == RAN
    first = (FOLDER / "one" / "v1.json").read_text()
    assert main(["reproduce", "one", "--record", "--quiet"]) == 2
    assert 'v2 of one says no reason: give --because "…"' in capsys.readouterr().err
    assert main(["reproduce", "one", "--record", "--because", "v1 had a fault", "--quiet"]) == 0
    told = json.loads((FOLDER / "one" / "v2.json").read_text())
    assert (told["because"], told["supersedes"], told["commit"]) == ("v1 had a fault", 1, "c0ffee")
    assert told["seeds"] == [*range(200, 206)]
    assert told["code"] == {"m": "1"}
    third = ["reproduce", "one", "--record", "--because", "again", "--json"]
    assert main(third) == 2
    assert "notes.md what 'v3' is for" in capsys.readouterr().err
    three["notes"] = "## v3\n\nAnother rate."
    assert main(third) == 0
    assert json.loads(capsys.readouterr().out)["version"] == 3
    assert (FOLDER / "one" / "v1.json").read_text() == first
    names = [f"reproductions/one/v{n}.{kind}" for n in (1, 2, 3) for kind in ("json", "png")]
    assert files() == names


def test_what_can_not_be_recorded_does_not_run(
    three: dict[str, Any], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    recorded(toy("one"), range(100, 106))
    tried = ["reproduce", "one", "--record", "--because", "again"]
    for seeds, told in (
        ("100 201 202 203 204 205", "uses seeds of v1: 100"),
        ("5", "has 5 seeds, and the claim asks for 6"),
        ("1000 1001 1002 1003 1004 1005", "are for pilots"),
    ):
        assert main([*tried, "--seeds", *seeds.split()]) == 2
        assert told in capsys.readouterr().err

    def dirty(code: Mapping[str, str]) -> str:
        raise ClaimError("c0ffee-dirty is no commit to record")

    monkeypatch.setattr(command, "commit_of", dirty)
    assert main(tried) == 2
    assert "c0ffee-dirty is no commit" in capsys.readouterr().err
    assert RAN == []
    assert files() == ["reproductions/one/v1.json"]


def test_a_rerun_says_what_is_the_same_and_writes_elsewhere(
    three: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    path = recorded(toy("one"), range(100, 106))
    text = path.read_text()
    assert main(["reproduce", "one", "--quiet"]) == 0
    printed = said(capsys)
    assert "all 6 figures are those of reproductions/one/v1.json, to rounding" in printed
    assert "it rises: shown. Every effect that is claimed is larger than the smallest" in printed
    three["claims"]["one"] = toy("one", base=0.4)
    assert main(["reproduce", "one", "--quiet"]) == 1
    printed = said(capsys)
    assert "6 of 6 figures are not those of reproductions/one/v1.json:" in printed
    assert "arm, seed 100, accuracy: 0.8 recorded, 0.4 now" in printed
    assert "the verdict is opposite; recorded is shown" in printed
    told = "The effect goes the other way. Decisive: accuracy: arm > 0.5 + 0.1."
    assert told in printed
    assert main(["reproduce", "one", "--json", "--seeds", "2"]) == 1
    told = json.loads(capsys.readouterr().out)
    assert (told["figures"], len(told["differ"])) == (2, 2)
    assert told["differ"][0]["seed"] in {"100", "101"}
    assert told["verdict"] == {"recorded": "shown", "now": "undecided"}
    assert path.read_text() == text
    assert files() == [
        "reproductions/one/v1.json", "runs/reproduced/one.json", "runs/reproduced/one.png"
    ]  # fmt: skip


def test_some_of_a_versions_seeds_run_again_and_no_others(
    three: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    recorded(toy("one"), range(100, 106))
    assert main(["reproduce", "one", "--quiet", "--out", "mine", "--seeds", "105", "103"]) == 0
    assert RAN == ["one 105", "one 103"]
    assert "2 of its 6 seeds ran: the verdict above is of these alone" in said(capsys)
    assert (Path("mine") / "one.json").exists()
    assert main(["reproduce", "one", "--seeds", "0", "1"]) == 2
    told = "seed 0 is not one of reproductions/one/v1.json, which has 100 101 102 103 104 105"
    assert told in capsys.readouterr().err


def test_a_pilot_writes_no_version(
    three: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    three["claims"]["one"] = Claim(
        *("one", "it rises", toy("one").arms, "accuracy", toy("one").expectations),
        pilot=Pilot(seeds=(1000,)),
    )
    assert main(["reproduce", "one", "--pilot", "--quiet"]) == 0
    assert [f"one {seed}" for seed in range(1000, 1006)] == RAN
    told = "a pilot, on seeds that no result uses: it is no version of the result"
    assert told in said(capsys)
    assert main(["reproduce", "one", "--pilot", "--seeds", "1007", "5"]) == 2
    assert "from 1000 on, which no result uses; 5 is below" in capsys.readouterr().err
    RAN.clear()
    assert main(["reproduce", "one", "--quiet", "--seeds", "6"]) == 0  # no version yet
    assert [f"one {seed}" for seed in range(1000, 1006)] == RAN
    assert "since there is none in reproductions/one" in said(capsys)
    assert files() == ["runs/reproduced/one-pilot.json", "runs/reproduced/one-pilot.png"]


def test_all_that_is_stale_runs_again_and_goes_on_where_it_was(
    three: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    for slug in ("one", "two", "three"):
        recorded(toy(slug), range(50, 56), code="0" if slug != "three" else "1")
    three["claims"]["one"] = toy("one", base=0.4)
    asked = ["reproduce", "--all", "--json"]
    assert main(asked) == 1
    printed = capsys.readouterr()
    rows = {row["slug"]: row for row in json.loads(printed.out)}
    assert rows["one"] == {
        "slug": "one", "was": "stale", "why": "changed since: m", "version": 1,
        "verdict": {"recorded": "shown", "now": "opposite"}, "figures": 6, "differ": 6,
    }  # fmt: skip
    assert rows["two"] == {"slug": "two", "was": "stale", "why": "changed since: m"}
    assert rows["three"]["was"] == "current"
    assert "two failed: ArithmeticError: the arm" in printed.err
    assert "\x1b" not in printed.err
    assert {ran.split()[0] for ran in RAN} == {"one", "two"}

    RAN.clear()
    three["claims"]["two"] = toy("two")
    assert main(["reproduce", "--all"]) == 0
    assert [f"two {seed}" for seed in range(50, 56)] == RAN
    printed_again = said(capsys)
    told = "one v1: opposite, and recorded is shown; 6 of 6 figures differ"
    assert told in printed_again
    assert "two v1: still shown; all 6 figures are the same" in printed_again
    assert [path for path in files() if path.startswith("reproductions")] == [
        f"reproductions/{slug}/v1.json" for slug in ("one", "three", "two")
    ]

    RAN.clear()
    three["code"]["one"] = "2"  # and once more
    assert main(["reproduce", "--all", "--quiet"]) == 0
    assert {ran.split()[0] for ran in RAN} == {"one"}


def test_stale_ones_are_listed_and_nothing_runs(
    three: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    recorded(toy("one"), range(50, 56))
    record(run_claim(toy("three")), FOLDER, "", "c0ffee")  # without digests
    three["code"]["one"] = "2"
    RAN.clear()
    assert main(["reproduce", "--stale"]) == 0
    printed = said(capsys)
    for told in ("stale: one", "not known: three", "no result: two", "changed since: m"):
        assert told in printed
    assert main(["reproduce", "--stale", "--json"]) == 0
    assert {row["slug"]: row["was"] for row in json.loads(capsys.readouterr().out)} == {
        "one": "stale", "two": "no result", "three": "not known"
    }  # fmt: skip
    assert RAN == []
    assert not OUT.exists()


def test_with_nothing_stale_nothing_runs(
    three: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    recorded(toy("one"), range(50, 56))
    assert main(["reproduce", "--all"]) == 0
    assert "there is nothing to run" in capsys.readouterr().out
    assert RAN == []


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("reproduce", "give SLUG, or --all, or --stale"),
        ("reproduce --seeds 3", "--seeds belongs to one system: give its SLUG first"),
        ("reproduce --all --stale", "--all and --stale can't be asked for at once"),
        ("reproduce grpo --all", "grpo and --all can't be asked for at once"),
        ("reproduce --all --seeds 3", "--seeds belongs to one system"),
        ("reproduce --all --record", "--record belongs to one system: give its SLUG in place of"),
        ("reproduce --stale --pilot", "--pilot belongs to one system"),
        ("reproduce grpo --record --pilot", "a pilot is not recorded"),
        ("reproduce grpo --because again", "give --record with it"),
    ],
)
def test_what_is_meant_must_be_told(
    words: str, told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(words.split()) == 2
    assert told in capsys.readouterr().err


def test_a_signal_that_an_arms_run_catches_ends_the_claim(
    three: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    """Its run ended earlier than it should, and another arm would have begun."""

    def arm(seed: int, report: object) -> Mapping[str, float]:
        RAN.append(f"caught {seed}")
        before = signal.signal(signal.SIGUSR1, lambda *_: None)  # another's, which ends nothing
        with Interrupt() as interrupt:
            interrupt.patient(str)
            os.kill(os.getpid(), signal.SIGTERM if seed == 51 else signal.SIGUSR1)
        signal.signal(signal.SIGUSR1, before)
        return {"accuracy": 0.8}

    for slug in three["claims"]:
        recorded(toy(slug), range(50, 56), code="0")
    expected = (Expectation("arm", 0.5, "accuracy", 0.1),)
    three["claims"]["two"] = Claim("two", "it rises", {"arm": arm}, "accuracy", expected)
    assert main(["reproduce", "--all", "--quiet"]) == 143
    assert "no result was written" in capsys.readouterr().err
    assert RAN[-2:] == ["caught 50", "caught 51"]
    assert [path.name for path in OUT.glob("*.json")] == ["one.json"]
