"""Settings are told one by one, from what stands below each field."""

from __future__ import annotations

from dataclasses import dataclass, fields

import pytest

from guerdon.cli.settings import recipe_from
from guerdon.cli.sheet import sheet
from guerdon.documented import documented
from guerdon.overlong import SoftOverlong
from guerdon.rewards import AnswerMatch, FormatReward, OverlongReward, WeightedSum
from guerdon.shaping import KLPenalty, Unlikeliness


@dataclass(frozen=True)
class Told(SoftOverlong):
    """A docstring is no setting's."""

    mine: int = 1
    """Of two
    lines."""
    silent: int = 2


def test_a_setting_is_told_by_the_text_below_it_and_by_its_base_class() -> None:
    told = documented(Told)
    assert told["mine"] == "Of two lines."
    assert told["limit"] == documented(SoftOverlong)["limit"]
    assert "silent" not in told
    assert documented(type("Made", (), {})) == {}


@pytest.mark.parametrize(
    "kind", [AnswerMatch, FormatReward, OverlongReward, WeightedSum, KLPenalty, Unlikeliness]
)
def test_every_setting_of_the_most_used_parts_is_told(kind: type) -> None:
    assert {f.name for f in fields(kind) if f.init} <= set(documented(kind))  # type: ignore[arg-type]


def test_settings_written_out_tell_them() -> None:
    shown = sheet(recipe_from("grpo", ["--shaping", "unlikeliness"]))
    assert "# The share taken off the likeliest right answer.\n    beta: 0.25" in shown
