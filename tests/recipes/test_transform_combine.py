"""Log-sigmoid rewards and their AND: the recipe in the real loop, and its miniature in small."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from guerdon.claims import transform_combine as miniature
from guerdon.recipes import load_recipe, transform_combine
from guerdon.records import Progress
from guerdon.rollout import Groups
from guerdon.shaping import Affine, And, LogProbability
from guerdon.tasks import FactQuestions, PreparedTasks
from guerdon.training import Loop, PolicyRecipe, train


def test_the_tilt_is_the_prior_given_good_at_gamma_one() -> None:
    reward = torch.tensor([[0.8, 0.2]]).double().log()
    kl = (0.8 * torch.tensor(1.6).log() + 0.2 * torch.tensor(0.4).log()).item()
    p, spent = miniature.tilted(reward, kl)
    assert p[0].tolist() == pytest.approx([0.8, 0.2], abs=1e-5)
    assert spent.item() == pytest.approx(kl, abs=1e-6)


def test_prompts_share_one_gamma_but_not_one_kl() -> None:
    reward = torch.tensor([[0.0, 1.0], [0.0, 3.0]]).double()
    p, spent = miniature.tilted(reward, 0.3)
    assert spent.mean().item() == pytest.approx(0.3, abs=1e-5)
    assert spent[0] < spent[1]
    odds = (p[:, 1] / p[:, 0]).log()
    assert (odds[1] / odds[0]).item() == pytest.approx(3.0, abs=1e-4)


def test_the_two_rewards_are_in_conflict() -> None:
    scores, rows = miniature.world(0)
    parts = [part.reshape(60, 128) for part in scores.parts.values()]
    within = [torch.corrcoef(torch.stack(pair))[0, 1].item() for pair in zip(*parts, strict=True)]
    assert sum(within) / 60 == pytest.approx(-0.6, abs=0.05)
    assert rows.tasks[7].columns["reference_rewards/two"] == parts[1][7].tolist()


def test_good_in_one_means_above_its_own_quantile() -> None:
    scores, rows = miniature.world(0)
    one = transform_combine.good_in("one")
    made = LogProbability(one)(scores, rows, Progress()).value.exp().reshape(60, 128)
    assert (made > 0.5).float().mean().item() == pytest.approx(0.15, abs=0.02)


def test_the_and_is_a_sum_of_logs_and_a_shift_of_a_prompt_is_lost() -> None:
    scores, rows = miniature.world(1)
    one, two = transform_combine.good_in("one"), transform_combine.good_in("two")
    both = LogProbability(And((one, two)))(scores, rows, Progress()).value
    each = [LogProbability(s)(scores, rows, Progress()).value for s in (one, two)]
    assert torch.allclose(both, each[0] + each[1], atol=1e-5)
    shifted = replace(scores, value=scores.value + rows.group)  # a constant for each prompt
    plain, moved = (
        miniature.tilted(Affine()(s, rows, Progress()).value.reshape(60, 128).double(), 1.0)
        for s in (scores, shifted)
    )
    assert torch.allclose(plain[0], moved[0], atol=1e-5)


def test_an_arm_reports_what_the_claim_names(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(miniature, "PROMPTS", 6)
    told: list[float] = []
    claim = miniature.claim()
    figures = {name: arm(0, told.append) for name, arm in claim.arms.items()}
    assert claim.arms["raw sum"](0, told.append) == figures["raw sum"]
    for expectation in claim.expectations:
        assert all(expectation.metric in figures[arm] for arm in expectation.arms)


def test_recipe_is_listed_and_round_trips(tmp_path: Path) -> None:
    recipe = load_recipe("transform-combine").build()
    recipe.save(tmp_path / "recipe.yaml")
    assert PolicyRecipe.load(tmp_path / "recipe.yaml") == recipe


def test_runs_in_the_real_loop() -> None:
    recipe = transform_combine.build()
    assert isinstance(recipe.tasks, PreparedTasks)
    by = replace(recipe.tasks.by, count=3)
    tasks = PreparedTasks(FactQuestions(train=8, test=4), by)
    loop = Loop(steps=2, groups=2, evaluation_tasks=4, checkpoint_every=0)
    result = train(transform_combine.build(tasks=tasks, loop=loop, sampler=Groups(4)), quiet=True)
    assert len(result.history) == 2
    assert all(torch.isfinite(p).all() for p in result.model.module.parameters())
