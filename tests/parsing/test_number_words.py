"""Numbers in words, end tokens and options, read alone."""

from __future__ import annotations

import pytest

from guerdon.parsing import options_of
from guerdon.parsing.end_tokens import without_end_tokens
from guerdon.parsing.number_words import in_digits, number_in_words


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("zero", 0),
        ("Twelve", 12),
        ("twenty-one", 21),
        ("one hundred and five", 105),
        ("two thousand forty", 2040),
        ("three million, two hundred thousand", 3_200_000),
        ("two three", None),
        ("twenty twelve", None),
        ("twelve hundred", None),
        ("thousand", None),
        ("one thousand two million", None),
        ("two or three", None),
        ("seven birds", None),
        ("tenth", None),
        ("", None),
    ],
)
def test_numbers_in_words(text: str, value: int | None) -> None:
    assert number_in_words(text) == value


@pytest.mark.parametrize(
    ("text", "digits"),
    [
        ("seven birds", "7 birds"),
        ("Seven", "7"),
        ("two thirds", "two thirds"),
        ("one of them", "one of them"),
        ("seven or eight", "seven or eight"),
        ("oneself", "oneself"),
        ("Ocean's eleven", "Ocean's eleven"),
    ],
)
def test_a_number_before_what_is_counted(text: str, digits: str) -> None:
    assert in_digits(text) == digits


def test_end_tokens_go_from_the_end_alone() -> None:
    assert without_end_tokens("42 <|im_end|>\n<|endoftext|>") == "42"
    assert without_end_tokens("<|im_end|> 42") == "<|im_end|> 42"
    assert without_end_tokens("x</answer>") == "x</answer>"
    assert without_end_tokens("</s>" * 5000) == ""


def test_options_of_mmlu_arc_and_mappings() -> None:
    two = {"A": "Cat", "B": "Dog"}
    assert options_of(["Cat", "Dog"]) == two
    assert options_of({"text": ["Cat", "Dog"], "label": ["A", "B"]}) == two
    assert options_of({"text": ["Cat", "Dog"], "label": ["1"]}) == two
    assert options_of(two) == two
    assert options_of(None) == options_of("Cat") == {}
