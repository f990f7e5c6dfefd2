"""What the generator found, one by one: each of these once raised, hung or escaped judgement."""

import time

import pytest

from guerdon.examples import probe
from guerdon.records import Progress
from guerdon.rewards import (
    BoxReward,
    IntervalReward,
    ListMatch,
    MobileStepReward,
    QuantityMatch,
    SpanReward,
    WebActionReward,
)
from guerdon.rewards.answers import dates_units
from guerdon.rewards.models import spans
from guerdon.rewards.text.overlap import add_one_bleu, sacrebleu_bleu
from hostile.judge import SECONDS, rollouts_of

SUM = probe("sum", "Sum?", "5, 6", ("7",), answer=["5", "6"])


def judged(reward, task, text):
    begun = time.process_time()
    scores = reward(rollouts_of(task, [text]), Progress())
    assert time.process_time() - begun < SECONDS
    return scores


@pytest.mark.parametrize("depth", [3_000, 30_000])
@pytest.mark.parametrize(("opening", "closing"), [('{"a":', "}"), ('{"a":[', "]}")])
def test_deep_json_in_a_list(depth, opening, closing):
    text = "<answer>[" + opening * depth + "1" + closing * depth + "]</answer>"
    assert judged(ListMatch(), SUM, text).value.tolist() == [0]


def test_marks_out_of_order_in_a_list_item():
    assert judged(ListMatch(), SUM, "\u0301\u0323" * 250_000).value.tolist() == [0]


def test_long_items_are_equal_as_they_stand():
    long = "x" * 2_000
    task = probe("long", "Which?", long, ("7",), answer=[long, "6"])
    assert judged(ListMatch(), task, f'["{long}", 6]').value.tolist() == [1]


@pytest.mark.parametrize("unit", ["dBm/m", "°C/°F", "dB", "degC^2", "%/%", "Np/dB"])
@pytest.mark.parametrize("gold", ["5 km", "5 dB", "5 degC", "5 %", "5"])
def test_units_that_can_be_read_and_not_compared(unit, gold):
    pytest.importorskip("pint")
    task = probe("far", "How far?", gold, ("7",))
    scores = judged(QuantityMatch(), task, f"<answer>3333 {unit}</answer>")
    assert scores.valid.all()
    assert scores.value.tolist() == [0]


def test_an_amount_is_read_whole_or_not_at_all():
    pytest.importorskip("pint")
    text = "5 km" + " " * 900 + "or perhaps 7 km"
    task = probe("far", "How far?", "5 km", ("7",))
    assert judged(QuantityMatch(), task, f"<answer>{text}</answer>").value.tolist() == [0]


@pytest.mark.parametrize("end", ['"nan"', '"inf"', '"-inf"', "1e999", '"1e999"', "NaN"])
@pytest.mark.parametrize("turned", [False, True])
def test_times_that_are_no_numbers_are_wrong_and_not_invalid(end, turned):
    pair = ("1", end)[:: -1 if turned else 1]
    text = '<answer>{{"start_time": {}, "end_time": {}}}</answer>'.format(*pair)
    task = probe("when", "When?", "[20,35]", ("7",), interval=(20, 35))
    scores = judged(IntervalReward(), task, text)
    assert scores.valid.tolist() == [True]
    assert scores.value.tolist() == [0]


def test_true_is_no_coordinate():
    action = '{"rationale": "", "action": {"type": "click", "point": [true, true]}}'
    task = probe("tap", "Tap.", "x", ("y",), action={"type": "click", "box": [0, 0, 3, 3]})
    assert judged(WebActionReward(), task, action).value.item() < 1


@pytest.mark.parametrize(
    ("reward", "columns"),
    [
        (BoxReward(), {"box": [0, 0, float("inf"), float("inf")]}),
        (BoxReward(), {"box": [0, 0, float("nan"), 3]}),
        (BoxReward(), {"box": [0, 0, 10**400, 3]}),
        (MobileStepReward(), {"step": {"name": "click", "box": ["0", "0", "3", "3"]}}),
        (MobileStepReward(), {"step": {"name": "wait", "arguments": "no object"}}),
        (WebActionReward(), {"action": {"type": "click", "box": ["0", None, "3", "3"]}}),
        (WebActionReward(), {"action": {"type": "click", "box": [1, 2]}}),
    ],
)
def test_coordinates_of_a_task_that_are_none_name_the_task(reward, columns):
    with pytest.raises(ValueError, match="task 'odd'"):
        judged(reward, probe("odd", "Where?", "x", ("y",), **columns), "x")


def test_a_megabyte_of_full_stops():
    assert spans.sentence_ends("." * 1_000_000 + "a") == [1_000_001]
    assert spans.sentence_ends("One. Two?! x... y") == [4, 10, 15, 17]


def test_half_a_million_spans():
    ones = SpanReward(
        lambda task, text, found: [1.0] * len(found),
        lambda rollouts, row, ends: [0] * len(ends),
        spans.line_ends,
    )
    begun = time.process_time()
    scores = ones(rollouts_of(SUM, [")\n" * 300_000]), Progress())
    assert time.process_time() - begun < 2 * SECONDS
    assert scores.value.tolist() == [300_000]


def test_what_is_remembered_of_hostile_texts_is_bounded():
    from sacrebleu.tokenizers.tokenizer_13a import Tokenizer13a

    for i in range(600):
        add_one_bleu(f"text {i}", ("a",))
        sacrebleu_bleu(f"other {i}", ("a",))
    assert Tokenizer13a.__call__.cache_info().currsize < 600
    before = dates_units._date_fields.cache_info().currsize
    dates_units.date_fields("2024 " * 100_000)
    assert dates_units._date_fields.cache_info().currsize == before


@pytest.mark.parametrize(
    "text", ["10 AM PM", "0x7e8-01-01", "1e5 May", "Sat Sat 4", "9" * 47 + "T"]
)
def test_no_date_is_no_error(text):
    dates_units.date_fields(text)
