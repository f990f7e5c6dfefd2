"""Shop-R1: what the multiplier does to advantages, the text form, the miniature, the real loop."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from making import make_rollouts, make_scores

from guerdon.advantages import GroupNormalised, NoScale
from guerdon.claims import shop_r1 as miniature
from guerdon.recipes import load_recipe, shop_r1
from guerdon.records import Experience, Progress, Task
from guerdon.rewards import WebActionReward
from guerdon.rewards.actions.web_action import CallsAsActions
from guerdon.rollout import Groups
from guerdon.training import Loop, PolicyRecipe, train

CALL = {"name": "convert", "parameters": {"amount": 40, "unit": "pounds"}}


def called(*texts: str) -> object:
    rows = make_rollouts([0] * len(texts))
    task = Task("t", "q", None, {"calls": [CALL]})
    return replace(rows, texts=texts, tasks=(task,))


def tool(name: str, **values: object) -> str:
    return f"<tool>{json.dumps({'name': name, 'parameters': values})}</tool>"


def test_a_call_is_read_as_a_form() -> None:
    texts = (
        tool("convert", amount=40, unit="pounds"),
        tool("weather", amount=40, unit="pounds"),
        tool("convert", amount=41, unit="pounds"),
        tool("convert"),
        "<tool>{}</tool>",
        "convert 40 pounds",
        '<tool>{"name": 3, "parameters": {}}</tool>',
    )
    scores = CallsAsActions(WebActionReward(10.0))(called(*texts), Progress())
    expected = [11.1, 11.0, 1.1, 1.0, 0.0, 0.0, 0.0]
    assert scores.value.tolist() == pytest.approx(expected)
    with pytest.raises(ValueError, match="task 't0' has no column 'calls'"):
        CallsAsActions(WebActionReward())(make_rollouts([0]), Progress())


def test_standardising_cancels_the_multiplier_and_centring_does_not() -> None:
    rows = make_rollouts([0] * 4)
    small, large = make_scores([11.0, 1, 0.5, 0.5]), make_scores([1001.0, 1, 0.5, 0.5])
    gap = GroupNormalised()(Experience(rows, small)) - GroupNormalised()(Experience(rows, large))
    assert gap.abs().max() < 0.07
    centred = GroupNormalised(scale=NoScale())
    high, low = (centred(Experience(rows, scores))[0].item() for scores in (large, small))
    assert high > 90 * low


NAMED = st.sampled_from(["add to cart", "add to", "add", "", "remove", "to cart"])


@settings(deadline=None, max_examples=40)
@given(st.lists(NAMED, min_size=2, max_size=5), st.floats(1.01, 2000), st.floats(1.01, 2000))
def test_a_reward_grows_with_the_multiplier_and_keeps_its_place(
    names: list[str], one: float, two: float
) -> None:
    """In any group, whatever the multiplier, as long as it is above 1."""
    gold = {"type": "click", "name": "add to cart"}
    actions = [{"type": "click", "name": name} for name in names] + [{"type": "terminate"}]
    texts = tuple(json.dumps({"rationale": "r", "action": a}) for a in actions)
    task = Task("t", "", columns={"action": gold})
    rows = replace(make_rollouts([0] * len(texts)), tasks=(task,), texts=texts)
    low, high = (WebActionReward(d)(rows, Progress()).value for d in sorted((one, two)))
    assert (low <= high + 1e-4).all()
    assert low.argsort(stable=True).tolist() == high.argsort(stable=True).tolist()


def test_exact_pays_the_right_action_alone() -> None:
    columns = [{"action": miniature.ACTIONS[0]}, {"action": miniature.ACTIONS[3]}]
    tasks = tuple(Task(f"t{i}", "", columns=c) for i, c in enumerate(columns))
    texts = tuple(miniature.TEXTS[i] for i in (0, 3, 0, 3, 4))
    rows = replace(make_rollouts([0, 0, 1, 1, 1]), tasks=tasks, texts=texts)
    assert miniature.exact(rows, Progress()).value.tolist() == [1, 0, 0, 1, 0]
    graded = WebActionReward(10.0)(rows, Progress()).value.tolist()
    assert graded == pytest.approx([0.8, 0.5, 0.5, 11.0, 1.0])


def test_the_miniature_in_small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(miniature, "STEPS", 4)
    told: list[float] = []
    arms = miniature.claim().arms
    first = arms["D 10, centred"](0, told.append)
    assert told[-1] == 1.0
    assert arms["D 10, centred"](0, told.append) == first
    assert arms["D 10, standardised"](0, told.append) != first
    monkeypatch.setattr(miniature, "STEPS", 0)
    start = arms["exact, centred"](0, told.append)
    assert start == pytest.approx({"terminate": 0.5, "right click": 0.1})


def test_recipe_round_trips(tmp_path: Path) -> None:
    recipe = load_recipe("shop-r1").build()
    recipe.save(tmp_path / "recipe.yaml")
    assert PolicyRecipe.load(tmp_path / "recipe.yaml") == recipe


def test_runs_on_the_seedling() -> None:
    loop = Loop(steps=2, groups=3, evaluation_tasks=4, checkpoint_every=0)
    result = train(shop_r1.build(loop=loop, sampler=Groups(4)), quiet=True)
    assert len(result.history) == 2
    assert all(torch.isfinite(p).all() for p in result.model.module.parameters())
