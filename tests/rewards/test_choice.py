"""Choices and the DianJin-R1 reward: the unit checks of its specification."""

import pytest
from completions import START, rollouts_of, task

from guerdon.parsing import choice_letters
from guerdon.parts import build, describe
from guerdon.records import Scores
from guerdon.rewards import (
    Boxed,
    BoxedIn,
    ChoiceCredit,
    ChoiceMatch,
    DianjinReward,
    gated,
    summed,
)

RIGHT = "<think>x</think><answer>\\boxed{B}</answer>"


def score(text: str, gold: object = "B", part: DianjinReward | None = None) -> Scores:
    return (part or DianjinReward())(rollouts_of([text], task(gold)), START)


@pytest.mark.parametrize(
    ("text", "gold", "value"),
    [
        (RIGHT, "B", 1),
        ("<answer>\\boxed{B}</answer>", "B", 0),  # no thinking
        (RIGHT + "<answer>\\boxed{B}</answer>", "B", 0),  # two answers
        ("<think>\\boxed{B}</think><answer>B</answer>", "B", 0),  # box only inside think
        ("<think>x</think><answer>\\boxed{A} \\boxed{B}</answer>", "B", 1),  # last box counts
        ("<think>x</think><answer>\\boxed{\\text{C}}</answer>", "C", 1),
        ("<think>x</think><answer>\\boxed{A}</answer>", "AC", 0),  # no partial credit
        ("<think>x</think><answer>\\boxed{C, A}</answer>", "AC", 1),
        ("<think>x</think><answer>\\boxed{C, A}</answer>", ["A", "C"], 1),
        ("<think>x</think><answer>\\boxed{}</answer>", "B", 0),
        (f"Sure! {RIGHT} Done.", "B", 1),  # text outside is tolerated
        ("<answer>\\boxed{B}</answer><think>x</think>", "B", 1),  # and so is the order
    ],
)
def test_released_reward(text: str, gold: object, value: float) -> None:
    assert score(text, gold).value.tolist() == [value]


@pytest.mark.parametrize(
    ("text", "gated_value", "summed_value"),
    [
        (RIGHT, 1, 2),
        ("<think>x</think><answer>\\boxed{A}</answer>", 0, 1),
        ("<answer>\\boxed{B}</answer>", 0, 0),
        ("", 0, 0),
    ],
)
def test_gated_and_summed(text: str, gated_value: float, summed_value: float) -> None:
    for part, value in (
        (DianjinReward(gated), gated_value),
        (DianjinReward(summed), summed_value),
    ):
        scores = score(text, part=part)
        assert scores.value.tolist() == [value]
        assert sum(p.item() for p in scores.parts.values()) == value
    assert score(text).parts["format"].item() == float("think" in text)


def test_stricter_forms_are_options() -> None:
    swapped = "<answer>\\boxed{B}</answer><think>x</think>"
    assert score(f"Sure! {RIGHT}", part=DianjinReward(strict_outside=True)).value == 0
    assert score(RIGHT, part=DianjinReward(strict_outside=True)).value == 1
    assert score(swapped, part=DianjinReward(require_order=True)).value == 0
    worded = "<think>x</think><answer>\\boxed{Both}</answer>"
    assert score(worded).value == 1
    assert score(worded, part=DianjinReward(strict_choices=True)).value == 0


@pytest.mark.parametrize("gold", ["", None, "none", []])
def test_a_reference_without_letters_is_refused(gold: object) -> None:
    with pytest.raises(ValueError, match=r"task 't'.*none of the choice letters"):
        score("<think>x</think><answer>\\boxed{}</answer>", gold)


def test_ranges_and_recipe_files() -> None:
    assert DianjinReward().range == (0, 1)
    assert DianjinReward(summed).range == (0, 2)
    part = DianjinReward(summed, strict_outside=True)
    assert build(describe(part)) == part


def test_choices_of_the_whole_text() -> None:
    part = ChoiceMatch(extract=(Boxed(),))
    texts = ["so \\boxed{B}", "B", "<answer>\\boxed{C}</answer>"]
    assert part(rollouts_of(texts, task("B")), START).value.tolist() == [1, 0, 0]
    assert ChoiceMatch()(rollouts_of(texts, task("B")), START).value.tolist() == [1, 1, 0]
    released = ChoiceMatch(extract=(BoxedIn("answer"),), read=choice_letters, letters="XY")
    assert released.chosen("<answer>\\boxed{Y B}</answer>") == "Y"
    assert build(describe(released)) == released


@pytest.mark.parametrize(
    ("text", "value"),
    [
        (r"so \boxed{b}", 1),
        (r"\boxed{A or B}", 0),
        ("the answer is B", 0),  # no box
        (r"\boxed{A}, no: \boxed{B}", 1),
        (r"\boxed{B}, no: \boxed{A}", 0),
    ],
)
def test_the_letter_of_the_last_box(text: str, value: float) -> None:
    part = ChoiceCredit(extract=(Boxed(),))
    assert part(rollouts_of([text], task("B")), START).value.tolist() == [value]
