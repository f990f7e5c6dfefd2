"""Packages export what type checkers read; parts bring their names, and listing them is cheap."""

from __future__ import annotations

import dataclasses
import importlib
import inspect
import pkgutil
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from guerdon import advantages, curriculum, objectives, rewards, shaping
from guerdon.stages import Reward

PACKAGES = (advantages, curriculum, objectives, rewards, shaping)
packages = pytest.mark.parametrize("package", PACKAGES, ids=lambda package: package.__name__)


@packages
def test_names_read_from_the_source_are_those_of_the_classes(package: Any) -> None:
    exported = [getattr(package, name) for name in package.__all__]
    named = {
        kind.name: kind
        for kind in exported
        if isinstance(kind, type) and isinstance(vars(kind).get("name"), str)
        if "name" not in {f.name for f in dataclasses.fields(kind)}
    }
    assert dict(package.NAMES) == dict(sorted(named.items()))
    assert named


@packages
def test_every_export_is_there_and_listed(package: Any) -> None:
    assert set(package.__all__) == set(dir(package))
    assert "NAMES" in package.__all__
    for name in package.__all__:
        assert getattr(package, name) is not None
    with pytest.raises(AttributeError, match=r"no attribute 'Nothing'"):
        _ = package.Nothing


@packages
def test_what_is_made_of_others_says_so(package: Any) -> None:
    """A name on the command line's list makes a part with at most one plain value."""
    for name, kind in package.NAMES.items():
        needed = [
            f.name
            for f in dataclasses.fields(kind) if dataclasses.is_dataclass(kind)
            if f.init and f.default is f.default_factory is dataclasses.MISSING
        ]  # fmt: skip
        assert (len(needed) > 1) <= hasattr(kind, "made_of"), name
        if len(needed) <= 1 and not hasattr(kind, "made_of"):
            kind(*(1.0 if "float" in str(kind) else "a" for _ in needed))
    assert set(package.NAMES.alone()) == {
        name for name, kind in package.NAMES.items() if not hasattr(kind, "made_of")
    }


def classes() -> Iterator[type]:
    """Every class that a module of the rewards defines."""
    for found in pkgutil.walk_packages(rewards.__path__, "guerdon.rewards."):
        for thing in vars(importlib.import_module(found.name)).values():
            if isinstance(thing, type) and thing.__module__ == found.name:
                yield thing


def judges_rollouts(kind: type) -> bool:
    call = vars(kind).get("__call__")
    return call is not None and list(inspect.signature(call).parameters)[1:] == [
        "rollouts",
        "progress",
    ]


def test_every_reward_is_in_the_index() -> None:
    """A class of rewards without a name is what others inherit from, and says so by its lack."""
    found = {kind for kind in classes() if judges_rollouts(kind)}
    bases = {kind for kind in found if any(issubclass(o, kind) for o in found | named() - {kind})}
    assert found - set(rewards.NAMES.values()) == {kind for kind in bases if kind not in named()}
    assert len(found) > 40


def named() -> set[type]:
    return set(rewards.NAMES.values())


def test_every_reward_shows_itself_or_says_why_not() -> None:
    for name, kind in rewards.NAMES.items():
        assert hasattr(kind, "example") != hasattr(kind, "no_example"), name
        if hasattr(kind, "example"):
            example = kind.example()
            assert isinstance(example.reward, kind)
            assert isinstance(example.reward, Reward)
            assert example.probes, name


def test_listing_names_imports_no_part() -> None:
    code = (
        "import sys; from guerdon import advantages, curriculum, objectives, rewards, shaping;"
        "print(len(rewards.NAMES.alone()), len(shaping.NAMES), 'torch' in sys.modules)"
    )
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    parts, shapers, torch = told.stdout.split()
    assert int(parts) > 30
    assert int(shapers) > 15
    assert torch == "False"


def test_an_index_of_other_tables_gives_exports_and_ready_parts() -> None:
    assert advantages.SCALES["none"] is advantages.NoScale
    assert curriculum.FILTERS["none"] is type(None)
    assert "nothing" not in advantages.SCALES
