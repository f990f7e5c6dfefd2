"""A shaper that comes or goes."""

import pytest
import torch
from making import make_rollouts, make_scores

from guerdon.composition import needs_of
from guerdon.records import Progress
from guerdon.shaping import Affine, Annealed, KLPenalty, RunningStandardise


def test_the_mix_follows_the_run():
    doubled = Annealed(Affine(2.0))
    values = [
        doubled(make_scores([1.0]), make_rollouts([0]), Progress(i, 5)).value.item()
        for i in range(5)
    ]
    assert values == [1.0, 1.25, 1.5, 1.75, 2.0]


def test_placements_are_mixed_too():
    rows = make_rollouts(
        [0], [2], logps=torch.tensor([[-0.5, -1.0]]), reference_logps=torch.tensor([[-1.0, -1.0]])
    )
    half = Annealed(KLPenalty(0.1), 0.5)
    assert needs_of(half) == {"reference"}
    made = half(make_scores([1.0]), rows, Progress())
    assert made.placed[0].tolist() == pytest.approx([-0.025, 1.0])


def test_at_weight_zero_the_memory_still_grows():
    shaper = Annealed(RunningStandardise())
    made = shaper(make_scores([1.0, 3.0]), make_rollouts([0, 0]), Progress(0, 2))
    assert made.value.tolist() == [1.0, 3.0]
    assert shaper.shaper.seen.count == 2
