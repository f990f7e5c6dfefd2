"""What changes nothing of an answer changes no verdict, and what changes its value does."""

from __future__ import annotations

import pytest
from completions import START, rollouts_of, task
from hypothesis import given, settings
from hypothesis import strategies as st

from guerdon.rewards import AnswerMatch, TextMatch

FORMS = (
    "{}",
    "The answer is {}.",
    "So the answer is **{}**. I checked this in 2 ways.",
    "Answer: {}\nConfidence: 95%",
    r"\boxed{{{}}}",
    r"first \boxed{{1}}, no: $\fbox{{{}}}$",
    "<think>it may be 1</think><answer>{}</answer>",
    "<answer>The answer is {}</answer>",
    "<answer>**{}**",
    "1 + 1 = 2\n#### {}\n\nQuestion: What is 1+1?\nAnswer: 2\n#### 2",
    "<think>1",
)
GROUPINGS = (",", " ", "_", "'", "\u2009", "{,}")


def value(text: str, answer: object) -> float:
    return AnswerMatch()(rollouts_of([text], task(answer)), START).value.item()


@settings(max_examples=30, deadline=None)
@given(st.integers(-(10**9), 10**9), st.sampled_from(FORMS[:-1]), st.sampled_from(GROUPINGS))
def test_prose_boxes_bold_and_groups_change_nothing(n: int, form: str, group: str) -> None:
    grouped = f"{n:,}".replace(",", group)
    assert value(form.format(n), n) == 1
    assert value(form.format(grouped), n) == 1
    assert value(form.format(n), form.format(n)) == 1
    assert value(form.format(n + 1), n) == 0
    assert value(form.format(f"{n} or {n + 1}"), n) == 0


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(0, 99), min_size=2, max_size=6), st.sampled_from([" ", ", ", " or "]))
def test_a_row_of_numbers_is_no_answer(numbers: list[int], between: str) -> None:
    assert value(between.join(map(str, numbers)), numbers[-1]) == 0


def test_what_is_still_thinking_has_not_answered() -> None:
    assert value(FORMS[-1], "1") == 0


@pytest.mark.parametrize("word", ["C++", "-5", "3.5", "Oslo", "A+", "50%", "the", "?"])
def test_a_short_text_is_itself_and_no_other(word: str) -> None:
    others = ["C", "5", "35", "Bergen", "A", "50", "C#", "a", "!"]
    match = TextMatch()
    assert match(rollouts_of([word], task(word)), START).value.item() == 1
    assert match(rollouts_of(others, task(word)), START).value.sum() == 0
