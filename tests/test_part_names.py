"""A setting may not bear the name by which a recipe file says what a part is."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from guerdon.parts import PartError, describe


@dataclass(frozen=True)
class Clash:
    part: str = ""


def test_a_clashing_setting_is_refused_where_it_would_be_lost() -> None:
    with pytest.raises(PartError, match=r"recipe\.filter: Clash has a setting named 'part'"):
        describe({"filter": Clash()})
