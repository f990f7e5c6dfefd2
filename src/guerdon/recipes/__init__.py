"""One module per system: its composition, to be read and copied.

The index is the listing of this package: module ``dianjin_r1`` is recipe ``dianjin-r1``. A
recipe has a docstring, ``SLUG``, ``PAPER`` and ``build(**overrides)``, which returns the recipe of
a real run. Adding a file adds a recipe. What its paper claims is in ``guerdon.claims``.

Beside the systems stand compositions by the names that people use, such as ``dr-grpo`` or ``ppo``;
their table is ``_named.py``. `build_recipe` makes either.
"""

from __future__ import annotations

import ast
import importlib
import json
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

from guerdon.names import nearest, slugs_in

_REQUIRED = ("SLUG", "PAPER", "build")


class Paper(NamedTuple):
    """Where a system was published; ``arxiv`` is its number there, or empty."""

    title: str
    arxiv: str = ""


def all_recipes() -> tuple[str, ...]:
    """Every recipe's slug, sorted; imports none of them."""
    return slugs_in(__path__)


def told_in_a_line(slug: str) -> str:
    """The first line of a recipe's docstring, read from its source; imports nothing."""
    return _first_line(ast.parse(_source(slug.replace("-", "_"))))


def left_out(slug: str) -> str:
    """What a recipe's docstring says is left out of its paper; "" where it says nothing.

    That is the text from "Left out:" to the end of the paragraph, in one line. Imports nothing.
    """
    told = ast.get_docstring(ast.parse(_source(slug.replace("-", "_")))) or ""
    said = (" ".join(paragraph.split()).partition("Left out: ") for paragraph in told.split("\n\n"))
    return " ".join(text for _, _, text in said if text)


def named_recipes() -> dict[str, str]:
    """The compositions by name, each told in a line; read from the source, imports nothing."""
    body = ast.parse(_source("_named")).body
    made = {node.name: node for node in body if isinstance(node, ast.FunctionDef)}
    table = next(node for node in ast.walk(body[-1]) if isinstance(node, ast.Dict))
    return {
        str(ast.literal_eval(name)): _first_line(made[maker.id])
        for name, maker in zip(table.keys, table.values, strict=True)
        if name is not None and isinstance(maker, ast.Name)
    }


def build_recipe(name: str, **overrides: Any) -> Any:
    """The recipe of a system or of a composition by name, with fields of it replaced.

    Raises ValueError for an unknown name, with those that are near to it.
    """
    if name in named_recipes():
        from guerdon.recipes._named import NAMED

        return NAMED[name](**overrides)
    return load_recipe(name).build(**overrides)


def _source(module: str) -> str:
    return Path(__file__).with_name(f"{module}.py").read_text(encoding="utf-8")


def _first_line(node: ast.Module | ast.FunctionDef) -> str:
    return (ast.get_docstring(node) or "").partition("\n")[0]


class Marks(NamedTuple):
    """How far a system works: its parts are tested, it runs in the loop, what its claim came to.

    ``parts`` is "yes" if every unit check of its specification has a test, "6 of 8" if so many
    have, "no" without any list of them. ``verdict`` is None where the claim has not been run.
    """

    parts: str
    runs: bool
    verdict: str | None


def marks() -> dict[str, Marks]:
    """Every system's marks, as they were when the package was made; imports nothing.

    ``python -m guerdon.reproduction.table`` reads them from tests and results.
    """
    known: dict[str, Any] = json.loads(MARKS.read_text(encoding="utf-8"))
    return {slug: Marks(*known.get(slug, ("no", False, None))) for slug in all_recipes()}


MARKS = Path(__file__).with_name("marks.json")


def load_recipe(slug: str) -> ModuleType:
    """The module of a recipe.

    Raises ValueError for an unknown slug (naming the known ones) and for a module that lacks
    one of ``SLUG``, ``PAPER``, ``build`` or whose ``SLUG`` does not fit its file.
    """
    if slug not in all_recipes():
        meant = nearest(slug, (*all_recipes(), *named_recipes()))
        known = meant or f"; the recipes are {', '.join((*all_recipes(), *named_recipes()))}"
        raise ValueError(f"there is no recipe {slug!r}{known} (guerdon recipes tells them)")
    module = importlib.import_module(f"{__name__}.{slug.replace('-', '_')}")
    for name in _REQUIRED:
        if not hasattr(module, name):
            raise ValueError(f"{module.__file__} defines no {name}; every recipe has one")
    if slug != module.SLUG:
        raise ValueError(f"{module.__file__}: SLUG is {module.SLUG!r}, its file says {slug!r}")
    return module


__all__ = [
    "MARKS",
    "Marks",
    "Paper",
    "all_recipes",
    "build_recipe",
    "left_out",
    "load_recipe",
    "marks",
    "named_recipes",
    "told_in_a_line",
]
