"""GiGPO: the recipe in the real loop, and its miniature in small."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from guerdon.advantages import TwoLevel
from guerdon.claims import gigpo as miniature
from guerdon.recipes import gigpo
from guerdon.records import Ending, Experience, Progress, Rollouts, Task
from guerdon.rewards import EnvironmentReturn
from guerdon.training import Loop, train


def spec_episodes() -> Rollouts:
    """Trajectory 1: s0 (0), s1 (10). Trajectory 2: s0, s2, s0, all 0."""
    lengths = torch.tensor([2, 3])
    mask = torch.arange(3) < lengths[:, None]
    return Rollouts(
        tasks=(Task("t", ""),),
        group=torch.zeros(2, dtype=torch.long),
        prompts=(torch.zeros(0, dtype=torch.long),),
        ids=torch.zeros(2, 3, dtype=torch.long),
        mask=mask,
        lengths=lengths,
        logps=torch.zeros(2, 3),
        texts=("", ""),
        endings=Ending.of(torch.tensor([True, False]), Ending.TOKEN_LIMIT),
        turn=torch.arange(3).expand(2, 3),
        states=(("s0", "s1"), ("s0", "s2", "s0")),
        turn_rewards=torch.tensor([[0.0, 10.0, 0.0], [0.0, 0.0, 0.0]]),
    )


def test_arms_credit_the_worked_episodes() -> None:
    rows = spec_episodes()
    scores = EnvironmentReturn()(rows, Progress())
    assert scores.value.tolist() == [10.0, 0.0]
    step = miniature.step_only(Experience(rows, scores))[rows.mask]
    assert step.tolist() == pytest.approx([6.3333, 0.0, -3.1667, 0.0, -3.1667], abs=1e-4)
    episode = TwoLevel(omega=0.0)(Experience(rows, scores))
    assert episode[rows.mask].tolist() == pytest.approx([6, 6, -4, -4, -4])
    unique = miniature.UniqueStates(TwoLevel(omega=1.0))(Experience(rows, scores))
    assert torch.equal(unique, episode)


def test_a_step_counter_alone_leaves_first_states_shared() -> None:
    rows = spec_episodes()
    counted = tuple(tuple((s, t) for t, s in enumerate(row)) for row in rows.states or ())
    rows = replace(rows, states=counted)
    scores = EnvironmentReturn()(rows, Progress())
    assert not torch.equal(
        TwoLevel()(Experience(rows, scores)), TwoLevel(omega=0.0)(Experience(rows, scores))
    )


def test_the_miniature_repeats_and_its_arms_differ(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(miniature, "ITERATIONS", 12)
    monkeypatch.setattr(miniature, "SIDE", 3)
    claim = miniature.claim()
    told: list[float] = []
    grpo, both = (miniature.walk(TwoLevel(omega=w), 0, told.append) for w in (0.0, 1.0))
    assert told[-1] == 1.0
    assert miniature.walk(TwoLevel(omega=0.0), 0, told.append) == grpo
    assert grpo[0] == both[0]  # the same first samples
    assert grpo != both
    unique = claim.arms["unique states"](0, told.append)
    assert unique["distance from grpo"] == 0.0


def test_runs_on_the_seedling_in_a_text_world() -> None:
    loop = Loop(steps=2, groups=2, evaluation_tasks=4, checkpoint_every=0)
    result = train(
        gigpo.build(loop=loop, sampler=replace(gigpo.build().sampler, size=4)), quiet=True
    )
    assert len(result.history) == 2
    assert result.before is not None
    assert result.after is not None
    assert result.after.mean == result.after.mean  # graded, not NaN
