"""Whatever a recipe's file holds: a recipe or a PartError, nothing imported, in bounded time."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from guerdon.parts import PartError, describe
from guerdon.recipes import all_recipes, load_recipe
from guerdon.training import PolicyRecipe

NAMES = st.sampled_from(
    ["guerdon.training.recipe:Recipe", "guerdon.training:Loop", "guerdon.rewards:AnswerMatch",
     "guerdon.rewards.running.function:FunctionReward", "guerdon.rewards.answers.lists:set_f1",
     "os:system", "guerdon.rewards.composing.compose:WeightedSum",
     "guerdon.rewards.running.cache:Cached", "mine.py:f", "mine:f",
     "guerdon.rollout.endpoint:EndpointPolicy", "guerdon.cli:sys.exit", "turtle:Turtle",
     "guerdon.rewards.running.workers:WorkerPool", "lib2to3.main:main",
     "guerdon.tasks.files:FileTasks", "antigravity:webbrowser.open", "guerdon.recipes.grpo:build",
     "guerdon.audit.run:audit"]
) | st.text(max_size=12)  # fmt: skip
KEYS = st.sampled_from(
    ["part", "function", "name", "reward", "rewards", "tasks", "loop", "steps", "url", "path",
     "model", "shaping", "folder", "weights", "timeout", "workers"]
) | st.text(max_size=5)  # fmt: skip
LEAF = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | NAMES
    | st.text(max_size=8)
    | st.binary(max_size=4)
    | st.dates()
)
DATA = st.recursive(
    LEAF,
    lambda inside: (
        st.lists(inside, max_size=4)
        | st.dictionaries(KEYS, inside, max_size=5)
        | st.fixed_dictionaries({"part": NAMES}, optional={"function": inside, "name": inside})
        | st.fixed_dictionaries({"function": NAMES})
    ),
    max_leaves=15,
)
WHOLE = {name: load_recipe(name).build() for name in ("grpo", "mixed-r1", "fine-grained-rlhf")}


def read(folder: Path, content: bytes) -> None:
    """The recipe loads or is refused by name; nothing else comes of it."""
    file = folder / "recipe.yaml"
    file.write_bytes(content)
    before = set(sys.modules)
    try:
        assert isinstance(PolicyRecipe.load(file), PolicyRecipe)
    except PartError as error:
        assert str(file) in str(error)  # noqa: PT017
    strange = {m for m in set(sys.modules) - before if m.partition(".")[0] != "guerdon"}
    assert not strange - {"encodings.idna"}


@pytest.fixture(autouse=True)
def everything_of_ours_is_loaded() -> None:
    """So that a test sees what a file imports and not what guerdon does."""
    for module in ("guerdon.connectors.batched", "guerdon.rollout.vllm"):
        importlib.import_module(module)
    for slug in all_recipes():
        load_recipe(slug)


quietly = settings(
    max_examples=400, deadline=5000, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@quietly
@given(st.binary(max_size=200) | st.text(max_size=200).map(lambda t: t.encode("utf-8", "replace")))
@example(b"a: *b")
@example(b"? [a]\n: 1")
@example(b"!!set {a, b}")
@example(b"- " * 5000)
@example(b"a: " + b"[" * 100_000)
@example(b"&a " * 50_000)
@example(b"? " * 50_000)
@example(b"'" + b"x\n" * 100_000)
def test_any_bytes(tmp_path: Path, content: bytes) -> None:
    read(tmp_path, content)


@quietly
@given(DATA)
def test_any_data(tmp_path: Path, data: Any) -> None:
    read(tmp_path, yaml.dump(data).encode("utf-8", "replace"))


def places(data: Any, at: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    inside = (
        data.items()
        if isinstance(data, dict)
        else enumerate(data)
        if isinstance(data, list)
        else ()
    )
    return [at, *(place for key, value in inside for place in places(value, (*at, key)))]


@quietly
@given(st.sampled_from(sorted(WHOLE)), st.integers(0, 10_000), DATA)
def test_a_whole_recipe_with_one_value_changed(
    tmp_path: Path, name: str, number: int, value: Any
) -> None:
    data = describe(WHOLE[name])
    found = places(data)[1:]
    *path, last = found[number % len(found)]
    part = data
    for step in path:
        part = part[step]
    part[last] = value
    read(tmp_path, yaml.dump(data).encode("utf-8", "replace"))
