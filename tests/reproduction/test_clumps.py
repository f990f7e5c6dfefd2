"""Effects in two clumps."""

from __future__ import annotations

import numpy as np
import pytest

from guerdon.reproduction.clumps import told, two_clumps


def test_two_kinds_of_worlds() -> None:
    """As mo-grpo's first version has them: a gap of 1.0 beside clumps .01 wide."""
    effects = (0.53, -0.46, 0.54, 0.54, -0.45)
    assert two_clumps(effects) == ((-0.46, -0.45), (0.53, 0.54, 0.54))
    assert told(effects) == (
        "two clumps, 2 about -0.455 and 3 about 0.537: many worlds belong inside one seed"
    )


@pytest.mark.parametrize(
    ("effects", "apart"),
    [
        ((0.0, 1.0, 4.01, 4.02), True),  # 3.01 apart, the wider is 1 wide
        ((0.0, 1.0, 3.99, 4.02), False),
        ((0.0, 0.0, 0.0, 0.1, 0.1), True),
        ((0.0, 0.0, 0.0, 0.0), False),
        ((0.0, 0.0, 0.0, 9.0), False),  # one that ran away is no clump
        ((0.0, 0.0, 9.0), False),
        ((), False),
    ],
)
def test_where_they_begin(effects: tuple[float, ...], apart: bool) -> None:
    assert (two_clumps(effects) is not None) is apart
    assert bool(told(effects)) is apart


@pytest.mark.parametrize(("n", "at_most"), [(6, 0.025), (8, 0.005), (20, 0.001)])
def test_effects_of_one_kind_seldom_seem_two(n: int, at_most: float) -> None:
    draws = np.random.default_rng(0).normal(size=(4_000, n))
    assert np.mean([two_clumps(row) is not None for row in draws]) < at_most
