"""Rankings refuse what can't be ranked."""

from __future__ import annotations

import math

import pytest

from guerdon.rankings import Ranking
from guerdon.records import Task


def test_a_ranking_has_responses_and_only_a_pair_a_margin() -> None:
    task = Task("a", "?")
    assert Ranking(task, ("yes", "no"), 0.5).margin == 0.5
    with pytest.raises(ValueError, match="task 'a' has no responses"):
        Ranking(task, ())
    with pytest.raises(ValueError, match="a margin and 3 responses"):
        Ranking(task, ("a", "b", "c"), 1.0)
    for margin in (math.nan, math.inf):
        with pytest.raises(ValueError, match=f"task 'a' has a margin of {margin}"):
            Ranking(task, ("a", "b"), margin)
