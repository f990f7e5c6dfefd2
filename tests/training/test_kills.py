"""The short form of `make kills`: a seeded blow or two to each of a few kinds of runs."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from kills.entries import ENTRIES
from kills.harness import blows, strike, unbroken
from kills.phases import PHASES, Blow

SHORT = {
    "default": [
        Blow("SIGKILL", "a replacement", 8, "before"),
        Blow("SIGTERM", "updating", 3, "before"),
        Blow("disk full", "appending metrics", 4, "before"),
    ],
    "one step ahead": [Blow("SIGKILL", "sealing", 2, "after")],
    "memory in shaping": [Blow("SIGINT", "scoring", 3, "after")],
}


@pytest.mark.timeout(600)
@pytest.mark.parametrize("name", SHORT)
def test_a_run_that_was_struck_ends_as_one_that_was_not(name: str, tmp_path: Path) -> None:
    entry, whole = ENTRIES[name], tmp_path / "whole"
    unbroken(entry, whole)  # and its weights move
    for place, blow in enumerate(SHORT[name]):
        assert strike(entry, whole, tmp_path / f"struck-{place}", blow) == []


def test_a_comparison_finds_a_changed_run(tmp_path: Path) -> None:
    from kills.comparing import differences

    whole, other = tmp_path / "whole", tmp_path / "other"
    unbroken(ENTRIES["default"], whole)
    unbroken(ENTRIES["filtered"], other)
    found = differences(whole, other)
    assert {"metrics.jsonl", "rollouts/step-000000.parquet", "model/model.safetensors"} <= set(
        found
    )
    assert any(one.startswith("step-000004/module") for one in found)


def test_every_phase_gets_every_blow_that_it_can() -> None:
    counts = dict.fromkeys(PHASES, 3)
    stream = blows(counts, 1.0, random.Random(0))
    planned = [blow for blow, _ in zip(stream, range(400), strict=False) if isinstance(blow, Blow)]
    assert {blow.phase for blow in planned[: len(PHASES)]} == set(PHASES)
    assert {blow.what for blow in planned[: len(PHASES)]} == {"SIGKILL"}
    assert {"SIGTERM", "SIGINT", "disk full", "over quota", "read-only", "vanished"} <= {
        blow.what for blow in planned
    }
