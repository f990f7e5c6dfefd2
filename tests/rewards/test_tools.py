"""Tool calls: credits worked by hand, forms, schedules and hostile text."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rewards.completions import rollouts_of

from guerdon.records import Progress, Task
from guerdon.rewards.actions.strict_json import read_json, same_json
from guerdon.rewards.actions.tool_calls import (
    ToolCall,
    all_or_nothing,
    exact_names_credit,
    jaccard,
    partial_credit,
    read_calls,
    released_all_or_nothing,
    whole_call_credit,
)
from guerdon.rewards.actions.tools import ThinkLength, ToolReward, smooth, two_stage
from guerdon.rewards.composing.levels import Scale
from guerdon.schedules import Linear, Steps

GOLD = {"name": "w", "parameters": {"city": "P", "unit": "C"}}
TASK = Task("t", "q", None, {"calls": [GOLD]})


def written(*calls: dict[str, Any], think: str = "x") -> str:
    lines = "\n".join(json.dumps(call) for call in calls)
    return f"<think>{think}</think>\n<tool_call>\n{lines}\n</tool_call>"


def with_parameters(**parameters: Any) -> dict[str, Any]:
    return {"name": "w", "parameters": parameters}


def parts_of(text: str, reward: ToolReward | None = None, task: Task = TASK, step: int = 0) -> Any:
    scores = (reward or ToolReward())(rollouts_of([text], task), Progress(step, 1000))
    assert scores.valid.all()
    return {name: part.item() for name, part in scores.parts.items()}


def calls_part(*calls: dict[str, Any], **more: Any) -> float:
    return float(parts_of(written(*calls), **more)["calls"])


def test_calls_worked_by_hand() -> None:
    assert calls_part(GOLD) == 3
    assert calls_part(with_parameters(unit="C", city="P")) == 3
    assert calls_part(with_parameters(city="P", unit="F")) == pytest.approx(1.5)
    assert calls_part(with_parameters(city="P")) == pytest.approx(0.75)
    assert calls_part({"name": "v", "parameters": GOLD["parameters"]}) == -3
    assert calls_part(GOLD, GOLD) == pytest.approx(2.25)


def test_order_counts_for_equality_but_not_for_credit() -> None:
    a, b = ToolCall("a"), ToolCall("b")
    assert partial_credit([a, b], [b, a]) == 1
    assert all_or_nothing([a, b], [b, a]) == 0
    assert all_or_nothing([a, b], [a, b]) == 1
    # exact names: [a, b] against [b, a] is worth 0, each call still its keys: 2 of 3
    assert exact_names_credit([a, b], [b, a]) == pytest.approx(2 / 3)
    assert whole_call_credit([a, b], [b, a]) == 1


def test_two_calls_in_the_other_order_are_worth_the_most() -> None:
    """Not equal as lists, and still all of the score: 3 of 3."""
    a, b = ({"name": name, "parameters": {}} for name in "ab")
    gold = Task("t", "q", None, {"calls": [a, b]})
    assert calls_part(b, a, task=gold) == calls_part(a, b, task=gold) == 3
    assert calls_part(b, a, task=gold, reward=ToolReward(credit=all_or_nothing)) == -3


def test_granularity_worked_by_hand() -> None:
    gold = [ToolCall("w", {"city": "P", "unit": "C"})]
    lacking = [ToolCall("w", {"city": "P"})]
    assert partial_credit(gold, lacking) == pytest.approx(2.5 / 4)
    assert exact_names_credit(gold, lacking) == pytest.approx(2 / 4)  # names 1, keys 0, value 1
    assert whole_call_credit(gold, lacking) == pytest.approx(1 / 2)  # names only
    assert all_or_nothing(gold, lacking) == 0
    for credit in (partial_credit, exact_names_credit, whole_call_credit, all_or_nothing):
        assert credit(gold, gold) == 1
        assert credit(gold, []) == 0


def test_one_predicted_call_serves_one_gold_call() -> None:
    twice = [ToolCall("a", {"x": 1}), ToolCall("a", {"x": 2})]
    # names J([a,a],[a]) = .5; the first gold call takes the prediction: 1 + 1; of 5
    assert partial_credit(twice, [ToolCall("a", {"x": 1})]) == pytest.approx(2.5 / 5)


def test_jaccard_of_multisets() -> None:
    assert jaccard("aa", "a") == 0.5
    assert jaccard("", "") == 1
    assert jaccard("a", "") == 0


def test_json_types_must_match() -> None:
    gold = Task("t", "q", None, {"calls": [{"name": "w", "parameters": {"n": 30, "yes": 1}}]})
    assert calls_part(with_parameters(n=30.0, yes=1), task=gold) == 3
    half = 6 * (1 + 1 + 1) / 4 - 3
    assert calls_part(with_parameters(n="30", yes=1), task=gold) == pytest.approx(half)
    assert calls_part(with_parameters(n=30, yes=True), task=gold) == pytest.approx(half)
    assert same_json({"a": [1, (2,)]}, {"a": [1.0, [2]]})
    assert not same_json([1], [1, 1])
    assert not same_json({"a": 1}, {"b": 1})


@pytest.mark.parametrize("released", [False, True])
@pytest.mark.parametrize(
    "text",
    [
        "",
        "prose",
        "<tool_call>",
        "<tool_call>\n{}\n</tool_call>",
        '<tool_call>\n{"name": "w"}\n</tool_call>',
        '<tool_call>\n{"name": 3, "parameters": {}}\n</tool_call>',
        f"<tool_call>\n{json.dumps(GOLD)}\nnot json\n</tool_call>",
        '<tool_call>\n{"name": "w", "parameters": {"city": NaN}}\n</tool_call>',
        '<tool_call>\n{"name": "w", "parameters": {"n": 1e999}}\n</tool_call>',
        "<tool_call>" + "[" * 50_000 + "</tool_call>",
        "<tool_call>" + '{"a":' * 5_000 + "</tool_call>",
        "<tool_call>\n" + (json.dumps(GOLD) + "\n") * 500 + "</tool_call>",
        "<tool_call>" + "," * 90_000 + "</tool_call>",
    ],
)
def test_what_is_no_list_of_calls_gets_the_minimum(text: str, released: bool) -> None:
    assert parts_of(text, ToolReward(released=released))["calls"] == -3


def test_the_released_reading_is_stricter() -> None:
    """Each of these is a call to a careful reader, and the minimum to ToolRL's code."""
    call = json.dumps(GOLD)
    for inside in (
        json.dumps({"name": "w", "arguments": GOLD["parameters"]}),
        json.dumps(GOLD, indent=1),
        f"[{call}]",
        f"{call}\n\n{call}",
    ):
        text = f"<think>x</think>\n<tool_call>\n{inside}\n</tool_call>"
        assert parts_of(text, ToolReward(released=True))["calls"] == -3
        assert parts_of(text)["calls"] > 2
    ended = written(GOLD) + "<|im_end|>"
    assert parts_of(ended)["format"] == 1
    assert parts_of(ended, ToolReward(released=True)) == {"format": 0, "calls": 3}
    twice = f"{written(GOLD)}\n<tool_call>\n{call}\n</tool_call>"
    assert parts_of(twice, ToolReward(released=True))["calls"] == 3
    assert parts_of(twice)["calls"] == pytest.approx(2.25)


def test_further_keys_count_in_the_released_whole_calls_alone() -> None:
    gold = [ToolCall("w", {"city": "P"})]
    marked = [ToolCall("w", {"city": "P"}, {"id": 1})]
    assert gold == marked
    assert partial_credit(gold, marked) == all_or_nothing(gold, marked) == 1
    assert released_all_or_nothing(gold, marked) == 0
    assert released_all_or_nothing(marked, marked) == 1
    assert whole_call_credit(gold, marked) == 1 / 2  # names alone
    text = written({**GOLD, "id": 1})
    assert parts_of(text)["calls"] == 3
    assert parts_of(text, ToolReward(credit=released_all_or_nothing, released=True))["calls"] == -3


@settings(max_examples=40, deadline=None)
@given(
    calls=st.lists(
        st.fixed_dictionaries(
            {
                "name": st.sampled_from("abc"),
                "parameters": st.dictionaries(
                    st.sampled_from("xyz"), st.integers(-9, 9) | st.text("pq ]}<", max_size=3)
                ),
            }
        ),
        min_size=1,
        max_size=3,
    ),
    indent=st.sampled_from([None, 2]),
    key=st.sampled_from(["parameters", "arguments"]),
    fenced=st.booleans(),
    apart=st.booleans(),
    end=st.sampled_from(["", "\n", "<|im_end|>\n"]),
)
def test_calls_are_read_the_same_however_they_are_written(
    calls: list[dict[str, Any]], indent: int | None, key: str, fenced: bool, apart: bool, end: str
) -> None:
    """And a changed value is never equal."""
    texts = [json.dumps({"name": c["name"], key: c["parameters"]}, indent=indent) for c in calls]
    inside = texts if apart else ["\n".join(texts)]
    if fenced:
        inside = [f"```json\n{text}\n```" for text in inside]
    text = "".join(f"<tool_call>\n{one}\n</tool_call>\n" for one in inside)
    gold = [ToolCall(c["name"], c["parameters"]) for c in calls]
    assert read_calls(text) == gold
    task = Task("t", "q", None, {"calls": calls})
    assert parts_of(f"<think>x</think>{text}{end}", task=task) == {"format": 1, "calls": 3}
    changed = [ToolCall(gold[0].name, {**gold[0].parameters, "x": "changed"}), *gold[1:]]
    assert all_or_nothing(gold, changed) == 0


def test_an_empty_section_holds_no_calls() -> None:
    assert read_calls("<tool_call>\n\n</tool_call>") == []
    assert parts_of("<tool_call></tool_call>")["calls"] == -3


def test_the_form_follows_the_gold() -> None:
    answer = Task("t", "q", "<think></think>\n<response>hello</response>")
    both = Task("t", "q", None, {"calls": [GOLD], "response": True})
    reply = "<think>x</think>\n<response>y</response>"
    assert parts_of(written(GOLD))["format"] == 1
    assert parts_of(written(GOLD) + "\n<response>y</response>")["format"] == 0
    assert parts_of(written(GOLD) + "\n<response>y</response>", task=both)["format"] == 1
    assert parts_of(written(GOLD), task=both)["format"] == 0
    assert parts_of(reply, task=answer) == {"format": 1, "calls": 0}
    assert parts_of(written(GOLD), task=answer) == {"format": 0, "calls": 0}
    released = ToolReward(released=True)
    for spaced in (" " + reply, reply + " ", reply.replace("\n", "\n\n")):
        assert parts_of(spaced, task=answer)["format"] == 1
        assert parts_of(spaced, released, answer)["format"] == 0
    for broken in (reply + " z", reply + reply, reply.replace("y", " "), reply.replace("x", "")):
        assert parts_of(broken, task=answer)["format"] == 0
    joined = written(GOLD).replace("<tool_call>\n", "<tool_call>")
    assert parts_of(joined)["format"] == 1
    assert parts_of(joined, released)["format"] == 0


def test_a_spurious_call_costs_only_where_asked() -> None:
    quiet = Task("t", "q", None, {"calls": []})
    assert parts_of(written(GOLD), task=quiet)["calls"] == 0
    strict = ToolReward(penalise_spurious=True)
    assert parts_of(written(GOLD), strict, quiet)["calls"] == -3
    assert parts_of("<think>x</think>\n<response>y</response>", strict, quiet)["calls"] == 0


def test_a_tag_of_ones_own_without_thinking() -> None:
    reward = ToolReward(tag="tool", think=False)
    text = f"<tool>{json.dumps(GOLD)}</tool>"
    assert parts_of(text, reward) == {"format": 1, "calls": 3}
    assert parts_of("x" + text, reward) == {"format": 0, "calls": 3}


def test_schedules() -> None:
    wrong, right = "", written(GOLD)
    for step, form, calls in ((0, 2, 2), (75, 1.5, 2.5), (150, 1, 3), (900, 1, 3)):
        assert parts_of(right, smooth(), step=step) == pytest.approx(
            {"format": form, "calls": calls}
        )
    for step, form, calls in ((0, -2, -2), (75, -1, -2.5), (150, -1, -3)):
        assert parts_of(wrong, smooth(), step=step) == pytest.approx(
            {"format": form, "calls": calls}
        )
    assert parts_of(right, two_stage(), step=29) == {"format": 1, "calls": 1}
    assert parts_of(right, two_stage(), step=30) == {"format": 0.5, "calls": 3}
    assert parts_of(wrong, two_stage(), step=30) == {"format": 0, "calls": -3}
    assert smooth().range == (-5, 5)
    assert two_stage().range == (-3, 4)
    assert ToolReward(calls=Scale(1, 2)).range == (0, 3)
    assert Scale(Steps((1, -1), at=(3,)), Linear(0, 2, steps=5)).range == (-1, 2)


def test_length_of_thought() -> None:
    reward = ToolReward(length=ThinkLength())
    assert parts_of(written(GOLD, think="w " * 128), reward)["length"] == 0.25
    assert parts_of(written(GOLD, think="w " * 700), reward)["length"] == 1
    assert parts_of("no thought", reward)["length"] == 0
    growing = ThinkLength(Linear(384, 640, steps=105))
    text = written(GOLD, think="w " * 192)
    assert growing(text, Progress(0, 9)) == 0.5
    assert growing(text, Progress(105, 999)) == 0.3


@pytest.mark.parametrize(
    "task",
    [
        Task("odd", "q"),
        Task("odd", "q", "plain"),
        Task("odd", "q", "<tool_call>\nnot json\n</tool_call>"),
        Task("odd", "q", None, {"calls": [{"name": "w"}]}),
        Task("odd", "q", None, {"calls": 3}),
    ],
)
def test_an_unreadable_gold_is_named(task: Task) -> None:
    with pytest.raises(ValueError, match=r"task 'odd': .*column 'calls'"):
        ToolReward()(rollouts_of(["x"], task), Progress())


def test_reading_is_quick_on_hostile_text() -> None:
    began = time.perf_counter()
    for text in (
        "<think>" + "</think>\n" * 20_000 + "<tool_call>\n" + "\n" * 20_000,
        "<think></think>\n<tool_call>\n" * 10_000,
        "<think>" * 30_000 + "</tool_call>",
    ):
        parts_of(text)
    assert time.perf_counter() - began < 2


def test_strict_json_refuses() -> None:
    for text in ("", "NaN", "[Infinity]", "1e999", "{} {}", '"' + "x" * 100_001 + '"'):
        with pytest.raises(ValueError, match=r"."):
            read_json(text)
    with pytest.raises(ValueError, match="nested deeper than 32"):
        read_json("[" * 40 + "]" * 40)
