import json
import math

import pytest

from guerdon.reproduction import (
    Claim,
    ClaimError,
    Expectation,
    Verdict,
    judge,
    read,
    run_claim,
    worst,
    write,
)


def runs_of(**arms):
    return {name: {s: {"m": v} for s, v in enumerate(values)} for name, values in arms.items()}


@pytest.mark.parametrize(
    ("treated", "at_least", "refuted_below", "verdict"),
    [
        ([0.50, 0.51, 0.52], 0.4, 0.0, "shown"),  # mean .51, half width .0248
        ([0.50, 0.51, 0.52], 0.6, 0.0, "not shown"),  # sure, but smaller than claimed
        ([0.0, 0.5, 1.0], 0.4, 0.0, "not shown"),  # large, but the interval holds 0
        ([-0.1, 0.0, 0.1], 0.1, 0.0, "refuted"),  # mean 0 <= refuted_below
        ([-0.02, -0.01, 0.0], 0.1, -0.2, "not shown"),  # wrong sign, not surely so
        ([-0.11, -0.10, -0.09], 0.1, -0.2, "refuted"),  # surely on the wrong side
        ([0.5, 0.5, 0.5], 0.4, 0.0, "shown"),  # no spread at all
        ([0.9], 0.1, 0.0, "not shown"),  # one seed shows nothing
        ([-0.9], 0.1, 0.0, "not shown"),  # nor refutes
    ],
)
def test_rule(treated, at_least, refuted_below, verdict):
    runs = runs_of(a=treated, b=[0.0] * len(treated))
    assert judge(Expectation("a", "b", "m", at_least, refuted_below), runs).verdict == verdict


def test_effects_are_paired_by_seed():
    runs = runs_of(a=[1.1, 5.1, 9.1], b=[1.0, 5.0, 9.0])
    outcome = judge(Expectation("a", "b", "m", 0.05), runs)
    assert outcome.effects == pytest.approx((0.1, 0.1, 0.1))
    assert outcome.verdict is Verdict.SHOWN


def test_constants_on_either_side():
    runs = runs_of(a=[0.0, 0.0])
    assert judge(Expectation(0.05, "a", "m", 0.01), runs).verdict is Verdict.SHOWN
    assert judge(Expectation("a", 0.05, "m", 0.01), runs).verdict is Verdict.REFUTED


def test_seeds_agreeing():
    runs = runs_of(a=[0.5, 0.5, 0.5, 0.5, 0.5, -0.01], b=[0.0] * 6)
    assert judge(Expectation("a", "b", "m", 0.1), runs).verdict is Verdict.SHOWN
    strict = Expectation("a", "b", "m", 0.1, min_seeds_agreeing=6)
    assert judge(strict, runs).verdict is Verdict.NOT_SHOWN


def test_not_finite_seeds_are_left_out_not_zero():
    outcome = judge(Expectation("a", "b", "m", 0.4), runs_of(a=[0.5, math.nan, 0.5], b=[0, 0, 0]))
    assert (outcome.seeds, outcome.left_out) == ((0, 2), (1,))
    assert outcome.verdict is Verdict.SHOWN
    empty = judge(Expectation("a", "b", "m"), runs_of(a=[math.nan] * 2, b=[0, 0]))
    assert empty.verdict is Verdict.NOT_SHOWN
    assert math.isnan(empty.interval.estimate)


def test_worst():
    shown, unsure, refuted = Verdict.SHOWN, Verdict.NOT_SHOWN, Verdict.REFUTED
    assert worst([shown, unsure]) is unsure
    assert worst([unsure, refuted, shown]) is refuted
    assert worst([]) is unsure


def test_errors_name_the_place():
    with pytest.raises(ClaimError, match="at least one arm"):
        Expectation(1.0, 2.0, "m")
    with pytest.raises(ClaimError, match="refuted_below"):
        Expectation("a", "b", "m", 0.1, 0.2)
    with pytest.raises(ClaimError, match=r"'x'.*arms are treated"):
        Claim("s", "…", {"treated": treated}, "m", (Expectation("x", 0.0, "m"),))
    with pytest.raises(ClaimError, match=r"arm 'a', seed 0 reports no 'other'; it reports m"):
        judge(Expectation("a", 0.0, "other"), runs_of(a=[1, 2]))


def treated(seed, report):
    report(0.5)
    return {"accuracy": 0.8 + 0.01 * seed, "undefined": math.nan}


def baseline(seed, report):
    return {"accuracy": 0.5}


CLAIM = Claim(
    "toy",
    "treated beats baseline",
    {"treated": treated, "baseline": baseline},
    "accuracy",
    (Expectation("treated", "baseline", "accuracy", at_least=0.2),),
)


def test_run_write_and_read(tmp_path):
    seen = []
    result = run_claim(CLAIM, progress=lambda fraction, label: seen.append((fraction, label)))
    assert result.verdict is Verdict.SHOWN
    assert result.seeds == (0, 1, 2)
    fractions = [fraction for fraction, _ in seen]
    assert fractions == sorted(fractions)
    assert fractions[0] == 0.0
    assert fractions[-1] == 1.0
    assert (pytest.approx(0.5 / 6), "treated, seed 0") in seen
    path = write(result, tmp_path)
    data = read(path)
    assert data["verdict"] == "shown"
    assert data["runs"]["treated"]["2"] == {"accuracy": 0.82, "undefined": None}
    assert data["command"] == "guerdon reproduce toy --seeds 0 1 2"
    assert "NaN" not in path.read_text()
    assert [p.name for p in tmp_path.iterdir()] == ["toy.json"]


def test_same_seeds_same_numbers():
    first, second = run_claim(CLAIM, (4, 7)), run_claim(CLAIM, (4, 7))
    assert first.runs == second.runs
    assert first.outcomes == second.outcomes
    with pytest.raises(ClaimError, match="distinct"):
        run_claim(CLAIM, (1, 1))


def test_read_names_the_file(tmp_path):
    bad = tmp_path / "bad.json"
    bad.write_text("{\n oops")
    with pytest.raises(ClaimError, match=r"bad\.json, line 2"):
        read(bad)
    bad.write_text(json.dumps({"slug": "bad"}))
    with pytest.raises(ClaimError, match="no 'verdict'"):
        read(bad)
