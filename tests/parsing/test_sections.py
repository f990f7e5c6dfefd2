"""Tagged sections: strict and lenient forms, and the answer's text."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guerdon.parsing import answer_text, sections

NAMES = ("think", "answer")
PLAIN = st.text(st.characters(blacklist_characters="<>"), max_size=30)


@given(PLAIN, PLAIN, st.sampled_from(["", " ", "\n\n"]))
def test_exact_form_is_strict_and_read_back(think: str, answer: str, gap: str) -> None:
    found = sections(f"{gap}<think>{think}</think>{gap}<answer>{answer}</answer>{gap}", NAMES)
    assert found.strict
    assert found.ordered
    assert found.once("think") == think
    assert found.once("answer") == answer


@pytest.mark.parametrize(
    "text",
    [
        "x<think>a</think><answer>b</answer>",
        "<think>a</think>x<answer>b</answer>",
        "<think>a</think><answer>b</answer>x",
        "<answer>b</answer><think>a</think>",
        "<think>a</think><answer>b</answer><answer>c</answer>",
        "<think>a</think><answer>b</answer></answer>",
        "<think><think>a</think><answer>b</answer>",
        "<think>a</think><answer>b",
        "<think>a<answer>b</answer></think>",
        "<think>a</think>",
        "",
    ],
)
def test_departures_from_the_exact_form(text: str) -> None:
    assert not sections(text, NAMES).strict
    assert all(sections(text, NAMES, strict=True).count(name) == 0 for name in NAMES)


def test_strict_reading_of_the_exact_form_keeps_it() -> None:
    found = sections("<think>a</think>\n<answer>b</answer>", NAMES, strict=True)
    assert (found.once("think"), found.once("answer")) == ("a", "b")


def test_lenient_counts_and_order() -> None:
    found = sections("so <answer>1</answer> or <answer>2</answer><think>t</think>", NAMES)
    assert (found.count("answer"), found.count("think")) == (2, 1)
    assert (found.first("answer"), found.last("answer")) == ("1", "2")
    assert found.once("answer") is None
    assert not found.ordered
    assert sections("a<think></think>b<answer></answer>c", NAMES).ordered


def test_tags_inside_a_section_are_its_content() -> None:
    assert sections("<think>a<think>b</think>", ("think",)).found == {"think": ("a<think>b",)}


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("<answer>x", "x"),
        ("a <answer>b</answer> c", "b"),
        (" plain \n", "plain"),
        ("<answer></answer> c", ""),
        ("a</answer>", "a</answer>"),
        ("<answer>b</answer><answer>c</answer>", "b"),
    ],
)
def test_answer_text(text: str, answer: str) -> None:
    assert answer_text(text) == answer
