"""Actions on web pages and phones: levels worked by hand."""

from __future__ import annotations

import json
from typing import Any

import pytest
import torch
from rewards.completions import rollouts_of

from guerdon.records import Progress, Task
from guerdon.rewards.actions.mobile_step import MobileStepReward
from guerdon.rewards.actions.web_action import (
    WebAction,
    WebActionReward,
    read_web_action,
    rouge_l_f1,
)


def web(action: Any, gold: dict[str, Any], **settings: Any) -> float:
    text = action if isinstance(action, str) else json.dumps({"rationale": "r", "action": action})
    task = Task("t", "q", None, {"action": gold})
    scores = WebActionReward(**settings)(rollouts_of([text], task), Progress())
    assert sum(part.item() for part in scores.parts.values()) == pytest.approx(scores.value.item())
    return float(scores.value.item())


LEAVE = {"type": "terminate"}
CLICK = {"type": "click", "name": "add to cart"}
SEARCH = {"type": "type_and_submit", "name": "search", "text": "red shoes"}


def test_web_levels_worked_by_hand() -> None:
    assert web(LEAVE, LEAVE) == pytest.approx(0.8)
    assert web("no json", LEAVE) == 0
    assert web(LEAVE, CLICK) == pytest.approx(0.5)
    assert web(CLICK, CLICK) == pytest.approx(1001.0)
    assert web({"type": "click", "name": "add to"}, CLICK) == pytest.approx(801.0)
    assert web({"type": "click", "name": "add"}, CLICK) == pytest.approx(1.0)
    assert web({"type": "click"}, CLICK) == pytest.approx(0.8)
    assert web(SEARCH, SEARCH) == pytest.approx(1001.1)
    assert web({**SEARCH, "text": ""}, SEARCH) == pytest.approx(1.0)
    assert web({**SEARCH, "name": "box"}, SEARCH, difficulty=0) == pytest.approx(1.0)
    assert web({"type": "click", "name": ""}, {"type": "click", "name": ""}) == pytest.approx(0.8)


def test_a_click_by_coordinates() -> None:
    gold = {"type": "click", "box": [10, 20, 30, 40]}
    assert web({"type": "click", "name": "x", "point": [10, 40]}, gold) == pytest.approx(1001)
    assert web({"type": "click", "name": "x", "point": [9.9, 40]}, gold) == pytest.approx(1)
    for bad in (None, "10,40", [10], [10, "40"], [1e300, 1], [10, 40, 1]):
        assert web({"type": "click", "name": "x", "point": bad}, gold) == pytest.approx(1)


def test_the_multiplier_saturates_under_the_groups_std() -> None:
    def standardised(values: list[float]) -> torch.Tensor:
        r = torch.tensor(values)
        return (r - r.mean()) / r.std()

    big, small = standardised([1001, 1, 0.5, 0.5]), standardised([11, 1, 0.5, 0.5])
    assert (big - small).abs().max() < 0.07
    values = [web(a, CLICK, difficulty=10) for a in (CLICK, {"type": "click", "name": "z"}, LEAVE)]
    assert values == sorted(values, reverse=True)


def test_what_is_read_as_an_action() -> None:
    whole = {"rationale": "r", "action": {"type": "click", "value": "v"}}
    loose = read_web_action(f"so: {json.dumps(whole)} done")
    assert loose is not None
    assert loose.text == "v"
    assert read_web_action(json.dumps(whole), strict=True) is None
    fit = {"rationale": "r", "action": {"type": "click", "text": "v"}}
    assert read_web_action(json.dumps(fit), strict=True) is not None
    assert read_web_action("x" + json.dumps(fit), strict=True) is None
    assert read_web_action(json.dumps({**fit, "more": 1}), strict=True) is None
    unfilled = {"rationale": "r", "action": {"type": "click", "name": "cart", "text": None}}
    assert read_web_action(json.dumps(unfilled), strict=True) == WebAction("click", "cart")
    for broken in (
        {"action": {"type": "click"}},
        {"rationale": 1, "action": {"type": "click"}},
        {"rationale": "r", "action": []},
        {"rationale": "r", "action": {"type": 1}},
        {"rationale": "r", "action": {"type": "click", "name": 1}},
        [1],
    ):
        assert read_web_action(json.dumps(broken)) is None
    for text in ("", "{", "}{", "{" * 50_000, "{" * 20_000 + "}" * 20_000):
        assert read_web_action(text) is None


def test_rouge_l_f1() -> None:
    assert rouge_l_f1("Add to", "add to cart") == pytest.approx(0.8)
    assert rouge_l_f1("", "") == 0
    assert rouge_l_f1("word " * 10_000, "word") < 0.02


def test_what_a_gold_leaves_open_is_no_text() -> None:
    """A name of None is not the name "None"."""
    gold = {"type": "click", "name": None, "text": None}
    said = json.dumps({"rationale": "r", "action": {"type": "click", "name": "None"}})
    assert web(said, gold) == web(said, {"type": "click"})
    assert web(said, gold) == pytest.approx(1.0)  # form, type and attribute, and no content


@pytest.mark.parametrize("gold", [None, {"type": "fly"}, "click"])
def test_a_web_gold_that_is_none_is_named(gold: Any) -> None:
    with pytest.raises(ValueError, match="task 't': column 'action'"):
        web(LEAVE, gold)
    with pytest.raises(ValueError, match="difficulty is nan"):
        WebActionReward(difficulty=float("nan"))


def step(call: Any, label: dict[str, Any], form: bool = True) -> tuple[float, float]:
    body = call if isinstance(call, str) else json.dumps(call)
    text = f"<tool_call>{body}</tool_call>"
    text = f"<think>t</think><action>a</action>{text}" if form else text
    task = Task("t", "q", None, {"step": label})
    scores = MobileStepReward()(rollouts_of([text], task), Progress())
    return scores.parts["format"].item(), scores.parts["action"].item()


BUTTON = {"name": "click", "arguments": {"x": 20, "y": 30}, "box": [10, 20, 30, 40]}


def test_clicks_worked_by_hand() -> None:
    assert step({"name": "click", "arguments": {"x": 10, "y": 40}}, BUTTON) == (1, 1)
    assert step({"name": "click", "arguments": {"x": 9.9, "y": 30}}, BUTTON) == (1, 0)
    swipe = {"name": "swipe", "arguments": {"x1": 20, "y1": 30, "x2": 20, "y2": 90}}
    assert step(swipe, BUTTON) == (1, 0)
    assert step('{"name": "click", ', BUTTON) == (0, 0)
    assert step({"name": "click", "arguments": {"x": "20", "y": 30}}, BUTTON) == (1, 0)
    assert step({"name": "click", "arguments": {"x": True, "y": 30}}, BUTTON) == (1, 0)
    assert step({"name": "click", "arguments": {"x": 20, "y": 30}}, BUTTON, form=False) == (0, 1)


def test_a_step_is_worth_two_one_or_nothing() -> None:
    """Form and action, form alone, and no action that could be read."""
    right, wrong = (json.dumps({"name": "click", "arguments": {"x": x, "y": 30}}) for x in (20, 50))
    form = "<think>t</think><action>a</action><tool_call>{}</tool_call>"
    task = Task("t", "q", None, {"step": BUTTON})
    texts = [form.format(right), form.format(wrong), form.format(right[:-1])]
    scores = MobileStepReward()(rollouts_of(texts, task), Progress())
    assert scores.value.tolist() == [2, 1, 0]
    assert MobileStepReward().range == (0, 2)


def test_swipes_need_start_and_direction() -> None:
    label = {
        "name": "swipe",
        "arguments": {"x1": 20, "y1": 30, "x2": 25, "y2": 90},
        "box": [10, 20, 30, 40],
    }

    def swipe(*numbers: float) -> tuple[float, float]:
        names = ("x1", "y1", "x2", "y2")
        return step({"name": "swipe", "arguments": dict(zip(names, numbers, strict=True))}, label)

    assert swipe(15, 25, 15, 60) == (1, 1)
    assert swipe(15, 25, 15, 10) == (1, 0)
    assert swipe(15, 25, 90, 60) == (1, 0)
    assert swipe(50, 25, 50, 60) == (1, 0)


def test_other_actions_by_name_and_arguments() -> None:
    label = {"name": "type", "arguments": {"text": "abc"}}
    assert step({"name": "type", "arguments": {"text": "abc "}}, label) == (1, 1)
    assert step({"name": "type", "arguments": {"text": "Abc"}}, label) == (1, 0)
    assert step({"name": "wait"}, {"name": "wait"}) == (1, 1)
    assert step({"name": "wait", "arguments": {"for": 1}}, {"name": "wait"}) == (1, 0)


def test_blocks_must_be_once_and_in_order() -> None:
    call = '<tool_call>{"name": "wait"}</tool_call>'
    task = Task("t", "q", None, {"step": {"name": "wait"}})
    texts = [
        f"<action>a</action><think>t</think>{call}",
        f"<think>t</think><action>a</action>{call}{call}",
        f"<think>t</think>{call}",
    ]
    scores = MobileStepReward()(rollouts_of(texts, task), Progress())
    assert scores.parts["format"].tolist() == [0, 0, 0]


@pytest.mark.parametrize(
    "label",
    [
        None,
        {},
        {"name": "click"},
        {"name": "click", "box": [1, 2]},
        {"name": "swipe", "box": [1] * 4},
    ],
)
def test_a_step_label_that_is_none_is_named(label: Any) -> None:
    with pytest.raises(ValueError, match="task 't': column 'step' is no step label"):
        step({"name": "click"}, label)
