"""Dates and amounts with units."""

import time

import pytest
from completions import START, rollouts_of, task

from guerdon.rewards import DateMatch, QuantityMatch
from guerdon.rewards.answers.dates_units import date_fields


@pytest.mark.parametrize(
    ("answer", "gold", "value"),
    [
        ("May 1, 2024", "2024-05-01", 1),
        ("1 May 2024.", "2024-05-01", 1),
        ("05/01/2024", "2024-05-01", 1),
        ("2 May 2024", "2024-05-01", 0),
        ("May 2024", "2024-05-01", 0),  # says less than was asked
        ("2024-05-17", "May 2024", 1),
        ("17 May 2024", "2024", 1),
        ("2024", "2024", 1),
        ("10", "2024-05-10", 0),  # not the tenth of this month
        ("soon", "2024-05-01", 0),
        ("", "2024-05-01", 0),
        ("2024-02-30", "2024-02-28", 0),
    ],
)
def test_dates(answer: str, gold: str, value: float) -> None:
    scores = DateMatch()(rollouts_of([f"<answer>{answer}</answer>"], task(gold)), START)
    assert scores.value.tolist() == [value]


def test_day_first_is_a_setting() -> None:
    assert date_fields("05/01/2024") == {"year": 2024, "month": 5, "day": 1}
    assert date_fields("05/01/2024", day_first=True) == {"year": 2024, "month": 1, "day": 5}


def test_a_reference_that_is_no_date_is_invalid() -> None:
    scores = DateMatch()(rollouts_of(["2024", "2024"], task("soon", "a"), task(None, "b")), START)
    assert scores.valid.tolist() == [False, False]


@pytest.mark.parametrize(
    "text", ["9" * 48, "9" * 1_000_000, "1/1/1" * 9, "٣²½", "2024-13-45", "1:" * 20]
)
def test_hostile_dates_are_none(text: str) -> None:
    assert not (date_fields(text) or {}).keys() & {"month", "day"}


@pytest.mark.parametrize(
    ("answer", "gold", "value"),
    [
        ("5 km", "5000 m", 1),
        ("5\\text{ km}", "5000 m", 1),
        ("18 km/h", "5 m/s", 1),
        ("5 m^2", "50000 cm^2", 1),
        ("5 m", "5 s", 0),
        ("5", "5 m", 0),
        ("6 km", "5 km", 0),
        ("1,000 g", "1 kg", 1),
        ("212 degF", "100 degC", 1),
        ("212 °F", "100 °C", 1),
        ("180^\\circ", "180 °", 1),
        ("5 blorps", "5 m", 0),
        ("9**9**9 m", "5 m", 0),
        ("5 m^9^9^9^9", "5 m", 0),
        ("5 __import__('os')", "5 m", 0),
    ],
)
def test_quantities(answer: str, gold: str, value: float) -> None:
    pytest.importorskip("pint")
    part = QuantityMatch()
    part(rollouts_of(["1 m"], task("1 m")), START)  # loads the units
    start = time.monotonic()
    scores = part(rollouts_of([f"<answer>{answer}</answer>"], task(gold)), START)
    assert scores.value.tolist() == [value]
    assert time.monotonic() - start < 1


def test_quantities_within_a_tolerance_and_without_reference() -> None:
    pytest.importorskip("pint")
    rollouts = rollouts_of(
        ["5.04 m", "5.2 m", "1 m"], task("5 m"), task("5 m", "b"), task("x", "c")
    )
    scores = QuantityMatch(tolerance=0.01)(rollouts, START)
    assert scores.valid.tolist() == [True, True, False]
    assert scores.value[:2].tolist() == [1, 0]
