"""Results by version: seeds of their own, a reason, and never one over another."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from guerdon.reproduction import Claim, ClaimError, Expectation, Figure, Pilot, Role, run_claim
from guerdon.reproduction.versions import (
    check_new,
    check_seeds,
    fresh_seeds,
    newest,
    pilot_seeds,
    read_version,
    record,
    versions,
)

ROOT = Path(__file__).parents[2]
BEFORE_SEEDS_WERE_FRESH = {"crm/v2.json"}


def arm(seed: int, report: object) -> Mapping[str, float]:
    return {"accuracy": 0.8 + 0.001 * (seed % 10)}


TOY = Claim(
    "toy", "it rises", {"arm": arm}, "accuracy", (Expectation("arm", 0.5, "accuracy", 0.1),)
)


def recorded(folder: Path, seeds: range, because: str = "", claim: Claim = TOY) -> Path:
    return record(run_claim(claim, seeds), folder, because, "c0ffee")


def changed(path: Path, **fields: Any) -> Path:
    path.write_text(json.dumps({**json.loads(path.read_text()), **fields}))
    return path


def test_versions_are_numbered_and_stay_as_they_are(tmp_path: Path) -> None:
    assert versions(tmp_path, "toy") == []
    assert newest(tmp_path, "toy") is None
    first = recorded(tmp_path, range(100, 106))
    text = first.read_text()
    second = recorded(tmp_path, range(200, 206), "v1 had a fault")
    (tmp_path / "toy" / "v2.png").write_text("no result")
    (tmp_path / "toy" / "notes.md").write_text("nor this")
    assert versions(tmp_path, "toy") == [first, second]
    assert newest(tmp_path, "toy") == tmp_path / "toy" / "v2.json"
    assert first.read_text() == text
    one, two = read_version(first), read_version(second)
    assert (one["version"], one["supersedes"], one["because"]) == (1, None, "")
    assert (two["version"], two["supersedes"], two["because"]) == (2, 1, "v1 had a fault")
    assert (two["commit"], two["pilot"]) == ("c0ffee", None)


def test_ten_versions_are_in_the_order_of_their_numbers(tmp_path: Path) -> None:
    for number in range(1, 12):
        recorded(tmp_path, range(100 * number, 100 * number + 6), "again")
    assert [path.stem for path in versions(tmp_path, "toy")][-2:] == ["v10", "v11"]
    (tmp_path / "toy" / "v4.json").unlink()
    with pytest.raises(ClaimError, match=r"has v11\.json and no v4\.json"):
        versions(tmp_path, "toy")


def test_the_pilot_stands_in_the_file(tmp_path: Path) -> None:
    pilot = Pilot((Figure("arm", "accuracy", 0.8, 0.05),), (1000, 1001))
    claim = replace(TOY, pilot=pilot, expectations=(*TOY.expectations, *pilot.checks()))
    path = recorded(tmp_path, range(100, 106), claim=claim)
    found = read_version(path)["pilot"]
    assert found["seeds"] == [1000, 1001]
    assert found["figures"] == [
        {"arm": "arm", "metric": "accuracy", "value": 0.8, "tolerance": 0.05}
    ]
    check_seeds(path)
    with pytest.raises(ClaimError, match=r"v1\.json uses seeds of its pilot: 103, 105;"):
        check_seeds(changed(path, pilot={"figures": [], "seeds": [103, 105, 1000]}))


def test_a_pilots_figures_are_checked_both_ways() -> None:
    figure = Figure("arm", "accuracy", 0.7, 0.05)
    below, above = figure.checks()
    assert str(below) == "accuracy: arm > 0.7 - 0.05"
    assert str(above) == "accuracy: 0.7 > arm - 0.05"
    assert {below.role, above.role} == {Role.CHECK}
    pilot = Pilot((figure,))
    claim = replace(TOY, pilot=pilot, expectations=(*TOY.expectations, *pilot.checks()))
    assert run_claim(claim).verdict == "void"  # .8 lies above the pilot's .7 by more than .05
    with pytest.raises(ClaimError, match=r"no expectation checks the pilot's figure \(accuracy: a"):
        replace(TOY, pilot=pilot)
    with pytest.raises(ClaimError, match="tolerance is above 0"):
        Figure("arm", "accuracy", 0.7, 0.0)
    with pytest.raises(ClaimError, match="is nan"):
        Figure("arm", "accuracy", float("nan"), 0.1)


def test_fresh_seeds_are_no_choice_and_nobodys(tmp_path: Path) -> None:
    assert fresh_seeds(TOY, tmp_path) == tuple(range(100, 106))
    recorded(tmp_path, range(200, 206))
    assert fresh_seeds(TOY, tmp_path) == tuple(range(206, 212))
    piloted = replace(TOY, pilot=Pilot(seeds=(206, 208)))
    assert fresh_seeds(piloted, tmp_path, 3) == (207, 209, 210)


def test_a_new_version_has_seeds_of_its_own_and_enough_of_them(tmp_path: Path) -> None:
    recorded(tmp_path, range(100, 106))
    fresh, why = fresh_seeds(TOY, tmp_path), "v1 had a fault"
    check_new(TOY, fresh, tmp_path, why, "")
    for seeds, told in (
        ((105, *fresh), "v2 of toy uses seeds of v1: 105;"),
        (fresh[:5], "v2 of toy has 5 seeds, and the claim asks for 6"),
        ((*fresh, 1000), "seeds from 1000 on are for pilots"),
    ):
        with pytest.raises(ClaimError, match=told):
            check_new(TOY, seeds, tmp_path, why, "")
    piloted = replace(TOY, pilot=Pilot(seeds=(203,)))
    with pytest.raises(ClaimError, match="uses seeds of the claim's pilot: 203"):
        check_new(piloted, fresh, tmp_path, why, "")


def test_a_new_version_says_why(tmp_path: Path) -> None:
    check_new(TOY, fresh_seeds(TOY, tmp_path), tmp_path, "", "")
    recorded(tmp_path, range(100, 106))
    second = fresh_seeds(TOY, tmp_path)
    for because, told in (("", "says no reason"), ("  ", "no reason"), ("a\nb", "is one line")):
        with pytest.raises(ClaimError, match=told):
            check_new(TOY, second, tmp_path, because, "")
    recorded(tmp_path, range(200, 206), "v1 had a fault")
    third = fresh_seeds(TOY, tmp_path)
    for notes in ("", "v2 had a fault, and v33 has none"):
        with pytest.raises(ClaimError, match=r"one more than 2: say in .*notes\.md what 'v3' is"):
            check_new(TOY, third, tmp_path, "again", notes)
    check_new(TOY, third, tmp_path, "again", "**v3**: the rate of both arms, on pilot seeds.")


def test_a_file_that_does_not_fit_its_name_is_told(tmp_path: Path) -> None:
    recorded(tmp_path, range(100, 106))
    path = recorded(tmp_path, range(200, 206), "v1 had a fault")
    text = path.read_text()
    for fields, told in (
        ({"version": 3}, "the file says 'toy', version 3"),
        ({"slug": "other"}, "the file says 'other', version 2"),
        ({"supersedes": None}, "supersedes None"),
        ({"because": ""}, "says no reason"),
        ({"because": "one\ntwo"}, "one line"),
    ):
        path.write_text(text)
        with pytest.raises(ClaimError, match=told):
            read_version(changed(path, **fields))
    path.write_text(text)
    with pytest.raises(ClaimError, match=r"v2\.json uses seeds of v1: 105;"):
        check_seeds(changed(path, seeds=[105, 200]))
    data = json.loads(text)
    del data["commit"]
    path.write_text(json.dumps(data))
    with pytest.raises(ClaimError, match="has no 'commit'"):
        read_version(path)


def test_pilots_have_seeds_that_no_result_uses() -> None:
    assert pilot_seeds(TOY, None) == tuple(range(1000, 1006))
    assert pilot_seeds(TOY, 2) == (1000, 1001)
    assert pilot_seeds(TOY, (2000, 3000)) == (2000, 3000)
    with pytest.raises(ClaimError, match="from 1000 on, which no result uses; 7 is below"):
        pilot_seeds(TOY, (2000, 7))


def test_committed_results_are_versions_in_order() -> None:
    folder = ROOT / "reproductions"
    assert not [*folder.glob("*.json")]
    slugs = sorted(path.name for path in folder.iterdir())
    assert slugs
    for slug in slugs:
        found = versions(folder, slug)
        assert found, slug
        for path in found:
            read_version(path)
            assert path.with_suffix(".png").is_file()
            if path.relative_to(folder).as_posix() not in BEFORE_SEEDS_WERE_FRESH:
                check_seeds(path)
