"""Mobile-R1: written steps, credit of episodes, the miniature in small, and the real loop."""

from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from making import make_rollouts, make_scores

from guerdon.advantages import GroupNormalised, ReturnToGo
from guerdon.claims import mobile_r1 as miniature
from guerdon.groups import group_statistics
from guerdon.objectives import KL, ClippedSurrogate
from guerdon.recipes import load_recipe, mobile_r1
from guerdon.records import Experience, PolicyOutput, Progress, Task
from guerdon.rewards import EnvironmentReturn, MobileStepReward, WeightedSum, WellFormedTurns
from guerdon.rollout import TabularPolicy
from guerdon.training import Loop, PolicyRecipe, train


def test_labels_are_written_steps_that_the_step_reward_reads() -> None:
    label = {**miniature.SWIPES["right"], "box": (0, 0, 9, 9)}
    task = Task("0,0", "", columns={"step": label})
    texts = (*miniature.STEPS, "right", "<tool_call>{}</tool_call>")
    rows = replace(make_rollouts([0] * 6), tasks=(task,), texts=texts)
    scores = MobileStepReward()(rows, Progress())
    assert list(miniature.STEPS.values()) == ["up", "down", "left", "right"]
    assert scores.value.tolist() == [1, 1, 1, 2, 0, 0]  # form alone, form and action, neither


def test_the_labelled_path_leads_to_the_goal_and_slips_lead_elsewhere() -> None:
    written = {move: text for text, move in miniature.STEPS.items()}
    phone = miniature.Phone(0.0, random.Random(0))
    for turn in range(8):
        step = phone.step(written[miniature.PATH[phone.state_key]])
        assert (step.done, step.reward) == (turn == 7, float(turn == 7))
    slipping = miniature.Phone(1.0, random.Random(0))
    seen = set()
    for _ in range(20):
        slipping.step(written["up"])
        seen.add(slipping.state_key)
    assert len(seen) > 3


def test_every_turn_of_an_episode_has_its_one_advantage() -> None:
    rows = make_rollouts([0, 0, 1], [2, 3, 1], turn_rewards=[[0, 2, 0], [0, 0, 0], [1, 0, 0]])
    rows = replace(rows, turn=torch.arange(3).expand(3, 3))
    credit = GroupNormalised()(Experience(rows, EnvironmentReturn()(rows, Progress())))
    assert credit[0].tolist() == pytest.approx([0.7071, 0.7071, 0], abs=1e-4)
    assert credit[1].tolist() == pytest.approx([-0.7071] * 3, abs=1e-4)
    assert credit[2].tolist() == [0, 0, 0]  # alone in its group


def test_the_trajectorys_advantage_is_the_z_score_of_returns_from_any_step() -> None:
    """A reward at the end, undiscounted: the return is the same from every step of an episode."""
    rewards = [[0, 0, 2.0], [0, 1.0, 0], [0, 0, 0.5]]
    rows = make_rollouts([0] * 3, [3, 2, 3], turn_rewards=rewards)
    rows = replace(rows, turn=torch.arange(3).expand(3, 3))
    experience = Experience(rows, EnvironmentReturn()(rows, Progress()))
    return_NT = ReturnToGo(discount=1.0)(experience)
    trajectory_NT = GroupNormalised()(experience)
    for step in range(3):
        acted = rows.mask[:, step]
        z_N = group_statistics(return_NT[:, 0], acted | True, rows.group)
        assert return_NT[acted, step].tolist() == return_NT[acted, 0].tolist()
        expected = (z_N.centred / z_N.std)[acted].tolist()
        assert trajectory_NT[acted, step].tolist() == pytest.approx(expected, abs=1e-5)
    assert trajectory_NT[1, 2] == 0  # after its end
    discounted = ReturnToGo(discount=0.5)(experience)
    assert discounted[0].tolist() == [0.5, 1, 2]


def test_what_the_world_says_is_no_part_of_the_loss() -> None:
    mask = [[1, 0, 1], [1, 0, 0]]
    rows = make_rollouts([0, 0], mask=mask, reference_logps=torch.full((2, 3), -1.0))
    advantage = GroupNormalised()(Experience(rows, make_scores([2.0, 0.0])))
    experience = Experience(rows, advantage=advantage)
    objective = ClippedSurrogate(kl=KL(0.02))
    losses = []
    for heard in (-1.0, -50.0):
        logps = torch.where(rows.mask, -0.5, heard).requires_grad_()
        loss = objective(PolicyOutput(logps), experience).value
        loss.backward()
        losses.append(loss.item())
        assert (logps.grad != 0).tolist() == rows.mask.tolist()
    assert losses[0] == losses[1]


def test_equal_episodes_and_lone_ones_teach_nothing() -> None:
    for group, values in (([0, 0, 0], [1.5] * 3), ([0, 1, 2], [2.0, 0.0, -1.0])):
        rows = make_rollouts(group, [2, 3, 1])
        experience = Experience(rows, make_scores(values))
        credit = GroupNormalised()(experience)
        assert not credit.any()
        logps = torch.full((3, 3), -0.7, requires_grad=True)
        learned = Experience(rows, advantage=credit)
        ClippedSurrogate()(PolicyOutput(logps), learned).value.backward()
        assert not logps.grad.any()


def test_an_episode_in_good_form_that_fails_is_worth_a_success_in_bad_form() -> None:
    """0 + 1 and 1 + 0: the trap that the specification names; a weight of 2 undoes the tie."""
    rows = make_rollouts([0, 0], [2, 2], turn_rewards=[[0, 0], [0, 1.0]])
    signals = {"valid": torch.tensor([[1.0, 1.0], [0.0, 1.0]])}
    rows = replace(rows, turn=torch.arange(2).expand(2, 2), signals=signals)
    parts = {"goal": EnvironmentReturn(), "form": WellFormedTurns()}
    assert WeightedSum(parts)(rows, Progress()).value.tolist() == [1, 1]
    assert WeightedSum(parts, {"goal": 2, "form": 1})(rows, Progress()).value.tolist() == [1, 2]


def test_the_miniature_in_small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(miniature, "SWEEPS", 20)
    monkeypatch.setattr(miniature, "TRIALS", 50)
    told: list[float] = []
    steps = miniature.Miniature(True, 3)(0, told.append)
    assert told == [1.0]
    assert miniature.Miniature(True, 3)(0, told.append) == steps
    none = miniature.Miniature(False, 0)(0, told.append)
    assert none["clean"] < steps["clean"]
    assert steps["slippery"] <= steps["clean"]
    labelled = miniature.Miniature(True, 0, rate=1.6)(0, told.append)
    assert labelled["towards the goal"] == pytest.approx(miniature.CHANCE, abs=1e-6)
    assert steps["towards the goal"] != pytest.approx(miniature.CHANCE, abs=1e-6)


def test_nearer_moves_are_counted_beside_the_path() -> None:
    cells = [f"{x},{y}" for x in range(5) for y in range(5)]
    logits = torch.zeros(25, 4)
    for move, share in ((0, 0.0), (1, 12 / 16), (2, 0.0), (3, 1.0)):  # up, down, left, right
        sure = logits.index_fill(1, torch.tensor(move), 50.0)
        policy = TabularPolicy(cells, tuple(miniature.STEPS), sure)
        assert miniature.towards(policy) == pytest.approx(share)


def test_recipe_round_trips(tmp_path: Path) -> None:
    recipe = load_recipe("mobile-r1").build()
    recipe.save(tmp_path / "recipe.yaml")
    assert PolicyRecipe.load(tmp_path / "recipe.yaml") == recipe


def test_runs_on_the_seedling_in_a_text_world() -> None:
    loop = Loop(steps=2, groups=2, evaluation_tasks=4, checkpoint_every=0)
    result = train(
        mobile_r1.build(loop=loop, sampler=replace(mobile_r1.build().sampler, size=4)), quiet=True
    )
    assert len(result.history) == 2
    assert all(torch.isfinite(p).all() for p in result.model.module.parameters())
