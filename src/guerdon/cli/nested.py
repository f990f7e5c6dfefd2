"""Settings inside the parts of a recipe, read from source: completion can't wait for imports.

What stands at a place is what the command line has put there by name, else what the recipe's
``build`` writes there, else its class's default. A recipe file is not read.
"""

from __future__ import annotations

import ast
import importlib.util
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from guerdon.cli.offered import Choices
from guerdon.names import slugs_in

_DEEPEST = 4
"""How deep settings are offered below the place that was begun."""


@dataclass(frozen=True)
class _Class:
    """A class that was found in a module's source."""

    node: ast.ClassDef
    module: str


@dataclass(frozen=True)
class _Part:
    """What stands at a place: its class, and the settings that it is written with."""

    found: _Class
    written: Mapping[str, ast.expr] = field(default_factory=dict)
    within: str = ""
    """The module in which these are written."""


def nested_options(recipe: str, chosen: Mapping[str, str], choices: Choices) -> Iterator[str]:
    """Every setting of the recipe of that name (``loop.steps``), with parts ``chosen`` by name."""
    whole = _recipe(recipe)
    if whole is not None:
        yield from _below(whole, "", chosen, choices, 0)


def _below(
    part: _Part, place: str, chosen: Mapping[str, str], choices: Choices, depth: int
) -> Iterator[str]:
    for name, (declared, default) in _fields(part.found).items():
        option = (f"{place}.{name}" if place else name).replace("_", "-")
        given = part.written.get(name)
        held: list[_Part | None] = [_chosen(option, chosen, choices)]
        if held == [None] and option not in chosen:
            held = _made(given if name in part.written else default, part.within, part.found.module)
            # A setting of one class holds it, however it was made.
            held = held if held != [None] else [_class_part(declared, part.found.module)]
        for number, one in enumerate(held):
            at = option if not isinstance(given or default, ast.Tuple) else f"{option}.{number}"
            if one is None or not _fields(one.found) or depth == _DEEPEST:
                yield option
            else:
                yield from _below(one, at, chosen, choices, depth + 1)


def _recipe(name: str) -> _Part | None:
    """What ``build`` of a recipe makes, as far as it is written there in one call."""
    module = f"guerdon.recipes.{name.replace('-', '_')}"
    made = "build"
    if name not in slugs_in([str(Path(__file__).parents[1] / "recipes")]):
        module = "guerdon.recipes._named"
        made = name.replace("-", "_").replace("++", "_plus_plus")
    tree = _tree(module)
    for node in tree.body if tree is not None else ():
        if isinstance(node, ast.FunctionDef) and node.name == made:
            kind = node.returns.id if isinstance(node.returns, ast.Name) else ""
            found = _class(kind, module)
            calls = [one for one in ast.walk(node) if isinstance(one, ast.Call)]
            names = {*_fields(found)} if found is not None else set[str]()
            written = {
                one.arg: one.value for call in calls for one in call.keywords if one.arg in names
            }
            return None if found is None else _Part(found, written, module)
    return None


def _chosen(option: str, chosen: Mapping[str, str], choices: Choices) -> _Part | None:
    """The part that the command line names at a place, where its class is known by name."""
    table = choices.get(option)
    kinds: Mapping[str, object] = getattr(table, "_names", {})
    kind = kinds.get(chosen.get(option, "").partition(":")[0])
    found = _class(kind, getattr(table, "_package", "")) if isinstance(kind, str) else None
    return None if found is None else _Part(found)


def _made(value: ast.expr | None, within: str, module: str) -> list[_Part | None]:
    """The parts that an expression makes: one, or those of a tuple; None where that is not told.

    It stands in the module ``within``, or, of a field's default, in that of its class.
    """
    if isinstance(value, ast.Tuple) and value.elts:
        return [_one(element, within or module) or _one(element, module) for element in value.elts]
    return [_one(value, within or module) or _one(value, module)]


def _one(value: ast.expr | None, module: str) -> _Part | None:
    """The part that ``GSPO(...)`` makes, or a field's factory of one."""
    if not isinstance(value, ast.Call) or not isinstance(value.func, ast.Name):
        return None
    if value.func.id == "field":
        factory = next((k.value for k in value.keywords if k.arg == "default_factory"), None)
        factory = factory.body if isinstance(factory, ast.Lambda) else factory
        made = ast.Call(factory, [], []) if isinstance(factory, ast.Name) else factory
        return _one(made, module)
    found = _class(value.func.id, module)
    if found is None:
        return None
    written = dict(zip(_fields(found), value.args, strict=False))
    written |= {one.arg: one.value for one in value.keywords if one.arg is not None}
    return _Part(found, written, module)


def _class_part(declared: ast.expr, module: str) -> _Part | None:
    """What a setting of one dataclass holds; None where several could stand there."""
    found = _class(declared.id, module) if isinstance(declared, ast.Name) else None
    return (
        _Part(found)
        if found is not None
        and found.node.decorator_list
        and not any(
            isinstance(base, ast.Name) and base.id == "Protocol" for base in found.node.bases
        )
        else None
    )


def _fields(found: _Class) -> dict[str, tuple[ast.expr, ast.expr | None]]:
    """A dataclass's settings, those of its bases first: what is declared, and the default."""
    own = {
        node.target.id: (node.annotation, node.value)
        for node in found.node.body
        if isinstance(node, ast.AnnAssign)
        and isinstance(node.target, ast.Name)
        and "ClassVar" not in ast.dump(node.annotation)
        and not node.target.id.startswith("_")
        and not _is_remembered(node.value)
    }
    bases = [_class(b.id, found.module) for b in found.node.bases if isinstance(b, ast.Name)]
    inherited = {name: told for base in bases if base for name, told in _fields(base).items()}
    return {**inherited, **own}


def _is_remembered(default: ast.expr | None) -> bool:
    """Whether it is ``field(..., init=False)``: what a part keeps, and nobody sets."""
    return isinstance(default, ast.Call) and any(
        one.arg == "init" and isinstance(one.value, ast.Constant) and one.value.value is False
        for one in default.keywords
    )


@cache
def _class(name: str, module: str) -> _Class | None:
    """The class called so in a module of ours, or where that has it from."""
    tree = _tree(module)
    for node in ast.walk(tree) if tree is not None else ():
        if isinstance(node, ast.ClassDef) and node.name == name:
            return _Class(node, module)
        if isinstance(node, ast.ImportFrom) and node.module:
            for alias in node.names:
                if (alias.asname or alias.name) == name:
                    return _class(alias.name, node.module)
    return None


@cache
def _tree(module: str) -> ast.Module | None:
    """A module's source, read without importing it."""
    if module.partition(".")[0] != "guerdon":
        return None
    root = importlib.util.find_spec("guerdon")
    base = Path(root.origin).parent if root is not None and root.origin else Path()
    path = base.joinpath(*module.split(".")[1:])
    file = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
    return ast.parse(file.read_text(encoding="utf-8")) if file.is_file() else None
