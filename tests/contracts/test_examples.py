"""Every part with a name shows itself, as `guerdon.examples` says, or says why it can't."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from guerdon import advantages, curriculum, monitors, objectives, rewards, selection, shaping

TABLES: Mapping[str, Mapping[str, Any]] = {
    "advantage": advantages.NAMES,
    "buffer": curriculum.BUFFERS,
    "curriculum": curriculum.NAMES,
    "filter": curriculum.FILTERS,
    "monitors": monitors.NAMES,
    "objective": objectives.NAMES,
    "preference": objectives.PREFERENCES,
    "ranking": objectives.RANKINGS,
    "reward": rewards.NAMES,
    "selection": selection.NAMES,
    "shaping": shaping.NAMES,
}
NAMED = {
    f"{stage} {name}": table[name]
    for stage, table in TABLES.items()
    for name in table
    if table[name] is not type(None)
}


@pytest.mark.parametrize("kind", NAMED.values(), ids=NAMED.keys())
def test_it_shows_itself_or_says_why_it_can_not(kind: Any) -> None:
    assert hasattr(kind, "example") != hasattr(kind, "no_example")


@pytest.mark.parametrize("name", [name for name in NAMED if not name.startswith("reward ")])
def test_its_example_is_of_its_class(name: str) -> None:
    kind = NAMED[name]
    if hasattr(kind, "example"):
        assert type(kind.example()) is kind
