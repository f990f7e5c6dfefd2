"""A run's ``recipe.yaml``: written whole, and read as something that anybody may have written."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from guerdon.parsing.strict_yaml import is_open_end, read_yaml
from guerdon.parts import PartError, build, describe
from guerdon.trust import foreign, trust_options


def recipe_text(recipe: Any) -> str:
    """A recipe of any kind as YAML; what is text already stays so.

    Raises PartError for what `read_recipe` would refuse.
    """
    if isinstance(recipe, str):
        return recipe
    data = describe(recipe)
    _refuse_unwritable(data, "recipe")
    return str(yaml.safe_dump(data, sort_keys=False, allow_unicode=True))


def read_recipe(path: Path, trust: Sequence[str] = ()) -> Any:
    """What `recipe_text` says, made of this package's parts and what ``trust`` names.

    Raises PartError naming file, field and mend, and nothing else, whatever the file holds.
    """
    try:
        return build(read_yaml(path), "recipe", trust)
    except ValueError as error:
        raise PartError(f"{path}: {str(error).removeprefix('recipe: ')}") from error


def trust_needed(path: Path) -> str:
    """The options with which a command reads this recipe's file again; "" where it needs none.

    Raises PartError where the file can't be read.
    """
    try:
        return trust_options(foreign(read_yaml(path)))
    except ValueError as error:
        raise PartError(f"{path}: {error}") from error


def _refuse_unwritable(data: Any, place: str) -> None:
    """Numbers and text that the file could hold, but not be read from again."""
    if isinstance(data, float) and not (math.isfinite(data) or is_open_end(data, place)):
        raise PartError(
            f"{place} is {data}, which a recipe's file can't hold; give a finite number"
        )
    if isinstance(data, str):
        try:
            data.encode()
        except UnicodeEncodeError as error:
            raise PartError(f"{place} is no text that a file can hold ({error})") from error
    inside = data.items() if isinstance(data, dict) else ()
    for key, value in inside:
        _refuse_unwritable(value, f"{place}.{key}")
    for number, value in enumerate(data if isinstance(data, list) else ()):
        _refuse_unwritable(value, f"{place}[{number}]")
