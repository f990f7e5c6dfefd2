"""The form of a completion."""

import pytest
import torch
from completions import START, rollouts_of, task

from guerdon.rewards import FormatReward, LengthReward

GOOD = "<think>a\nb</think>\n<answer>c</answer>"
OUTSIDE = f"Well: {GOOD}"
SWAPPED = "<answer>c</answer><think>a</think>"
TWICE = f"{GOOD}<answer>d</answer>"
BOXED = "<think>a</think><answer>\\boxed{c}</answer>"


@pytest.mark.parametrize(
    ("part", "values"),
    [
        # GOOD, OUTSIDE, SWAPPED, TWICE, BOXED, empty
        (FormatReward(), [1, 0, 0, 0, 1, 0]),
        (FormatReward(strict=False), [1, 1, 1, 0, 1, 0]),
        (FormatReward(strict=False, require_order=True), [1, 1, 0, 0, 1, 0]),
        (FormatReward(strict=False, box_in="answer"), [0, 0, 0, 0, 1, 0]),
        (FormatReward(sections=("answer",)), [0, 0, 0, 0, 0, 0]),
        (FormatReward(sections=("answer",), strict=False), [1, 1, 1, 0, 1, 0]),
    ],
)
def test_forms(part: FormatReward, values: list[float]) -> None:
    scores = part(rollouts_of([GOOD, OUTSIDE, SWAPPED, TWICE, BOXED, ""], task()), START)
    assert scores.value.tolist() == values
    assert scores.parts["format"].tolist() == values
    assert scores.valid.all()


def test_a_box_in_a_section_that_is_not_asked_for_is_refused() -> None:
    with pytest.raises(ValueError, match="none of the sections think, answer"):
        FormatReward(box_in="final")


def test_length_falls_off_linearly_outside_the_span() -> None:
    lengths = [0, 1, 2, 4, 6, 8, 9]
    mask = torch.arange(9) < torch.tensor(lengths)[:, None]
    part = LengthReward(shortest=2, longest=4, margin=4)
    scores = part(rollouts_of([""] * 7, task(), mask=mask), START)
    assert scores.value.tolist() == [0.5, 0.75, 1, 1, 0.5, 0, 0]


def test_only_acted_tokens_count_and_senseless_settings_are_refused() -> None:
    mask = torch.tensor([[True, False, False, True]])
    scores = LengthReward(2, 2, 1)(rollouts_of([""], task(), mask=mask), START)
    assert scores.value.tolist() == [1]
    with pytest.raises(ValueError, match="shortest <= longest"):
        LengthReward(shortest=5, longest=4)
