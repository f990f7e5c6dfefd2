"""One module per system: its composition, its claim and its miniature.

The index is the listing of this package: module ``dianjin_r1`` is recipe ``dianjin-r1``. A
recipe has a docstring, ``SLUG``, ``PAPER``, ``build(**overrides)`` returning the `PolicyRecipe` of
a real run and ``claim()`` returning the `Claim` of its miniature. Adding a file adds a recipe.
"""

from __future__ import annotations

import importlib
import pkgutil
from types import ModuleType
from typing import NamedTuple

_REQUIRED = ("SLUG", "PAPER", "build", "claim")


class Paper(NamedTuple):
    """Where a system was published; ``arxiv`` is its number there, or empty."""

    title: str
    arxiv: str = ""


def all_recipes() -> tuple[str, ...]:
    """Every recipe's slug, sorted; imports none of them."""
    return tuple(
        sorted(
            found.name.replace("_", "-")
            for found in pkgutil.iter_modules(__path__)
            if not found.name.startswith("_")
        )
    )


def load_recipe(slug: str) -> ModuleType:
    """The module of a recipe.

    Raises ValueError for an unknown slug (naming the known ones) and for a module that lacks
    one of ``SLUG``, ``PAPER``, ``build``, ``claim`` or whose ``SLUG`` does not fit its file.
    """
    if slug not in all_recipes():
        raise ValueError(f"there is no recipe {slug!r}; the recipes are {', '.join(all_recipes())}")
    module = importlib.import_module(f"{__name__}.{slug.replace('-', '_')}")
    for name in _REQUIRED:
        if not hasattr(module, name):
            raise ValueError(f"{module.__file__} defines no {name}; every recipe has one")
    if slug != module.SLUG:
        raise ValueError(f"{module.__file__}: SLUG is {module.SLUG!r}, its file says {slug!r}")
    return module


__all__ = ["Paper", "all_recipes", "load_recipe"]
