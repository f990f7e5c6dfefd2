"""Parts to plain data and back, and what is said when that can't be done."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml

from guerdon.nursery import seedling_path
from guerdon.parts import PartError, build, describe, locate, memories
from guerdon.recipes import all_recipes, load_recipe
from guerdon.training import PolicyRecipe
from guerdon.training.recipe import load_any
from guerdon.training.recipe_file import recipe_text


@dataclass(frozen=True)
class Inner:
    """A part."""

    rate: float = 0.5


@dataclass(frozen=True)
class Outer:
    """A part of parts."""

    inner: Inner = field(default_factory=Inner)
    several: tuple[Any, ...] = ()
    function: None = field(default=None, init=False)


@dataclass(frozen=True)
class Clash:
    """A part whose setting has a reserved name."""

    part: str = "x"


def plain() -> float:
    """A function at the top level."""
    return 1.0


@pytest.mark.parametrize("slug", all_recipes())
def test_every_recipe_survives_its_file(slug: str, tmp_path: Path) -> None:
    recipe = load_recipe(slug).build()
    (tmp_path / "recipe.yaml").write_text(recipe_text(recipe))
    loaded = load_any(tmp_path / "recipe.yaml")
    assert loaded == recipe
    assert str(seedling_path()) not in (tmp_path / "recipe.yaml").read_text()
    assert describe(loaded) == describe(recipe)
    assert loaded != load_recipe(slug).build(name="another")


def test_nested_parts_functions_and_plain_values() -> None:
    value = Outer(Inner(0.25), (Inner(), plain, "text", None, True))
    data = describe(value)
    assert data["part"] == f"{__name__}:Outer"
    assert data["several"][1] == {"function": f"{__name__}:plain"}
    assert "function" not in data
    assert build(yaml.safe_load(yaml.safe_dump(data)), trust=[__name__]) == value
    assert build(describe({"a": (1, 2)})) == {"a": (1, 2)}


def test_an_unknown_setting_names_the_known_ones() -> None:
    data = {"part": f"{__name__}:Outer", "inner": {"part": f"{__name__}:Inner", "rat": 1.0}}
    with pytest.raises(PartError, match=r"recipe\.inner: Inner has no setting 'rat'; it has rate"):
        build(data, trust=[__name__])


def test_local_functions_are_refused() -> None:
    def local() -> float:
        return 1.0

    with pytest.raises(PartError, match="move it to the top level"):
        describe(Outer(several=(local,)))
    with pytest.raises(PartError, match="lambda"):
        describe(lambda: 1.0)


def test_what_can_not_be_written_is_named() -> None:
    with pytest.raises(PartError, match=r"recipe\.several\[0\] holds a set"):
        describe(Outer(several=({1},)))
    with pytest.raises(PartError, match="setting named 'part'"):
        describe(Clash())


@pytest.mark.parametrize(
    ("path", "told"),
    [
        ("plain", "should read module:name or file.py:name"),
        ("guerdon.nowhere:x", "can't import 'guerdon.nowhere'"),
        ("guerdon.records:Nothing", "guerdon.records has no 'Nothing'"),
        ("missing/file.py:x", "there is no file"),
    ],
)
def test_what_can_not_be_found_is_named(path: str, told: str) -> None:
    with pytest.raises(PartError, match=told):
        locate(path)


def test_only_dataclasses_are_built() -> None:
    with pytest.raises(PartError, match=":plain is not a dataclass"):
        build({"part": f"{__name__}:plain"}, trust=[__name__])


def test_a_users_file_is_found_again_by_its_path(tmp_path: Path) -> None:
    file = tmp_path / "mine.py"
    file.write_text("def brevity(completion):\n    return -float(len(completion))\n")
    found = locate(f"{file}:brevity")
    assert found("abc") == -3
    assert describe(found) == {"function": f"{file.resolve()}:brevity"}
    assert locate(f"{file}:brevity") is found


def test_a_users_file_that_fails_fails_again(tmp_path: Path) -> None:
    file = tmp_path / "broken.py"
    file.write_text("1 / 0\n")
    for _ in range(2):
        with pytest.raises(PartError, match=r"broken\.py, line 1 can't be run: ZeroDivisionError"):
            locate(f"{file}:x")


def test_a_file_that_is_no_recipe_says_so(tmp_path: Path) -> None:
    file = tmp_path / "recipe.yaml"
    file.write_text("part: guerdon.training:Loop\nsteps: 3\n")
    with pytest.raises(PartError, match="does not hold a recipe"):
        PolicyRecipe.load(file)
    file.write_text("part: guerdon.training:Loop\nstep: 3\n")
    with pytest.raises(PartError, match=r"recipe\.yaml: Loop has no setting 'step'; it has steps"):
        PolicyRecipe.load(file)


class Counter:
    """A part with memory."""

    def state_dict(self) -> dict[str, Any]:
        return {}

    def load_state_dict(self, state: Any) -> None: ...


def test_memory_is_found_wherever_it_stands() -> None:
    one, two, three = Counter(), Counter(), Counter()
    whole = {"a": Outer(several=(1.0, [one], {"b": two})), "c": three, "d": Counter, "e": "text"}
    assert memories(whole) == {
        "recipe.a.several[1][0]": one,
        "recipe.a.several[2].b": two,
        "recipe.c": three,
    }
    assert memories(Outer()) == {}
