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
from guerdon.advantages.spread import whiten
from guerdon.advantages.tokens import (
    GAE,
    ReinforcePlusPlus,
    ReinforcePlusPlusBaseline,
    ReturnToGo,
    Whiten,
)
from guerdon.advantages.turns import (
    AcrossSteps,
    AcrossTrajectories,
    MeanNorm,
    MeanStdNorm,
    TwoLevel,
    returns_to_go,
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
    "two-level": TwoLevel,
}

SCALES = {"group-std": GroupStd, "none": NoScale, "batch-std": BatchStd}

__all__ = [
    "GAE",
    "NAMES",
    "SCALES",
    "AcrossSteps",
    "AcrossTrajectories",
    "BatchStd",
    "GroupNormalised",
    "GroupStd",
    "LeaveOneOut",
    "LengthWeightedBaseline",
    "MeanNorm",
    "MeanStdNorm",
    "NoScale",
    "NormalisedParts",
    "ReinforcePlusPlus",
    "ReinforcePlusPlusBaseline",
    "ReturnToGo",
    "SingleRaw",
    "SingleZero",
    "TwoLevel",
    "Whiten",
    "returns_to_go",
    "whiten",
]
