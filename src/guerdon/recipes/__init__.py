"""One module per system: its composition, to be read and copied.

The index is the listing of this package: module ``dianjin_r1`` is recipe ``dianjin-r1``. A
recipe has a docstring, ``SLUG``, ``PAPER`` and ``build(**overrides)``, which returns the recipe of
a real run. Adding a file adds a recipe. What its paper claims is in ``guerdon.claims``.
"""

from __future__ import annotations

import importlib
from types import ModuleType
from typing import NamedTuple

from guerdon.names import slugs_in

_REQUIRED = ("SLUG", "PAPER", "build")


class Paper(NamedTuple):
    """Where a system was published; ``arxiv`` is its number there, or empty."""

    title: str
    arxiv: str = ""


def all_recipes() -> tuple[str, ...]:
    """Every recipe's slug, sorted; imports none of them."""
    return slugs_in(__path__)


def load_recipe(slug: str) -> ModuleType:
    """The module of a recipe.

    Raises ValueError for an unknown slug (naming the known ones) and for a module that lacks
    one of ``SLUG``, ``PAPER``, ``build`` or whose ``SLUG`` does not fit its file.
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
