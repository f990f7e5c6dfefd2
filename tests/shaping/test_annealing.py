"""A shaper that comes or goes."""

import pytest
import torch
from making import make_rollouts, make_scores

from guerdon.records import Progress
from guerdon.shaping import Affine, Annealed, KLPenalty, LinearWeight, RunningStandardise


@pytest.mark.parametrize(
    ("step", "expected"), [(0, 1.0), (2, 1.0), (4, 0.75), (6, 0.5), (8, 0.5), (9, 0.5)]
)
def test_a_line_between_two_levels(step, expected):
    weight = LinearWeight(1.0, 0.5, begin=0.2, finish=0.6)
    assert weight(Progress(step, 10)) == pytest.approx(expected)


def test_a_step_and_a_wrong_order():
    jump = LinearWeight(0.0, 1.0, 0.5, 0.5)
    assert [jump(Progress(i, 4)) for i in range(4)] == [0.0, 0.0, 1.0, 1.0]
    with pytest.raises(ValueError, match="begin <= finish"):
        LinearWeight(begin=0.7, finish=0.5)


def test_the_mix_follows_the_run():
    doubled = Annealed(Affine(2.0))
    values = [
        doubled(make_scores([1.0]), make_rollouts([0]), Progress(i, 4)).value.item()
        for i in range(4)
    ]
    assert values == [1.0, 1.25, 1.5, 1.75]


def test_placements_are_mixed_too():
    rows = make_rollouts(
        [0], [2], logps=torch.tensor([[-0.5, -1.0]]), reference_logps=torch.tensor([[-1.0, -1.0]])
    )
    half = Annealed(KLPenalty(0.1), LinearWeight(0.5, 0.5))
    assert half.needs_reference
    made = half(make_scores([1.0]), rows, Progress())
    assert made.placed[0].tolist() == pytest.approx([-0.025, 1.0])


def test_at_weight_zero_the_memory_still_grows():
    shaper = Annealed(RunningStandardise())
    made = shaper(make_scores([1.0, 3.0]), make_rollouts([0, 0]), Progress(0, 2))
    assert made.value.tolist() == [1.0, 3.0]
    assert shaper.shaper.seen.count == 2
