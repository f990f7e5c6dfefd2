"""Programs alternate, their waiting is not their time, and one that fails is named."""

import time

import pytest
from measuring import Comparison, median_ratio
from turns import Finished, Measured, alternate
from workload import Workload

PAUSE = 0.15


def slow(turns, work):
    return steps(turns, 2 * PAUSE)


def fast(turns, work):
    return steps(turns, PAUSE)


def steps(turns, pause):
    starts = []
    try:
        while True:
            turns.begin()
            starts.append(time.monotonic())
            time.sleep(pause)
    except Finished:
        return {"started": starts}


def failing(turns, work):
    turns.begin()
    raise ValueError("this program fails on purpose")


def test_steps_alternate_and_waiting_is_left_out():
    rounds = []
    made = alternate(
        {"slow": slow, "fast": fast}, Workload(threads=1), 2, 1, lambda: rounds.append(1)
    )
    assert len(rounds) == 3
    assert {name: len(side.seconds) for name, side in made.items()} == {"slow": 2, "fast": 2}
    assert all(len(side.processor) == 2 for side in made.values())
    first, second = (made[name].parts["started"] for name in ("slow", "fast"))
    assert len(first) == 2
    assert first[0] < second[0] < first[1] < second[1]
    assert second[0] - first[0] >= 2 * PAUSE  # one ran while the other waited
    assert min(made["slow"].seconds) >= 2 * PAUSE
    assert min(made["fast"].seconds) < second[1] - second[0] - 2 * PAUSE + 0.01
    assert all(side.memory_peak >= side.memory_before > 0 for side in made.values())


def test_a_program_that_fails_is_named(capfd):
    with pytest.raises(RuntimeError, match="failing stopped"):
        alternate({"fast": fast, "failing": failing}, Workload(threads=1), 1, 0)
    assert "on purpose" in capfd.readouterr().err


def test_ratio_by_hand():
    found = median_ratio([1.0, 2.0, 3.0], [2.0, 2.0, 2.0])
    assert found.estimate == 1.0
    assert (found.low, found.high) == (0.5, 1.5)


def test_ratio_of_one_pair_and_of_none():
    one = median_ratio([3.0], [4.0])
    assert (one.estimate, one.low, one.high) == (0.75, 0.75, 0.75)
    with pytest.raises(ValueError, match="0 and 0"):
        median_ratio([], [])
    with pytest.raises(ValueError, match="2 and 1"):
        median_ratio([1.0, 2.0], [1.0])


def test_drift_that_falls_on_both_leaves_the_ratio():
    """Times that double together halfway: every pair still says one half."""
    found = median_ratio([1.0, 1.0, 2.0, 2.0], [2.0, 2.0, 4.0, 4.0])
    assert (found.low, found.estimate, found.high) == (0.5, 0.5, 0.5)


def test_summary_by_hand():
    work = Workload(completion_tokens=10, prompts=2, group_size=5, threads=1)
    side = Measured(
        seconds=[2.0, 4.0, 3.0],
        processor=[1.0, 2.0, 6.0],
        parts={"sampling": [1.0, 1.5, 1.0], "update": [0.5, 1.5, 1.5]},
        memory_before=10.0,
        memory_peak=30.0,
    )
    made = Comparison(work, {"a": side, "b": side}, matrix_gflops=1.0).summary("a")
    assert made["step"] == 3.0
    assert (made["fastest"], made["slowest"], made["processor"]) == (2.0, 4.0, 2.0)
    assert (made["sampling"], made["update"], made["rest"]) == (1.0, 1.5, 0.5)
    assert made["tokens_per_second"] == pytest.approx(100 / 3)
    assert made["share_of_matrix_rate"] == pytest.approx(work.step_flops() / 3 / 1e9)
    assert made["update_share"] == pytest.approx(3 * work.forward_flops() / 1.5 / 1e9)
