"""The figures of a reward on many completions, against numbers worked by hand."""

import json

import pytest
import torch
from making import make_rollouts

from guerdon.records import Scores
from guerdon.report import score_report

VALUE = [0.0, 1.0, 4.0, 3.0, float("nan"), 2.0]


def report(scores: Scores, group: list[int] | None = None, worst: int = 5) -> dict:
    n = len(scores)
    rollouts = make_rollouts(group or [0] * n)
    return score_report(rollouts, scores, [f"line {row + 1}" for row in range(n)], worst)


def six() -> Scores:
    value = torch.tensor(VALUE)
    reasons = (None, None, None, None, "form: no section", None)
    return Scores(value, {"form": value / 2, "rest": value / 2}, value == value, reasons)


def test_figures_are_over_valid_rows() -> None:
    total = report(six())["total"]
    assert total["mean"] == 2.0
    assert total["std"] == pytest.approx(2**0.5)  # (4 + 1 + 0 + 1 + 4) / 5
    names = ("least", "p25", "median", "p75", "greatest")
    assert [total["quantiles"][name] for name in names] == [0, 1, 2, 3, 4]
    assert total["quantiles"]["p95"] == pytest.approx(3.8)
    assert total["valid"] == 5
    assert total["reasons"] == {"form: no section": 1}


def test_a_part_has_its_own_figures_and_the_reasons_that_name_it() -> None:
    parts = report(six())["parts"]
    assert parts["form"]["mean"] == parts["rest"]["mean"] == 1.0
    assert parts["form"]["reasons"] == {"form: no section": 1}
    assert parts["rest"]["reasons"] == {}


def test_the_greatest_value_lies_in_the_last_bin() -> None:
    histogram = report(six())["total"]["histogram"]
    assert histogram["edges"] == pytest.approx([0.4 * n for n in range(11)])
    # 0 in the first; 1 in 0.8..1.2, 2 in 2..2.4, 3 in 2.8..3.2
    assert histogram["counts"] == [1, 0, 1, 0, 0, 1, 0, 1, 0, 1]


def test_rows_are_named_by_their_place() -> None:
    found = report(six(), worst=2)
    assert [row["place"] for row in found["worst"]] == ["line 1", "line 2"]
    assert [row["place"] for row in found["best"]] == ["line 3", "line 4"]
    (refused,) = found["invalid"]
    assert refused["row"] == 5
    assert refused["reason"] == "form: no section"
    assert refused["value"] is None
    assert refused["parts"] == {"form": None, "rest": None}


def test_groups_of_equal_values_are_counted() -> None:
    scores = Scores(torch.tensor([1.0, 1.0, 0.0, 1.0, 5.0]))
    assert report(scores, [0, 0, 1, 1, 2])["groups"] == {"several": 2, "equal": 1}


def test_no_valid_row_equal_rows_and_no_rows() -> None:
    nothing = report(Scores(torch.tensor([float("nan")] * 2)))
    assert nothing["total"]["mean"] is None
    assert nothing["total"]["histogram"] == {"edges": [], "counts": []}
    assert nothing["worst"] == nothing["best"] == []
    equal = report(Scores(torch.ones(3)))
    assert equal["total"]["histogram"] == {"edges": [1.0, 1.0], "counts": [3]}
    assert equal["worst"] == equal["best"] == []
    assert equal["length_correlation"] is None
    json.dumps([nothing, equal], allow_nan=False)


def test_values_a_hair_apart_and_parts_that_are_not_finite_are_survived() -> None:
    hair = report(Scores(torch.tensor([1.0, 1.0 + 2**-23])))
    assert sum(hair["total"]["histogram"]["counts"]) == 2
    parts = {"odd": torch.tensor([float("inf"), 1.0])}
    odd = report(Scores(torch.tensor([0.0, 1.0]), parts))
    assert odd["parts"]["odd"]["valid"] == 1
    assert odd["worst"][0]["parts"] == {"odd": None}
    json.dumps([hair, odd], allow_nan=False)
