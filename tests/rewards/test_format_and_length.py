"""The form of a completion."""

import pytest
import torch
from completions import START, rollouts_of, task

from guerdon.records import Progress, Scores
from guerdon.rewards import FormatReward, LengthReward, OverlongReward, WeightedSum
from guerdon.shaping import OverlongPenalty

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


def lengths_to(*lengths: int) -> torch.Tensor:
    return torch.arange(max(lengths)) < torch.tensor(lengths)[:, None]


def test_overlong_is_a_line_over_the_buffer() -> None:
    # limit 10, buffer 4: nothing up to 6 tokens, a quarter of the factor for each beyond.
    rollouts = rollouts_of([""] * 7, task(), mask=lengths_to(0, 5, 6, 7, 9, 10, 14))
    scores = OverlongReward(10, 4, factor=2.0)(rollouts, START)
    assert scores.value.tolist() == [0, 0, 0, -0.5, -1.5, -2, -2]
    assert scores.parts["overlong"].tolist() == scores.value.tolist()
    assert scores.valid.all()
    unbounded = OverlongReward(10, 4, factor=2.0, bounded=False)
    assert unbounded(rollouts, START).value.tolist() == [0, 0, 0, -0.5, -1.5, -2, -4]
    assert unbounded.range == (-float("inf"), 0.0)


def test_overlong_with_the_whole_limit_as_buffer_and_without_weight() -> None:
    rollouts = rollouts_of([""] * 3, task(), mask=lengths_to(0, 1, 4))
    assert OverlongReward(4, 4)(rollouts, START).value.tolist() == [0, -0.25, -1]
    assert OverlongReward(4, 4, factor=0.0)(rollouts, START).value.tolist() == [0, 0, 0]
    for wrong in ({"buffer": 0}, {"limit": 4, "buffer": 5}, {"factor": -1.0}):
        with pytest.raises(ValueError, match="OverlongReward"):
            OverlongReward(**wrong)  # type: ignore[arg-type]


def test_overlong_in_a_sum_is_what_the_shaper_makes_of_the_rest() -> None:
    rollouts = rollouts_of([GOOD, ""], task(), mask=lengths_to(9, 10))
    format_alone = FormatReward()(rollouts, START)
    summed = WeightedSum({"format": FormatReward(), "overlong": OverlongReward(10, 4)})
    shaped: Scores = OverlongPenalty(10, 4)(format_alone, rollouts, Progress())
    assert summed(rollouts, START).value.tolist() == shaped.value.tolist() == [0.25, -1]
