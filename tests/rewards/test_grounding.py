"""Boxes, intervals, points, charts and counts: overlaps worked by hand."""

from __future__ import annotations

import itertools
import random
import time
from typing import Any

import pytest
from rewards.completions import rollouts_of

from guerdon.records import Progress, Task
from guerdon.rewards.actions.boxes import box_giou, box_iou, inside, interval_iou, matched_overlap
from guerdon.rewards.actions.grounding import (
    BoxReward,
    IntervalFormat,
    IntervalReward,
    PointReward,
)
from guerdon.rewards.actions.places import number_lists, read_interval
from guerdon.rewards.answers.charts import (
    ChartAnswer,
    CountReward,
    edit_similarity,
    linear_credit,
    within_five_per_cent,
)


def value_of(reward: Any, text: str, answer: Any = None, **columns: Any) -> float:
    scores = reward(rollouts_of([text], Task("t", "q", answer, columns)), Progress())
    assert scores.valid.all()
    return float(scores.value.item())


def answered(text: str) -> str:
    return f"<think>x</think><answer>{text}</answer>"


def test_box_overlaps_worked_by_hand() -> None:
    assert box_iou((0, 0, 2, 2), (1, 1, 3, 3)) == pytest.approx(1 / 7)
    assert box_iou((2, 2, 1, 1), (0, 0, 3, 3)) == 0
    assert box_iou((0.1, 0.2, 0.7, 0.5), (0.1, 0.2, 0.7, 0.5)) == pytest.approx(1)
    assert box_iou((0, 0, 0, 0), (0, 0, 0, 0)) == 0
    # IoU 1/7, hull 9, union 7
    assert box_giou((0, 0, 2, 2), (1, 1, 3, 3)) == pytest.approx(1 / 7 - 2 / 9)
    # far apart: IoU 0, union 2, hull 3
    assert box_giou((0, 0, 1, 1), (2, 0, 3, 1)) == pytest.approx(-1 / 3)
    assert box_giou((0, 0, 1, 1), (0, 0, 1, 1)) == 1
    assert box_giou((1, 1, 1, 1), (1, 1, 1, 1)) == -1


def test_interval_overlaps_worked_by_hand() -> None:
    assert interval_iou((75, 127), (85, 139.5)) == pytest.approx(0.65116, abs=1e-5)
    assert interval_iou((85, 139.5), (75, 127)) == interval_iou((75, 127), (85, 139.5))
    assert interval_iou((7.5, 12.7), (8.5, 13.95)) == pytest.approx(0.65116, abs=1e-5)
    assert interval_iou((1, 2), (1, 2)) == 1
    assert interval_iou((1, 2), (3, 4)) == 0
    assert interval_iou((2, 4), (0, 8)) == 0.25
    assert interval_iou((4, 2), (0, 8)) == 0
    assert interval_iou((3, 3), (3, 3)) == 0


def test_matching_is_the_best_assignment() -> None:
    source = random.Random(0)

    def box() -> tuple[float, ...]:
        x, y = source.uniform(0, 5), source.uniform(0, 5)
        return (x, y, x + source.uniform(1, 4), y + source.uniform(1, 4))

    for _ in range(20):
        predicted, gold = [box() for _ in range(3)], [box() for _ in range(4)]
        best = max(
            sum(box_iou(p, g) for p, g in zip(predicted, chosen, strict=True))
            for chosen in itertools.permutations(gold, 3)
        )
        assert matched_overlap(predicted, gold, box_iou) == pytest.approx(best / 4)
    one = (0, 0, 1, 1)
    assert matched_overlap([one, one], [one], box_iou) == 0.5
    assert matched_overlap([], [one], box_iou) == 0
    assert matched_overlap([], [], box_iou) == 1


def test_points_on_the_border_are_inside() -> None:
    assert inside((10, 40), (10, 20, 30, 40))
    assert not inside((9.9, 30), (10, 20, 30, 40))


def test_number_lists() -> None:
    assert number_lists("[1, 2.5] then (3,-4) and [1,2,3]", 2) == [(1, 2.5), (3, -4)]
    assert number_lists("[ 1 , 2 , 3 , .5 ]", 4) == [(1, 2, 3, 0.5)]
    for text in ("[1e999, 2]", "[nan, 1]", "[" + "9" * 400 + ",1]", "[1 2]", "[1,2", "[1,2,3,4,5]"):
        assert number_lists(text, 2) == []
    began = time.perf_counter()
    for text in (
        "[" * 200_000,
        "[1," * 70_000,
        "[1,1" * 50_000,
        "[" + " " * 200_000,
        "1" * 200_000,
    ):
        assert number_lists(text, 4) == []
    assert time.perf_counter() - began < 2


def test_box_reward() -> None:
    gold = {"box": (1, 1, 3, 3)}
    assert value_of(BoxReward(), answered("[0,0,2,2]"), **gold) == pytest.approx(1 / 7)
    assert value_of(BoxReward(), answered("[2,2,1,1]"), **gold) == 0
    for malformed in ("[1,1,3]", "[1,1,3,nan]", "[1,1,3,three]", "{}", "left, top"):
        assert value_of(BoxReward(), answered(malformed), **gold) == 0
    assert value_of(BoxReward(), "[1,1,3,3]", **gold) == 0
    assert value_of(BoxReward(section=""), "[1,1,3,3]", **gold) == 1
    assert value_of(BoxReward(), answered("[1,1,3,3] [5,5,6,6]"), **gold) == 0.5
    assert value_of(BoxReward(), answered("[1,1,3,3]" * 500), **gold) == 0
    several = {"box": [[0, 0, 1, 1], [2, 2, 4, 4]]}
    assert value_of(BoxReward(), answered("[2,2,4,4] (0,0,1,1)"), **several) == 1
    signed = BoxReward(overlap=box_giou)
    assert signed.range == (-1, 1)
    assert BoxReward().range == (0, 1)
    assert value_of(signed, answered("[0,0,2,2]"), **gold) == pytest.approx(1 / 7 - 2 / 9)
    assert value_of(signed, answered("none"), **gold) == -1


@pytest.mark.parametrize("box", [None, "x", [], [1, 2, 3], [3, 3, 1, 1], [["a"] * 4]])
def test_a_reference_that_is_no_box_is_named(box: Any) -> None:
    with pytest.raises(ValueError, match="task 't': column 'box'"):
        value_of(BoxReward(), "", box=box)


def test_interval_reward_reads_both_forms() -> None:
    gold = {"interval": (85, 139.5)}
    quoted = answered('{"start_time": "75", "end_time": "127"}')
    plain = answered('{"start_time": 75, "end_time": 127}')
    for text in (quoted, plain, answered("[75, 127]")):
        assert value_of(IntervalReward(), text, **gold) == pytest.approx(42 / 64.5)
    for text in (
        "[75,127]",
        answered("75, 127, 130"),
        answered('{"start_time": "abc", "end_time": "1"}'),
    ):
        assert value_of(IntervalReward(), text, **gold) == 0
    for text in ('{"start_time": "inf", "end_time": "nan"}', '{"start_time": [], "end_time": 1}'):
        assert (
            read_interval(text) is None or value_of(IntervalReward(), answered(text), **gold) == 0
        )
    assert value_of(IntervalReward(), answered("[127, 75]"), **gold) == 0
    share = IntervalReward(fraction_of="duration")
    columns = {"interval": (0.25, 0.5), "duration": 40}
    assert value_of(share, answered("[10, 20]"), **columns) == 1
    assert value_of(share, answered("[0, 80]"), **columns) == pytest.approx(10 / 80)
    with pytest.raises(ValueError, match="column 'duration' is None"):
        value_of(share, "", interval=(0, 1))


def test_interval_format_wants_quoted_numbers() -> None:
    for text, holds in (
        (answered('{"start_time": "75", "end_time": "127.5"}'), 1),
        (answered('{"start_time": "1.2.3", "end_time": "2"}'), 1),
        (answered('{"start_time": 75, "end_time": 127}'), 0),
        (answered('{"start_time": "abc", "end_time": "2"}'), 0),
        ('<answer>{"start_time": "1", "end_time": "2"}</answer>', 0),
        ("<think>" + "</think><answer>" * 20_000, 0),
        ("<think>" + "</think>" * 20_000 + "<answer>", 0),
    ):
        assert value_of(IntervalFormat(), text) == holds


def test_point_reward_takes_the_last_point() -> None:
    gold = {"box": [[10, 20, 30, 40], [0, 0, 1, 1]]}
    assert value_of(PointReward(), answered("(10, 40)"), **gold) == 1
    assert value_of(PointReward(), answered("[9.9, 30]"), **gold) == 0
    assert value_of(PointReward(), answered("[20,30] or [50,50]"), **gold) == 0
    assert value_of(PointReward(), answered("[0.5,0.5]"), **gold) == 1
    assert value_of(PointReward(), answered("[1,2,3]"), **gold) == 0


def test_chart_answers_worked_by_hand() -> None:
    chart, graded = ChartAnswer(), ChartAnswer(linear_credit)
    assert value_of(chart, answered("21"), 20) == 1
    assert value_of(chart, answered("21.1"), 20) == 0
    assert value_of(graded, answered("21.1"), 20) == pytest.approx(0.945)
    assert value_of(chart, answered("1,000"), 1000) == 1
    assert value_of(chart, answered("50%"), 0.5) == 1
    assert value_of(chart, answered("50%"), "50%") == 1
    assert value_of(chart, answered("50"), "50%") == 0
    assert value_of(chart, answered("$20"), "20") == 1
    assert value_of(chart, answered("0"), 0) == 1
    assert value_of(chart, "20", 20) == 0
    assert value_of(chart, answered("Francs"), "France") == pytest.approx(5 / 6)
    assert value_of(chart, answered("a"), ["b", "A"]) == 1
    assert value_of(graded, answered("9" * 150), 1) == 0
    assert within_five_per_cent(0.05) == 1


def test_edit_similarity() -> None:
    assert edit_similarity("kitten", "sitting") == pytest.approx(1 - 3 / 7)
    assert edit_similarity("abc", "xyz") == 0
    assert edit_similarity("", "") == 1
    assert edit_similarity("A  b", "a b") == 1
    assert edit_similarity("x" * 10**6, "x") == 0
    assert edit_similarity("x" * 300, "x" * 299) == 0
    assert edit_similarity("x" * 300, "x" * 300) == 1


def test_a_task_without_answer_is_invalid_for_charts() -> None:
    scores = ChartAnswer()(rollouts_of([answered("1")], Task("t", "q")), Progress())
    assert scores.reasons == ("the task has no reference answer",)


def test_counts() -> None:
    assert value_of(CountReward(), answered("there are 7"), count=7) == 1
    assert value_of(CountReward(), answered("7 or 8"), count=7) == 0
    assert value_of(CountReward(), answered("7.5"), count=7) == 0
    assert value_of(CountReward(), "7", count=7) == 0
    near = CountReward(credit=linear_credit, column="")
    assert value_of(near, answered("6"), "8") == pytest.approx(0.75)
    assert value_of(near, answered("1"), 0) == 0
    assert value_of(near, answered("none"), 8) == 0
    with pytest.raises(ValueError, match=r"task 't': column 'count' is 1\.5; give a count"):
        value_of(CountReward(), "", count=1.5)
