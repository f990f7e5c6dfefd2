"""The short form of `make kills`: a seeded blow or two to each of a few kinds of runs."""

from __future__ import annotations

import importlib
import random
import shutil
from operator import attrgetter
from pathlib import Path

import pytest
import torch
from kills.comparing import differences
from kills.entries import ENTRIES
from kills.harness import blows, strike, unbroken
from kills.phases import ERRORS, ON_DISK, PHASES, SIGNALS, Blow

SHORT = {
    "default": [
        Blow("SIGKILL", "a replacement", 8, "before"),
        Blow("SIGTERM", "updating", 3, "before"),
        Blow("disk full", "appending metrics", 4, "before"),
    ],
    "one step ahead": [Blow("SIGKILL", "sealing", 2, "after")],
    "replay": [Blow("SIGKILL", "a replacement", 8, "before")],
    "preference": [Blow("SIGKILL", "sealing", 3, "before")],
    "supervised": [Blow("SIGTERM", "recording a step", 2, "before")],
    "reward model": [Blow("SIGKILL", "recording a step", 3, "after")],
    "rounds": [
        Blow("SIGKILL", "saving the model", 1, "after"),
        Blow("SIGTERM", "recording a step", 4, "before"),
    ],
    "stages of tables": [Blow("SIGKILL", "saving a small policy", 1, "after")],
    "rounds of a network": [
        Blow("SIGKILL", "saving a small policy", 1, "before"),
        Blow("SIGTERM", "recording a step", 3, "after"),
    ],
    "peer review": [Blow("SIGKILL", "recording a step", 2, "after")],
    "denoiser": [Blow("SIGKILL", "sealing", 2, "before")],
    "memory in shaping": [Blow("SIGINT", "scoring", 3, "after")],
}


@pytest.mark.timeout(600)
@pytest.mark.parametrize("name", SHORT)
def test_a_run_that_was_struck_ends_as_one_that_was_not(name: str, tmp_path: Path) -> None:
    entry, whole = ENTRIES[name], tmp_path / "whole"
    unbroken(entry, whole)  # and its weights move
    for place, blow in enumerate(SHORT[name]):
        assert strike(entry, whole, tmp_path / f"struck-{place}", blow) == []
    if name == "memory in shaping":
        changes_are_found(whole, tmp_path / "other")


def changes_are_found(whole: Path, other: Path) -> None:
    """The comparison sees one weight, one figure, one byte and what is left behind."""
    shutil.copytree(whole, other)
    assert differences(whole, other) == []
    checkpoint = other / "checkpoints/step-000004"
    state = torch.load(checkpoint / "state.pt", weights_only=True)
    next(iter(state["memory"]["learner"]["weights"].values())).view(-1)[0] += 1e-6
    torch.save(state, checkpoint / "state.pt")
    metrics = other / "metrics.jsonl"
    metrics.write_text(
        metrics.read_text().replace('"step": 1, "reward": 0.', '"step": 1, "reward": 1.')
    )
    with (other / "model/model.safetensors").open("r+b") as file:
        file.seek(-1, 2)
        file.write(b"x")
    (other / "rollouts/step-000002.parquet").unlink()
    (other / "run.lock").touch()
    found = differences(whole, other)
    assert {"metrics.jsonl", "rollouts/step-000002.parquet", "left behind: run.lock"} <= set(found)
    assert "model/model.safetensors" in found
    assert any(one.startswith("step-000004/memory/learner/weights/") for one in found)


def test_every_phase_gets_every_blow_that_it_can() -> None:
    counts = dict.fromkeys(PHASES, 3)
    stream = blows(counts, 1.0, random.Random(0))
    planned = [blow for blow, _ in zip(stream, range(6000), strict=False) if isinstance(blow, Blow)]
    assert {blow.phase for blow in planned[: len(PHASES)]} == set(PHASES)
    assert {blow.what for blow in planned} == {*SIGNALS, *ERRORS, "vanished"}
    assert {blow.phase for blow in planned if blow.what == "disk full"} == ON_DISK
    assert {blow.phase for blow in planned if blow.what == "SIGKILL"} == set(PHASES)


def test_every_phase_is_where_it_is_said_to_be() -> None:
    for target in PHASES.values():
        module, _, path = target.partition(":")
        assert callable(attrgetter(path)(importlib.import_module(module))), target
