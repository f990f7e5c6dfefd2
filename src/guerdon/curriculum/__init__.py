"""Which tasks next, and which groups are worth an update."""

from typing import TYPE_CHECKING

from guerdon.exports import Index, exporting

if TYPE_CHECKING:
    from guerdon.curriculum.answered import Attainable as Attainable
    from guerdon.curriculum.answered import ByReward as ByReward
    from guerdon.curriculum.answered import ByVariance as ByVariance
    from guerdon.curriculum.gathered import GatheredRows as GatheredRows
    from guerdon.curriculum.order import SequentialTasks as SequentialTasks
    from guerdon.curriculum.order import ShuffledTasks as ShuffledTasks
    from guerdon.curriculum.pair_statistics import PairStatistics as PairStatistics
    from guerdon.curriculum.peer_review import EachBatch as EachBatch
    from guerdon.curriculum.peer_review import EasyToHard as EasyToHard
    from guerdon.curriculum.peer_review import KeepRate as KeepRate
    from guerdon.curriculum.peer_review import PassOrder as PassOrder
    from guerdon.curriculum.peer_review import PeerReview as PeerReview
    from guerdon.curriculum.peer_review import by_both as by_both
    from guerdon.curriculum.peer_review import by_itself as by_itself
    from guerdon.curriculum.peer_review import by_peer as by_peer
    from guerdon.curriculum.peer_review import easy_to_hard as easy_to_hard
    from guerdon.curriculum.peer_review import kept_count as kept_count
    from guerdon.curriculum.peer_review import largest as largest
    from guerdon.curriculum.replay import ReplayedRows as ReplayedRows
    from guerdon.curriculum.selection import Informative as Informative
    from guerdon.curriculum.selection import Pick as Pick
    from guerdon.curriculum.selection import at_random as at_random
    from guerdon.curriculum.selection import easy as easy
    from guerdon.curriculum.selection import hard as hard
    from guerdon.curriculum.selection import medium as medium
    from guerdon.curriculum.selection import select_by_score as select_by_score

NAMES = Index(__name__)
BUFFERS = Index(
    __name__,
    {
        "none": type(None),
        "gathered-rows": "GatheredRows",
        "replayed-rows": "ReplayedRows",
    },
)
FILTERS = Index(__name__, {"none": type(None), "informative": "Informative"})

if not TYPE_CHECKING:
    __getattr__, __dir__, __all__ = exporting(__name__)
