"""Running statistics: worked by hand, and equal to those of everything at once."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from making import make_rollouts, make_scores

from guerdon.records import Progress
from guerdon.shaping import RunningClip, RunningMinMax, RunningStandardise
from guerdon.shaping.running import RunningStatistics

NOW = Progress()
BATCHES = st.lists(
    st.lists(st.floats(-100, 100, width=32), min_size=1, max_size=5), min_size=1, max_size=5
)


def after(shaper, *batches):
    for values in batches:
        made = shaper(make_scores(values), make_rollouts([0] * len(values)), NOW).value
    return made.tolist()


def test_the_batch_counts_before_it_is_shaped():
    assert after(RunningStandardise(), [1.0, 3.0]) == [-1.0, 1.0]
    assert after(RunningClip(), [1.0, 3.0]) == [1.0, 3.0]
    assert after(RunningMinMax(), [1.0, 3.0]) == [0.0, 1.0]


def test_memory_reaches_into_the_next_batch():
    assert after(RunningStandardise(), [1.0, 3.0], [2.0]) == pytest.approx([0.0])
    assert after(RunningMinMax(), [0.0, 10.0], [5.0]) == [0.5]
    # 0, 0, 0 and 8: mean 2, std sqrt(12)
    assert after(RunningClip(), [0.0, 0.0, 0.0], [8.0]) == pytest.approx([2 + 12**0.5])


def test_without_spread():
    assert after(RunningStandardise(), [4.0, 4.0]) == [0.0, 0.0]
    assert after(RunningClip(), [4.0]) == [4.0]
    assert after(RunningMinMax(), [4.0, 4.0]) == [0.5, 0.5]


def test_invalid_rows_are_not_seen():
    seen = RunningStatistics()
    seen.observe(make_scores([1.0, 100.0, 3.0], [True, False, True]))
    seen.observe(make_scores([7.0], [False]))
    assert (seen.count, seen.mean, seen.std, seen.low, seen.high) == (2, 2.0, 1.0, 1.0, 3.0)


@settings(deadline=None)
@given(BATCHES)
def test_batches_add_up_to_the_whole(batches):
    seen = RunningStatistics()
    for values in batches:
        seen.observe(make_scores(values))
    whole = torch.tensor([v for values in batches for v in values], dtype=torch.double)
    assert seen.mean == pytest.approx(whole.mean().item(), abs=1e-6)
    spread = whole.std(correction=0).item()
    assert seen.squares == pytest.approx(spread**2 * len(whole), abs=1e-4, rel=1e-9)
    assert (seen.low, seen.high) == (whole.min().item(), whole.max().item())
