"""D3PO: the miniature in small, and the real run on a real loop."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import pyarrow.parquet
import pytest
import torch

from guerdon.claims import d3po as miniature
from guerdon.objectives import StepwiseDPO
from guerdon.recipes import d3po
from guerdon.rollout import Groups
from guerdon.training import Loop, train

LOOP = Loop(steps=2, groups=4, evaluation_tasks=4, minibatch=6)


def silent(_: float) -> None:
    """Nobody is told."""


def test_4_an_increasing_change_of_the_reward_changes_no_bit_of_what_is_learned(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(miniature, "PAIRS", 8)
    monkeypatch.setattr(miniature, "SHARP_ROUNDS", 3)
    assert miniature.Sharpened(miniature.D3PO)(0, silent) == {"distance from r": 0.0}
    assert miniature.Sharpened(miniature.DDPO)(0, silent)["distance from r"] > 0.01


def test_the_clamp_is_idle_in_a_round_of_one_update(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(miniature, "PAIRS", 8)
    free = replace(miniature.D3PO, objective=StepwiseDPO(clamp=None))
    one, other = (miniature.train(rule, 1, silent, 3)[1] for rule in (miniature.D3PO, free))
    assert torch.equal(one, other)


def test_comparisons_lead_to_the_target_and_flipped_ones_away(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(miniature, "PAIRS", 8)
    right, _ = miniature.train(miniature.D3PO, 0, silent, 6)
    wrong, _ = miniature.train(replace(miniature.D3PO, wrong=1.0), 0, silent, 6)
    assert right[0] == wrong[0]  # the same first chains
    assert right[-1] > right[0] > wrong[-1]


def test_pairs_of_the_miniature_are_neighbours_that_started_alike() -> None:
    pairs = miniature.neighbours(torch.tensor([1.0, 2.0, 5.0, 5.0, 3.0, 0.0]))
    assert (pairs.chosen.tolist(), pairs.rejected.tolist()) == ([1, 4], [0, 5])
    turned = miniature.neighbours(torch.tensor([1.0, 2.0]), torch.tensor([True]))
    assert (turned.chosen.tolist(), turned.rejected.tolist()) == ([0], [1])


def test_rounds_to_half_and_the_floor_by_hand() -> None:
    assert miniature.rounds_to_half([-3.0, -2.5, -1.5, -1.0], -1.0) == pytest.approx(1.5)
    assert miniature.rounds_to_half([-3.0, -3.0], -1.0) == miniature.ROUNDS
    # Noise: .09 (1 + .64 + .64^2 + ...) = .25, and a trace of the start.
    assert miniature.best_possible() == pytest.approx(-0.5 * math.sqrt(math.pi / 2), abs=0.012)


def test_runs_and_shows_its_samples(tmp_path: Path) -> None:
    result = train(d3po.build(loop=LOOP, sampler=Groups(3)), tmp_path / "run", quiet=True)
    assert len(result.history) == 2
    assert result.history[-1]["grad_norm"] > 0
    assert 0 <= result.history[-1]["diagnostic/hit"] <= 1
    assert result.after is not None
    assert -10 <= result.after.mean <= 0
    table = pyarrow.parquet.read_table(tmp_path / "run" / "rollouts" / "step-000000.parquet")
    rows = table.to_pylist()
    assert len(rows) == 12
    assert all(len(row["outcome"]) == 2 for row in rows)
    assert rows[0]["completion"].count(",") == 1
    page = (tmp_path / "run" / "report.html").read_text()
    assert "Where samples landed" in page
    assert (tmp_path / "run" / "samples.png").stat().st_size > 5_000
    assert (tmp_path / "run" / "model" / "policy.safetensors").exists()


def test_resumed_bit_for_bit(tmp_path: Path) -> None:
    recipe = d3po.build(loop=replace(LOOP, checkpoint_every=1), sampler=Groups(3))
    whole = train(recipe, tmp_path / "whole", quiet=True)
    train(recipe, tmp_path / "parts", quiet=True, stop_after=1)
    parts = train(recipe, tmp_path / "parts", quiet=True, resume=True)
    both = zip(whole.model.parameters(), parts.model.parameters(), strict=True)
    assert all(torch.equal(a, b) for a, b in both)
