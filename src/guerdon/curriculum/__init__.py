"""Which tasks next, and which groups are worth an update."""

from guerdon.curriculum.order import SequentialTasks, ShuffledTasks
from guerdon.curriculum.pair_statistics import PairStatistics
from guerdon.curriculum.peer_review import (
    EachBatch,
    EasyToHard,
    KeepRate,
    PassOrder,
    PeerReview,
    by_both,
    by_itself,
    by_peer,
    easy_to_hard,
    kept_count,
    largest,
)
from guerdon.curriculum.selection import (
    Informative,
    Ranking,
    at_random,
    easy,
    hard,
    medium,
    select_by_score,
)

NAMES = {
    "shuffled": ShuffledTasks,
    "sequential": SequentialTasks,
}
FILTERS = {"none": type(None), "informative": Informative}

__all__ = [
    "FILTERS",
    "NAMES",
    "EachBatch",
    "EasyToHard",
    "Informative",
    "KeepRate",
    "PairStatistics",
    "PassOrder",
    "PeerReview",
    "Ranking",
    "SequentialTasks",
    "ShuffledTasks",
    "at_random",
    "by_both",
    "by_itself",
    "by_peer",
    "easy",
    "easy_to_hard",
    "hard",
    "kept_count",
    "largest",
    "medium",
    "select_by_score",
]
