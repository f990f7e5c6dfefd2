"""Which tasks next, and which groups are worth an update."""

from guerdon.curriculum.order import SequentialTasks, ShuffledTasks
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
    "Informative",
    "Ranking",
    "SequentialTasks",
    "ShuffledTasks",
    "at_random",
    "easy",
    "hard",
    "medium",
    "select_by_score",
]
