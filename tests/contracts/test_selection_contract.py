"""What every selection promises, checked for every one on the command line's list."""

import pytest

from guerdon import selection
from guerdon.contracts import check_selection
from guerdon.curriculum import Informative
from guerdon.selection import AllPairs, BestAgainstWorst, BestOfN, WholeGroups

SELECTIONS = {
    **{name: part.example() for name, part in selection.NAMES.items() if part is not type(None)},
    "all-pairs by the total": AllPairs(),
    "best-against-worst, however near": BestAgainstWorst(),
    "the best": BestOfN(),
    "whole-groups": WholeGroups(Informative()),
}


@pytest.mark.parametrize("part", SELECTIONS.values(), ids=SELECTIONS.keys())
def test_the_contract(part):
    check_selection(part)
