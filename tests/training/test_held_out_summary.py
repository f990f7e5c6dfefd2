"""Held-out results: one count of tasks, and intervals that few or equal results can't fool."""

import math
from dataclasses import replace

import pytest
import torch
from making import make_rollouts

from guerdon.records import Scores
from guerdon.stages import Sampling
from guerdon.training import HeldOut, describe_held_out, evaluate, held_out_summary
from guerdon.training.held_out_summary import describe_before, interval

NAN = math.nan


def held(*results, ends=(0.0, 1.0), **more):
    return HeldOut(tuple(results), "accuracy", 0.0, 5.0, ends=ends, **more)


def test_all_right_on_four_tasks_is_not_certainty():
    # Wilson's: n / (n + z²) = 4 / (4 + 3.841459)
    assert interval(held(1.0, 1.0, 1.0, 1.0)) == (pytest.approx(0.510109, abs=1e-6), 1.0)
    assert interval(held(0.0, 0.0, 0.0, 0.0)) == (0.0, pytest.approx(0.489891, abs=1e-6))


def test_equal_graded_results_have_a_width():
    low, high = interval(held(0.5, 0.5, 0.5, 0.5))
    assert low < 0.5 < high
    low, high = interval(held(1.0, 1.0, 1.0, 1.0, ends=(0.0, 2.0)))
    assert low < 1.0 < high  # 1 is not the greatest that there can be


def test_equal_results_without_a_known_range_have_no_interval():
    assert all(math.isnan(end) for end in interval(held(3.0, 3.0, 3.0, ends=None)))
    assert all(math.isnan(end) for end in interval(held(3.0, ends=None)))
    low, high = interval(held(3.0, 4.0, 5.0, ends=None))
    assert (low, high) == (pytest.approx(4 - 2.484138), pytest.approx(4 + 2.484138))


def test_the_gain_of_equal_results_has_a_width():
    summary = held_out_summary(held(1.0, 1.0, 0.0, 0.0), held(1.0, 1.0, 0.0, 0.0))
    gain = summary["gain"]
    assert gain["mean"] == 0.0
    assert gain["low"] < -0.1 < 0.1 < gain["high"]


def test_the_gain_without_a_range_is_students_and_none_where_all_are_equal():
    before, after = held(1.0, 2.0, 4.0, ends=None), held(2.0, 4.0, 7.0, ends=None)
    gain = held_out_summary(before, after)["gain"]
    assert gain["low"] == pytest.approx(2 - 2.484138, abs=1e-5)
    gain = held_out_summary(before, before)["gain"]
    assert gain["mean"] == 0.0
    assert math.isnan(gain["low"])


def test_there_is_one_count_of_tasks_everywhere():
    result = held(1.0, NAN, 0.0, NAN, failed=1, reasons={"failed: ValueError": 1, "no answer": 1})
    entry = held_out_summary(None, result)["after"]
    assert (entry["tasks"], entry["invalid"], entry["failed"]) == (4, 2, 1)
    said = describe_held_out(result)
    assert said.startswith("accuracy 0.500 [")
    assert said.endswith("(4 tasks, 2 invalid: 1 × failed: ValueError, 1 × no answer)")
    assert describe_held_out(held(1.0, 0.0)).endswith("(2 tasks)")


def test_no_result_is_a_dash_and_never_nan():
    said = describe_held_out(held(NAN, NAN, reasons={"no answer": 2}))
    assert said == "accuracy – (2 tasks, none of them could be graded: 2 × no answer)"


def test_an_empty_test_split_is_said():
    assert "no held-out tasks" in describe_before({})[0]
    assert "accuracy" in describe_before({"": held(1.0)})[0]
    with pytest.raises(ValueError, match=r"no held-out tasks.*test split"):
        evaluate(None, [], None, Sampling())


class Written:
    """A policy that writes what it is told, one answer a task."""

    def __init__(self, *texts):
        self.texts = texts

    def sample(self, tasks, group_size, sampling, seed):
        made = make_rollouts(list(range(len(tasks))), [3] * len(tasks))
        return replace(made, tasks=tuple(tasks), texts=self.texts[: len(tasks)])


def test_an_evaluation_counts_failures_and_ungradable_tasks_apart():
    tasks = make_rollouts([0, 1, 2, 3]).tasks

    def grade(rollouts, progress):
        if any(text == "raise" for text in rollouts.texts):
            raise AttributeError("no such thing")
        valid_N = torch.tensor([text != "none" for text in rollouts.texts])
        reasons = tuple(None if ok else "no answer" for ok in valid_N.tolist())
        return Scores(torch.ones(len(rollouts)), valid=valid_N, reasons=reasons)

    result = evaluate(Written("a", "raise", "none", "b"), tasks, grade, Sampling())
    assert [r == r for r in result.results] == [True, False, False, True]
    assert result.failed == 1
    assert result.reasons == {"failed: AttributeError": 1, "no answer": 1}
    assert "AttributeError: no such thing" in result.failure
    assert result.ends is None  # the reward states no range


def test_the_range_is_the_rewards_if_it_holds_the_results():
    class Ranged:
        range = (0.0, 2.0)

        def __init__(self, value):
            self.value = value

        def __call__(self, rollouts, progress):
            return Scores(torch.full((len(rollouts),), self.value))

    tasks = make_rollouts([0, 1]).tasks
    for value, ends in ((1.5, (0.0, 2.0)), (2.5, None)):
        result = evaluate(Written("a", "b"), tasks, Ranged(value), Sampling())
        assert result.ends == ends


def test_a_batch_in_which_all_failed_does_not_change_the_metric():
    """Results of one evaluation are of one kind: accuracy, or the value."""

    class Accurate:
        def __call__(self, rollouts, progress):
            if "bad" in rollouts.texts:
                raise ValueError("bad")
            ones_N = torch.ones(len(rollouts))
            return Scores(5 * ones_N, {"accuracy": ones_N})

    tasks = make_rollouts([0, 1, 2]).tasks
    policy = Written("bad")
    result = evaluate(policy, tasks[:1], Accurate(), Sampling())
    assert result.failed == 1
    policy = Written("fine")
    result = evaluate(policy, tasks, Accurate(), Sampling(), batch=1)
    assert result.metric == "accuracy"
    assert result.results == (1.0, 1.0, 1.0)
