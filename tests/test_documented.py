"""Settings are told one by one, from what stands below each field."""

from __future__ import annotations

from dataclasses import dataclass, fields, is_dataclass

import pytest

from guerdon.cli.offered import POLICY_CHOICES, PREFERENCE_CHOICES, RANKING_CHOICES
from guerdon.cli.settings import recipe_from
from guerdon.cli.sheet import sheet
from guerdon.documented import documented
from guerdon.objectives import KL
from guerdon.overlong import SoftOverlong
from guerdon.stages import Sampling
from guerdon.training import Loop


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


def named_parts() -> dict[str, type]:
    """Every part that the command line can put into a recipe, and what every recipe holds."""
    tables = (POLICY_CHOICES, PREFERENCE_CHOICES, RANKING_CHOICES)
    kinds = {
        f"{option} {name}": table[name]
        for choices in tables
        for option, table in choices.items()
        for name in table
    }
    kinds |= {"loop": Loop, "sampling": Sampling, "objective.kl": KL}
    return {name: kind for name, kind in sorted(kinds.items()) if is_dataclass(kind)}


@pytest.mark.parametrize("kind", named_parts().values(), ids=named_parts().keys())
def test_every_setting_of_a_named_part_is_told(kind: type) -> None:
    silent = {f.name for f in fields(kind) if f.init} - documented(kind).keys()  # type: ignore[arg-type]
    assert not silent, f"{kind.__name__}: write below each of {sorted(silent)} what it is"


def test_settings_written_out_tell_them() -> None:
    shown = sheet(recipe_from("grpo", ["--shaping", "unlikeliness"]))
    assert "# The share taken off the likeliest right answer.\n    beta: 0.25" in shown
