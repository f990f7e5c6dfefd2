"""Scores to an advantage per position."""

from guerdon.advantages.group import (
    BatchStd,
    GroupNormalised,
    GroupStd,
    LeaveOneOut,
    LengthWeightedBaseline,
    NormalisedParts,
    NoScale,
    SingleRaw,
    SingleZero,
)
from guerdon.advantages.groups import GroupStatistics, group_statistics, whiten
from guerdon.advantages.tokens import (
    GAE,
    ReinforcePlusPlus,
    ReinforcePlusPlusBaseline,
    ReturnToGo,
    Whiten,
)

NAMES = {
    "group-normalised": GroupNormalised,
    "leave-one-out": LeaveOneOut,
    "length-weighted-baseline": LengthWeightedBaseline,
    "normalised-parts": NormalisedParts,
    "return-to-go": ReturnToGo,
    "reinforce++": ReinforcePlusPlus,
    "reinforce++-baseline": ReinforcePlusPlusBaseline,
    "gae": GAE,
}

__all__ = [
    "GAE",
    "NAMES",
    "BatchStd",
    "GroupNormalised",
    "GroupStatistics",
    "GroupStd",
    "LeaveOneOut",
    "LengthWeightedBaseline",
    "NoScale",
    "NormalisedParts",
    "ReinforcePlusPlus",
    "ReinforcePlusPlusBaseline",
    "ReturnToGo",
    "SingleRaw",
    "SingleZero",
    "Whiten",
    "group_statistics",
    "whiten",
]
