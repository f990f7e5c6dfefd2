"""The code that a result was made by: digests of it, and whether a result is still of today's."""

from __future__ import annotations

import ast
import hashlib
import inspect
import sys
from collections.abc import Iterable, Mapping
from enum import StrEnum
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

from guerdon.composition import places
from guerdon.reproduction.claim import Claim, ClaimError
from guerdon.reproduction.run import read

_APART = ("guerdon.records", "guerdon.stages", "guerdon.reproduction", "guerdon.recipes")
"""What flows and what judges: every claim names these."""

_TOLD = 8


class State(StrEnum):
    """What a result is worth beside the code of today."""

    CURRENT = "current"
    STALE = "stale"
    UNKNOWN = "not known"
    MISSING = "no result"


class Standing(NamedTuple):
    """A result's state, and why it is that."""

    state: State
    why: str = ""


def code_of(claim: Claim, *sources: ModuleType, recipe: Any = None) -> dict[str, str]:
    """Digests by module of what a claim's runs are made of, sorted by name.

    These are ``sources`` (its own module and its recipe's), and the modules of the parts: all that
    ``recipe`` and the claim's arms are composed of, and each class, function and part of guerdon's
    that a source names. Not what these import in turn. Comments, docstrings and layout do not
    count. A digest is the first 16 digits of a SHA-256.
    """
    named = [value for source in sources for value in vars(source).values()]
    modules = {_module_of(part) for whole in (recipe, dict(claim.arms)) for part in _all_in(whole)}
    modules |= {_module_of(part) for value in named for part in _all_in(value)}
    parts = {name for name in modules if name.startswith("guerdon.")}
    kept = {name for name in parts if not name.startswith(_APART)}
    kept |= {source.__name__ for source in sources}
    return {name: digest(inspect.getsource(sys.modules[name])) for name in sorted(kept)}


def standing(result: Path | None, claim: Claim, code: Mapping[str, str]) -> Standing:
    """How the result file ``result`` of ``claim`` (None: there is none) stands beside ``code``.

    It is stale where a digest differs, and where it has fewer seeds than the claim asks for; a file
    of before digests were written, or that can't be read, is not known.
    """
    if result is None or not result.exists():
        return Standing(State.MISSING)
    try:
        data = read(result)
    except ClaimError as error:
        return Standing(State.UNKNOWN, str(error))
    known = data.get("code")
    if not isinstance(known, dict) or not known:
        return Standing(State.UNKNOWN, "it says no code")
    changed = sorted(k for k in {*known, *code} if known.get(k) != code.get(k))
    if changed:
        told = ", ".join(changed[:_TOLD]) + (" …" if len(changed) > _TOLD else "")
        return Standing(State.STALE, f"changed since: {told}")
    if len(data["seeds"]) < claim.seeds:
        told = f"{len(data['seeds'])} seeds, and the claim has {claim.seeds}"
        return Standing(State.STALE, told)
    return Standing(State.CURRENT)


def _all_in(whole: Any) -> Iterable[Any]:
    if isinstance(whole, type):
        return [whole]
    return [part for _, part in places(whole)]


def _module_of(part: Any) -> str:
    """Where a class, a function or a part's class is written; "" where that is not known."""
    kind = part if isinstance(part, type) or inspect.isfunction(part) else type(part)
    return str(getattr(kind, "__module__", ""))


def digest(source: str) -> str:
    """The digest of a module's source text, comments, docstrings and layout left out.

    It is made from the syntax tree without what is empty in it, so that versions of Python agree.
    Raises SyntaxError for a text that this one can't read.
    """
    tree = ast.parse(source)
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if isinstance(body, list):
            said = [one for one in body if not _is_text(one)]
            node.body = said or [ast.Pass()]  # type: ignore[attr-defined]
    return hashlib.sha256(repr(_plain(tree)).encode()).hexdigest()[:16]


def _plain(node: Any) -> Any:
    """A syntax tree as nested lists, without fields that are empty: new versions add such."""
    if isinstance(node, list):
        return [_plain(one) for one in node]
    if not isinstance(node, ast.AST):
        return node
    fields = [[name, _plain(one)] for name, one in ast.iter_fields(node) if one not in (None, [])]
    return [type(node).__name__, *fields]


def _is_text(node: Any) -> bool:
    """Whether a statement is a text that stands alone: it does nothing."""
    return (
        isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Constant)
        and isinstance(node.value.value, str)
    )
