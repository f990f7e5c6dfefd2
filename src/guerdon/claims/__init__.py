"""One module per system: what its paper claims, in miniature.

The index is the listing of this package: module ``dianjin_r1`` holds the claim of recipe
``dianjin-r1``. It has a docstring that tells the miniature, its constants, its arms and
``claim()``, which returns the `Claim`. Adding a file adds a claim. What came of earlier runs is
told beside the results, in ``reproductions/``.
"""

from __future__ import annotations

import importlib

from guerdon.names import slugs_in
from guerdon.recipes import load_recipe
from guerdon.reproduction import Claim
from guerdon.reproduction.code import code_of


def all_claims() -> tuple[str, ...]:
    """The slug of every system with a claim, sorted; imports none of them."""
    return slugs_in(__path__)


def load_claim(slug: str) -> Claim:
    """The claim of a system.

    Raises ValueError for a slug without one (naming those with one), and for a module that defines
    no ``claim`` or whose claim has another slug than its file.
    """
    if slug not in all_claims():
        raise ValueError(f"there is no claim {slug!r}; the claims are {', '.join(all_claims())}")
    module = importlib.import_module(f"{__name__}.{slug.replace('-', '_')}")
    if not hasattr(module, "claim"):
        raise ValueError(f"{module.__file__} defines no claim; every claim's module has one")
    claim: Claim = module.claim()
    if claim.slug != slug:
        raise ValueError(
            f"{module.__file__}: the claim's slug is {claim.slug!r}, its file says {slug!r}"
        )
    return claim


def code_behind(claim: Claim) -> dict[str, str]:
    """Digests by module of a system's claim, its recipe, and the parts that both are made of."""
    recipe = load_recipe(claim.slug)
    module = importlib.import_module(f"{__name__}.{claim.slug.replace('-', '_')}")
    return code_of(claim, module, recipe, recipe=recipe.build())


__all__ = ["all_claims", "code_behind", "load_claim"]
