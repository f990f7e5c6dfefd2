import json
import math

import numpy as np
import pytest

from guerdon.reproduction import (
    Claim,
    ClaimError,
    Expectation,
    Role,
    Verdict,
    judge,
    judge_all,
    overall,
    read,
    run_claim,
    seeds_to_decide,
    write,
)


def runs_of(**arms):
    return {name: {s: {"m": v} for s, v in enumerate(values)} for name, values in arms.items()}


SPREAD = [-0.02, -0.01, 0.0, 0.0, 0.01, 0.02]
"""Six effects about a mean: sd .01414, half width of the 95 % interval .01484."""


def around(mean):
    return [mean + gap for gap in SPREAD]


@pytest.mark.parametrize(
    ("effects", "matters", "verdict"),
    [
        (around(0.5), 0.4, "shown"),
        (around(0.5), 0.484, "shown"),  # .5 - .01484 = .48516
        (around(0.5), 0.486, "undecided"),
        (around(0.5), 0.514, "undecided"),
        (around(0.5), 0.516, "too small"),  # .51484 < .516
        (around(0.0), 0.1, "too small"),
        (around(0.0), 0.0, "undecided"),
        (around(-0.014), 0.1, "too small"),  # the interval holds 0
        (around(-0.016), 0.1, "opposite"),
        ([0.5] * 6, 0.4, "shown"),  # no spread at all
        ([0.5] * 6, 0.5, "undecided"),  # exactly the bar
        ([0.5] * 5, 0.4, "undecided"),  # five seeds show nothing
        ([-0.5] * 5, 0.4, "undecided"),  # nor refute
        ([-1.0, 0.0, 1.0, 2.0, 3.0, 4.0], 0.5, "undecided"),
    ],
)
def test_rule(effects, matters, verdict):
    runs = runs_of(a=effects, b=[0.0] * len(effects))
    assert judge(Expectation("a", "b", "m", matters), runs).verdict == verdict


@pytest.mark.parametrize(
    ("effects", "verdict"),
    [
        (around(0.0), "shown"),
        (around(-0.03), "shown"),  # surely worse, and surely by less than .05
        (around(-0.05), "undecided"),
        (around(-0.07), "opposite"),
    ],
)
def test_no_worse_than_by_so_much(effects, verdict):
    runs = runs_of(a=effects, b=[0.0] * 6)
    assert judge(Expectation("a", "b", "m", within=0.05), runs).verdict == verdict


def test_among_several_claims_opposite_asks_for_more():
    runs = runs_of(a=around(-0.016), b=[0.0] * 6)
    expected = Expectation("a", "b", "m", 0.1)
    assert judge(expected, runs, among=1).verdict is Verdict.OPPOSITE
    assert judge(expected, runs, among=3).verdict is Verdict.TOO_SMALL
    found = judge_all([expected] * 3, runs)
    assert {one.verdict for one in found} == {Verdict.TOO_SMALL}
    assert found[0].corrected.level == pytest.approx(1 - 0.05 / 3)
    check = Expectation("a", "b", "m", 0.1, role=Role.CHECK)
    assert judge_all([expected] * 3 + [check], runs)[-1].verdict is Verdict.OPPOSITE


def test_identities_hold_on_every_seed():
    same = Expectation("a", "b", "m", role=Role.IDENTITY)
    near = Expectation("a", "b", "m", within=1e-3, role=Role.IDENTITY)
    runs = runs_of(a=[1.0] * 5 + [1.0005], b=[1.0] * 6)
    assert judge(near, runs).verdict is Verdict.SHOWN
    assert judge(same, runs).verdict is Verdict.OPPOSITE
    assert judge(near, runs_of(a=[1.0] * 5 + [0.9], b=[1.0] * 6)).verdict is Verdict.OPPOSITE


def outcomes(**verdicts):
    """Outcomes whose claims and checks came out so."""
    effects = {"shown": 1.0, "opposite": -1.0, "too_small": 0.1}
    made = []
    for name, words in verdicts.items():
        for word in words:
            value = [0.0, 1.0] * 3 if word == "undecided" else [effects[word]] * 6
            expectation = Expectation("a", 0.0, "m", 0.5, role=Role(name))
            made.append(judge(expectation, runs_of(a=value)))
            assert made[-1].verdict == word.replace("_", " ")
    return made


def test_a_claim_has_the_worst_of_its_claims_and_none_without_its_checks():
    assert overall(outcomes(claim=["shown", "shown"])) is Verdict.SHOWN
    assert overall(outcomes(claim=["shown", "too_small"])) is Verdict.TOO_SMALL
    assert overall(outcomes(claim=["too_small", "undecided"])) is Verdict.UNDECIDED
    assert overall(outcomes(claim=["undecided", "opposite", "shown"])) is Verdict.OPPOSITE
    assert overall(outcomes(claim=["shown"], check=["shown"])) is Verdict.SHOWN
    for failed in ("opposite", "undecided", "too_small"):
        assert overall(outcomes(claim=["shown"], check=["shown", failed])) is Verdict.VOID
    assert overall([]) is Verdict.UNDECIDED


def test_too_few_seeds_say_nothing_of_the_set_up_either():
    few = judge(Expectation("a", 0.0, "m", role=Role.IDENTITY), runs_of(a=[0.0] * 5))
    assert overall([*outcomes(claim=["shown"]), few]) is Verdict.UNDECIDED
    enough = judge(Expectation("a", 0.0, "m", role=Role.IDENTITY), runs_of(a=[0.0] * 6))
    assert overall([*outcomes(claim=["shown"]), enough]) is Verdict.SHOWN


def test_how_many_verdicts_chance_makes():
    """What docs/systems.md says of 89 papers: 2.5 % of claims at the bar, 2.5 % of the systems."""
    draw = np.random.default_rng(0)
    expected = [Expectation("a", 0.0, "m", 0.3), Expectation("b", 0.0, "m", 0.3)]
    systems, shown, opposite = 4_000, 0, 0
    for _ in range(systems):
        at_the_bar = judge_all(
            expected, runs_of(a=draw.normal(0.3, 1, 6), b=draw.normal(0.3, 1, 6))
        )
        shown += sum(one.verdict is Verdict.SHOWN for one in at_the_bar)
        no_effect = judge_all(expected, runs_of(a=draw.normal(0, 1, 6), b=draw.normal(0, 1, 6)))
        opposite += overall(no_effect) is Verdict.OPPOSITE
    # Standard errors: .0017 and .0025.
    assert shown / (2 * systems) == pytest.approx(0.025, abs=0.006)
    assert opposite / systems == pytest.approx(0.025, abs=0.008)
    assert (round(0.025 * 178, 1), round(0.025 * 89, 1)) == (4.5, 2.2)


def test_the_seeds_that_would_decide():
    effects = [0.0, 1.0] * 3  # mean .5, sd .5477
    n = seeds_to_decide(effects, 0.3)
    # t(n-1) * .5477 / sqrt(n) < .2: by hand 31 (t 2.0423: .2009) is too few, 32 (2.0395: .1975) not
    assert n == 32
    assert judge(Expectation("a", 0.0, "m", 0.3), runs_of(a=effects)).would_decide == 32
    assert judge(Expectation("a", 0.0, "m", 3.0), runs_of(a=effects)).would_decide is None
    assert seeds_to_decide(effects, 0.5) is None
    assert seeds_to_decide([1.0], 0.5) is None


def test_the_p_is_exact():
    assert judge(Expectation("a", 0.0, "m"), runs_of(a=[0.5] * 6)).p == 2**-5


def test_effects_are_paired_by_seed():
    runs = runs_of(a=[1.1, 5.1, 9.1, 2.1, 3.1, 4.1], b=[1.0, 5.0, 9.0, 2.0, 3.0, 4.0])
    outcome = judge(Expectation("a", "b", "m", 0.05), runs)
    assert outcome.effects == pytest.approx((0.1,) * 6)
    assert outcome.verdict is Verdict.SHOWN


def test_constants_on_either_side():
    runs = runs_of(a=[0.0] * 6)
    assert judge(Expectation(0.05, "a", "m", 0.01), runs).verdict is Verdict.SHOWN
    assert judge(Expectation("a", 0.05, "m", 0.01), runs).verdict is Verdict.OPPOSITE


def test_not_finite_seeds_are_left_out_not_zero():
    values = [0.5, math.nan, *[0.5] * 5]
    outcome = judge(Expectation("a", "b", "m", 0.4), runs_of(a=values, b=[0] * 7))
    assert (outcome.seeds, outcome.left_out) == ((0, 2, 3, 4, 5, 6), (1,))
    assert outcome.verdict is Verdict.SHOWN
    empty = judge(Expectation("a", "b", "m"), runs_of(a=[math.nan] * 6, b=[0] * 6))
    assert empty.verdict is Verdict.UNDECIDED
    assert math.isnan(empty.interval.estimate)
    assert math.isnan(empty.p)


def test_what_is_expected_is_told():
    assert str(Expectation("a", "b", "m", 0.1)) == "m: a > b + 0.1"
    assert str(Expectation("a", 0.9, "m")) == "m: a > 0.9"
    assert str(Expectation("a", "b", "m", within=0.03)) == "m: a > b - 0.03"
    assert str(Expectation("a", "b", "m", role=Role.IDENTITY)) == "m: a = b"


def test_errors_name_the_place():
    with pytest.raises(ClaimError, match="at least one arm"):
        Expectation(1.0, 2.0, "m")
    with pytest.raises(ClaimError, match=r"matters is -0\.1"):
        Expectation("a", "b", "m", -0.1)
    with pytest.raises(ClaimError, match="instead of matters"):
        Expectation("a", "b", "m", 0.1, within=0.2)
    with pytest.raises(ClaimError, match="within is above 0"):
        Expectation("a", "b", "m", within=0.0)
    with pytest.raises(ClaimError, match=r"'x'.*arms are treated"):
        Claim("s", "…", {"treated": treated}, "m", (Expectation("x", 0.0, "m"),))
    with pytest.raises(ClaimError, match="5 seeds"):
        Claim("s", "…", {"treated": treated}, "m", (Expectation("treated", 0.0, "m"),), seeds=5)
    check = Expectation("treated", 0.0, "m", role=Role.CHECK)
    with pytest.raises(ClaimError, match="an expectation that it claims"):
        Claim("s", "…", {"treated": treated}, "m", (check,))
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
    (Expectation("treated", "baseline", "accuracy", matters=0.2),),
)


def test_run_write_and_read(tmp_path):
    seen = []
    result = run_claim(CLAIM, progress=lambda fraction, label: seen.append((fraction, label)))
    assert result.verdict is Verdict.SHOWN
    assert result.seeds == (0, 1, 2, 3, 4, 5)
    fractions = [fraction for fraction, _ in seen]
    assert fractions == sorted(fractions)
    assert fractions[0] == 0.0
    assert fractions[-1] == 1.0
    assert (pytest.approx(0.5 / 12), "treated, seed 0") in seen
    path = write(result, tmp_path)
    data = read(path)
    assert data["verdict"] == "shown"
    assert data["runs"]["treated"]["2"] == {"accuracy": 0.82, "undefined": None}
    assert data["command"] == "guerdon reproduce toy --seeds 0 1 2 3 4 5"
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
