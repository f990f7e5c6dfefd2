"""Rankings refuse what can't be ranked."""

from __future__ import annotations

import pytest

from guerdon.rankings import PreferencePair, Ranking
from guerdon.records import Task


def test_a_ranking_has_responses_and_only_a_pair_a_margin() -> None:
    pair = PreferencePair(Task("a", "?"), "yes", "no", 0.5)
    assert Ranking.of_pair(pair) == Ranking(pair.task, ("yes", "no"), 0.5)
    with pytest.raises(ValueError, match="task 'a' has no responses"):
        Ranking(pair.task, ())
    with pytest.raises(ValueError, match="a margin and 3 responses"):
        Ranking(pair.task, ("a", "b", "c"), 1.0)
