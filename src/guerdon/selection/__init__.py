"""Which rows, or which pairs of them, are learned from."""

from typing import TYPE_CHECKING

from guerdon.exports import Index, exporting

if TYPE_CHECKING:
    from guerdon.selection.best import BestAgainstWorst as BestAgainstWorst
    from guerdon.selection.best import BestOfN as BestOfN
    from guerdon.selection.best import WholeGroups as WholeGroups
    from guerdon.selection.dominance import AllPairs as AllPairs
    from guerdon.selection.dominance import dominating as dominating

NAMES = Index(
    __name__,
    {
        "none": type(None),
        "all-pairs": "AllPairs",
        "best-of-n": "BestOfN",
        "best-against-worst": "BestAgainstWorst",
    },
)

if not TYPE_CHECKING:
    __getattr__, __dir__, __all__ = exporting(__name__)
