"""Questions of yes or no: the first word decides."""

import pytest
from completions import START, rollouts_of, task

from guerdon.rewards import Tagged, YesNo, verdict


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("No.", "no"),
        ("no", "no"),
        ("(Yes)", "yes"),
        ("**TRUE** of course", "true"),
        ("- false", "false"),
        ("yes and no", ""),
        ("No, yes", ""),
        ("no or maybe", "no"),
        ("no no", "no"),
        ("no, that is not true", "no"),
        ("or no", ""),
        ("nobody", ""),
        ("no-one", ""),
        ("not at all", ""),
        ("I say no", ""),
        ("1", ""),
        ("...", ""),
        ("", ""),
        (" " * 10_000 + "yes", ""),
    ],
)
def test_the_first_word_is_the_verdict(text: str, word: str) -> None:
    assert verdict(text) == word


def test_rows_are_judged_where_their_answer_stands() -> None:
    texts = ["<answer>No.</answer>", "<answer>yes</answer>", "no", "<answer></answer>", ""]
    assert YesNo()(rollouts_of(texts, task("no")), START).value.tolist() == [1, 0, 1, 0, 0]
    tagged = YesNo(extract=(Tagged(),))
    assert tagged(rollouts_of(texts, task("No")), START).value.tolist() == [1, 0, 0, 0, 0]
    words = ["True", "yes"]
    assert YesNo()(rollouts_of(words, task(True)), START).value.tolist() == [1, 0]


@pytest.mark.parametrize("gold", [None, "", "maybe", 1, ["yes", "no"], []])
def test_a_reference_that_is_no_verdict_is_named(gold: object) -> None:
    with pytest.raises(ValueError, match=r"task 't'.*one of yes, no, true, false"):
        YesNo()(rollouts_of(["yes"], task(gold)), START)
