"""Names that become folders never lead out of the folder that they are put in."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guerdon.names import check_name
from guerdon.recipes import all_recipes, load_recipe
from guerdon.reproduction import Claim, Expectation
from guerdon.tasks import RankingFile
from guerdon.training import PolicyRecipe, PreferenceRecipe, RewardModelRecipe

BAD = [
    *("", ".", "..", "../../x", "/etc/x", "a/b", "a\\b", "C:x", "a\0b", "a\nb", "-rf", "--out"),
    *(".hidden", "x.", "x ", " x", "con", "NUL.txt", "com1", "a" * 200, "é" * 100, "a\x1b[31m"),
    *("\u202ex", "a:b", "a*b", "$(x)", "a|b", "\ud800"),
]


@pytest.mark.parametrize("name", BAD)
def test_a_name_that_is_no_folders_is_refused_when_the_recipe_is_built(name: str) -> None:
    for make in (
        lambda: PolicyRecipe(name=name),
        lambda: PreferenceRecipe(RankingFile("x.jsonl"), name=name),
        lambda: RewardModelRecipe(RankingFile("x.jsonl"), name=name),
        lambda: Claim(name, "", {"a": lambda *_: {}}, "m", (Expectation("a", 0.0, "m"),)),
    ):
        with pytest.raises(ValueError, match=r"name|slug"):
            make()


@pytest.mark.parametrize(
    "name", ["grpo", "my run 2", "lr=1e-3", "a.b", "größe", "模型", "x_", "g++"]
)
def test_ordinary_names_pass(name: str) -> None:
    assert PolicyRecipe(name=name).name == name


def test_our_own_names_pass() -> None:
    for slug in all_recipes():
        check_name(load_recipe(slug).build().name, "name")
        check_name(slug, "slug")


@given(st.text(max_size=40))
def test_what_passes_is_one_step_below_its_folder(name: str) -> None:
    try:
        check_name(name, "it")
    except ValueError:
        return
    path = Path("runs") / name
    assert path.parent == Path("runs")
    assert path.resolve().parent == Path("runs").resolve()
    assert not name.startswith(("-", ".", " "))


@pytest.mark.parametrize("name", [3, None, ["x"], b"x"])
def test_a_name_is_text(name: object) -> None:
    with pytest.raises(ValueError, match="a name is text"):
        check_name(name, "it")
