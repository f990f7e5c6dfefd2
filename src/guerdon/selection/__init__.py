"""Which rows, or which pairs of them, are learned from."""

from typing import TYPE_CHECKING

from guerdon.exports import Index, exporting

if TYPE_CHECKING:
    from guerdon.selection.dominance import AllPairs as AllPairs
    from guerdon.selection.dominance import dominating as dominating

NAMES = Index(__name__, {"none": type(None), "all-pairs": "AllPairs"})

if not TYPE_CHECKING:
    __getattr__, __dir__, __all__ = exporting(__name__)
