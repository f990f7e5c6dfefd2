"""Figures of a run beside those that were recorded."""

from __future__ import annotations

from typing import Any

from guerdon.reproduction.compare import compare


def result(**arms: dict[str, dict[str, float | None]]) -> dict[str, Any]:
    seeds = sorted({int(seed) for runs in arms.values() for seed in runs})
    return {"runs": arms, "seeds": seeds}


def test_to_rounding_the_same() -> None:
    before = result(a={"0": {"m": 0.5, "n": None}, "1": {"m": 4000.0, "n": 1.0}})
    now = result(a={"0": {"m": 0.5 + 9e-10, "n": None}, "1": {"m": 4000.0 + 3e-6, "n": 1.0}})
    assert compare(before, now) == (4, [])
    assert compare(before, before) == (4, [])


def test_what_differs_is_told_the_largest_first() -> None:
    before = result(a={"0": {"m": 0.5, "n": 1.0}, "1": {"m": 0.5}}, b={"0": {"m": 1.0}})
    now = result(a={"0": {"m": 0.5 + 2e-9, "n": None}, "1": {"m": 0.75}}, c={"0": {"m": 2.0}})
    figures, differ = compare(before, now)
    assert figures == 5
    assert [str(one) for one in differ] == [
        "a, seed 0, n: 1 recorded, no figure now",
        "b, seed 0, m: 1 recorded, no figure now",
        "c, seed 0, m: no figure recorded, 2 now",
        "a, seed 1, m: 0.5 recorded, 0.75 now",
        "a, seed 0, m: 0.5 recorded, 0.500000002 now",
    ]


def test_seeds_that_did_not_run_again_are_no_difference() -> None:
    before = result(a={"0": {"m": 0.5}, "1": {"m": 0.6}})
    assert compare(before, result(a={"1": {"m": 0.6}})) == (1, [])
