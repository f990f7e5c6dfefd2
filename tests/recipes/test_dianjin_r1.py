"""DianJin-R1: what is paid, the supervised stage, and the recipe in the real loop."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from guerdon.claims import dianjin_r1 as miniature
from guerdon.nursery.blank import blank_model
from guerdon.recipes import dianjin_r1
from guerdon.records import Experience, Progress, Rollouts, Task
from guerdon.rewards import DianjinReward, right_in_form, summed
from guerdon.rollout import LanguagePolicy
from guerdon.training import Loop, train

TEXTS = (
    "<think>x</think><answer>\\boxed{B}</answer>",
    "<think>x</think><answer>\\boxed{A}</answer>",
    "<answer>\\boxed{B}</answer>",
    "<think>\\boxed{B}</think><answer>B</answer>",
)


def rows() -> Rollouts:
    """One completion of a single token for each text; the answer is B."""
    n = len(TEXTS)
    return Rollouts(
        tasks=(Task("t", "", "B"),),
        group=torch.zeros(n, dtype=torch.long),
        prompts=(torch.tensor([1]),),
        ids=torch.zeros(n, 1, dtype=torch.long),
        mask=torch.ones(n, 1, dtype=torch.bool),
        lengths=torch.ones(n, dtype=torch.long),
        logps=torch.zeros(n, 1),
        texts=TEXTS,
    )


def test_the_released_product_and_the_papers_sum() -> None:
    recipe = dianjin_r1.build()
    paid = recipe.reward(rows(), Progress())
    assert paid.value.tolist() == [1, 0, 0, 0]
    assert paid.parts["accuracy"].tolist() == [1, 0, 0, 0]
    assert DianjinReward(summed)(rows(), Progress()).value.tolist() == [2, 1, 0, 0]


def test_one_right_answer_of_four_is_worth_three_halves() -> None:
    recipe = dianjin_r1.build()
    credit = recipe.advantage(Experience(rows(), recipe.reward(rows(), Progress())))
    assert credit[:, 0].tolist() == pytest.approx([1.5, -0.5, -0.5, -0.5], abs=1e-4)


def test_the_supervised_stage_is_learned_and_shared() -> None:
    product = DianjinReward(right_in_form)
    arm = miniature.Miniature(product, traces=4, epochs=1, held_out=4)
    assert arm(0, [].append).keys() == {"accuracy", "any-form accuracy", "format"}
    taught = miniature._taught(0, 4, 1)
    before = LanguagePolicy(*blank_model(0)).module.state_dict()
    assert miniature._taught(0, 4, 1) is taught
    assert any(not torch.equal(taught[k], before[k]) for k in before)


def test_a_model_from_scratch_hears_nothing() -> None:
    arm = miniature.Miniature(DianjinReward(right_in_form), steps=1, held_out=4)
    found = arm(0, [].append)
    assert found["zero_std_share"] == 1.0
    assert found["accuracy"] == found["format"] == 0.0


def test_a_policy_that_never_finds_the_form_is_refused_before_the_first_step() -> None:
    tasks = dianjin_r1.build().tasks
    blank = LanguagePolicy(*blank_model(0))
    with pytest.raises(ValueError, match=r"0 of 128 .* by FormatReward.*demonstrations first"):
        tasks.prepare(blank, tasks.load("train"))
    train_tasks = tasks.load("train")
    assert tasks.prepare(LanguagePolicy.load("seedling"), train_tasks) is train_tasks


def test_runs_in_the_real_loop(tmp_path: Path) -> None:
    loop = Loop(steps=2, groups=4, evaluation_tasks=8, checkpoint_every=0)
    result = train(
        dianjin_r1.build(loop=loop, sampler=replace(dianjin_r1.build().sampler, size=4)),
        tmp_path / "run",
        quiet=True,
    )
    assert len(result.history) == 2
    assert result.after is not None
    assert 0 <= result.after.mean <= 1
    assert all(torch.isfinite(p).all() for p in result.model.module.parameters())
