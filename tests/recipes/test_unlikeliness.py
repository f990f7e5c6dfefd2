"""The unlikeliness reward: the recipe in the real loop, and its miniature in small."""

from __future__ import annotations

import math

import pytest
import torch

from guerdon.claims import unlikeliness as miniature
from guerdon.recipes import unlikeliness
from guerdon.records import Progress, Task
from guerdon.rollout import Groups, TabularPolicy
from guerdon.stages import Sampling
from guerdon.training import Loop, train


def test_the_miniature_starts_where_the_specification_says() -> None:
    p = miniature.starting_logits()[0].exp()
    assert p.sum().item() == pytest.approx(1.0, abs=1e-5)
    assert p[0].item() == pytest.approx(0.30)
    assert p[1:7].tolist() == pytest.approx([0.01] * 6)
    assert p[7:].tolist() == pytest.approx([0.64 / 57] * 57)


def test_seven_answers_are_right() -> None:
    policy = TabularPolicy(["q"], [str(i) for i in range(64)])
    rows = policy.sample([Task("q", "")], 500, Sampling(), seed=0)
    value = miniature.correct(rows, Progress()).value
    assert {int(t) for t, v in zip(rows.texts, value, strict=True) if v} == set(range(7))


def test_beta_lifts_rare_answers_from_the_same_samples(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(miniature, "ITERATIONS", 6)
    monkeypatch.setattr(miniature, "PILOTS", 6)
    monkeypatch.setattr(miniature, "PROMPTS", 8)
    told: list[float] = []
    plain, lifted = (miniature.Miniature(beta)(0, told.append) for beta in (0.0, 0.75))
    assert told[-1] == 1.0
    assert lifted["rare uplift"] > plain["rare uplift"]
    assert lifted["rare pass@32"] > plain["rare pass@32"]
    again = miniature.Miniature(0.0)(0, told.append)
    assert again == pytest.approx(plain, nan_ok=True)
    assert math.isnan(plain["rare pass@32 at pass@1 0.9"])  # not there in six updates


def test_rare_answers_are_counted_where_pass_1_passes_the_level() -> None:
    """From 0.88 to 0.92 the level is half-way: half-way from 0.4 to 0.2."""
    assert miniature.at_level([0.5, 0.4, 0.2], [0.8, 0.88, 0.92]) == pytest.approx(0.3)
    assert miniature.at_level([0.4, 0.2], [0.8, 0.9]) == pytest.approx(0.2)
    assert miniature.at_level([0.4, 0.2, 0.1, 0.0], [0.8, 0.9, 0.8, 0.95]) == pytest.approx(0.2)
    assert math.isnan(miniature.at_level([0.4, 0.2], [0.8, 0.89]))
    assert math.isnan(miniature.at_level([], []))


def test_runs_and_drops_groups_without_contrast() -> None:
    loop = Loop(steps=2, groups=3, resample=2, evaluation_tasks=4, checkpoint_every=0)
    result = train(unlikeliness.build(loop=loop, sampler=Groups(6)), quiet=True)
    assert len(result.history) == 2
    assert all(torch.isfinite(p).all() for p in result.model.module.parameters())
