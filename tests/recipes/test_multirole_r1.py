"""MultiRole-R1: role answers by hand, the miniature in small, and the recipe in the real loop."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from making import make_rollouts, make_scores

from guerdon.advantages import GroupNormalised
from guerdon.claims import multirole_r1 as miniature
from guerdon.recipes import load_recipe, multirole_r1
from guerdon.records import Experience, Progress, Task
from guerdon.rewards.answers.roles import (
    DistinctRoles,
    RoleAccuracy,
    each_role,
    majority,
    role_answers,
)
from guerdon.rollout import Groups
from guerdon.shaping import Affine, add_to_rows
from guerdon.stages import Sampling
from guerdon.training import Loop, PolicyRecipe, train


def test_blocks_are_read() -> None:
    text = "Role: Nurse, who thinks. Answer: B. role: judge role: cook answer: (c) answer: d"
    assert role_answers(text) == [("nurse", "b"), ("judge", ""), ("cook", "c")]
    named = "role: Head  nurse\nI think. answer: B\nrole: **Dr. Day** answer: b"
    assert role_answers(named) == [("head nurse", "b"), ("dr. day", "b")]
    assert role_answers("") == role_answers("answer: b") == []
    assert role_answers("role:") == [("", "")]
    assert len(role_answers("role: a answer: b " * 10_000)) == 64


def test_roles_that_may_differ_and_roles_that_should_agree() -> None:
    blocks = [("x", "a"), ("y", "b"), ("z", "c")]
    assert each_role(blocks, {"x": "a", "y": "b", "z": "d"}) == pytest.approx(2 / 3)
    assert each_role(blocks, {"w": "a"}) == each_role([], {"x": "a"}) == 0
    assert majority([("x", "a"), ("y", "a"), ("z", "b")], {"": "a"}) == 1
    assert majority(blocks, {"": "a"}) == 0  # a tie
    assert majority([("x", ""), ("y", "")], {"": ""}) == majority([], {"": "a"}) == 0


def test_reward_reads_roles_or_one_answer() -> None:
    columns = Task("t", "", None, {"roles": {"X": "A"}}), Task("u", "", "B"), Task("v", "")
    texts = ("role: x answer: a", "role: x answer: b role: y answer: b", "role: x answer: b")
    rows = replace(make_rollouts([0, 1, 1]), tasks=columns[:2], texts=texts)
    assert RoleAccuracy()(rows, Progress()).value.tolist() == [1, 0, 0]
    assert RoleAccuracy(majority)(rows, Progress()).value.tolist() == [0, 1, 1]
    assert DistinctRoles()(rows, Progress()).value.tolist() == pytest.approx([1 / 3, 2 / 3, 1 / 3])
    lacking = replace(make_rollouts([0]), tasks=columns[2:])
    with pytest.raises(ValueError, match="task 'v': column 'roles'"):
        RoleAccuracy()(lacking, Progress())


def test_where_accuracy_is_constant_diversity_alone_decides() -> None:
    rows = make_rollouts([0] * 4)
    for keep in (0.9, 0.5):
        scores = Affine(keep)(make_scores([1.0] * 4), rows, Progress())
        paid = (1 - keep) * torch.tensor([0.30, 0.35, 0.40, 0.45])
        advantage = GroupNormalised()(Experience(rows, add_to_rows(scores, rows, paid)))
        assert advantage[:, 0].tolist() == pytest.approx([-1.162, -0.387, 0.387, 1.162], abs=1e-3)


def test_a_roles_answers_are_the_same_at_every_place() -> None:
    policy = miniature.untrained()
    roles, answers = policy.parameters()
    assert roles.shape == (10, 3, 8)
    assert answers.shape == (10, 8, 8)
    with torch.no_grad():
        answers[0, 2, 1] = 100.0
    p_TA = policy.log_probs([Task("q0", "")]).exp()[0].reshape(3, 9, 8)
    assert p_TA[:, 3, 1].tolist() == [1.0] * 3  # after the choice of a role, the third one's answer
    policy.log_probs([Task("q0", "")])[0, [4, 13], 0].sum().backward()
    assert answers.grad[0, 3, 0] == pytest.approx(2 * 0.75)


def test_roles_that_a_group_meets_are_counted_once() -> None:
    policy = miniature.untrained()
    rows = policy.sample([Task("q0", ""), Task("q1", "")], 1, Sampling(), 0)
    ids = torch.zeros_like(rows.ids)
    ids[1, [0, 9, 18]] = torch.tensor([5, 5, 7])
    assert miniature.met(replace(rows, ids=ids)).tolist() == [1 / 8, 2 / 8]


def test_the_miniature_in_small(monkeypatch: pytest.MonkeyPatch) -> None:
    policy = miniature.untrained()
    first = policy.log_probs([Task("q0", "")]).exp()[0, :, 0].reshape(3, 9)
    assert first[:, 0].tolist() == pytest.approx([math.exp(0.5) / (math.exp(0.5) + 7)] * 3)
    assert first[:, 1:].flatten().tolist() == pytest.approx([0.25] * 24)
    rows = miniature.asked(policy.sample([Task("q0", "")], 4, Sampling(), 0))
    assert rows.mask.sum(1).tolist() == [6] * 4  # three roles and the answer of each
    for row, text in enumerate(rows.texts):
        acts = rows.ids[row][rows.mask[row]].tolist()
        pairs = zip(acts[::2], acts[1::2], strict=True)
        assert text == " ".join(f"role: {'abcdefgh'[r]} answer: {a}" for r, a in pairs)
    monkeypatch.setattr(miniature, "UPDATES", 10)
    monkeypatch.setattr(miniature, "QUESTIONS", 2)
    told: list[float] = []
    arms = miniature.claim().arms
    plain = arms["accuracy"](0, told.append)
    assert told[-1] == 1.0
    assert arms["accuracy"](0, told.append) == plain
    assert arms["distinct roles paid"](0, told.append)["silent groups"] <= plain["silent groups"]


def test_recipe_round_trips(tmp_path: Path) -> None:
    recipe = load_recipe("multirole-r1").build()
    recipe.save(tmp_path / "recipe.yaml")
    assert PolicyRecipe.load(tmp_path / "recipe.yaml") == recipe


def test_runs_on_the_seedling() -> None:
    loop = Loop(steps=2, groups=3, evaluation_tasks=4, checkpoint_every=0)
    result = train(multirole_r1.build(loop=loop, sampler=Groups(4)), quiet=True)
    assert len(result.history) == 2
    assert all(h["shaped_reward"] > 0.9 * h["reward"] for h in result.history)
