"""Scores to an advantage per position."""

from typing import TYPE_CHECKING

from guerdon.exports import Index, exporting

if TYPE_CHECKING:
    from guerdon.advantages.group import BatchStd as BatchStd
    from guerdon.advantages.group import GroupNormalised as GroupNormalised
    from guerdon.advantages.group import GroupStd as GroupStd
    from guerdon.advantages.group import LeaveOneOut as LeaveOneOut
    from guerdon.advantages.group import LengthWeightedBaseline as LengthWeightedBaseline
    from guerdon.advantages.group import NormalisedParts as NormalisedParts
    from guerdon.advantages.group import NoScale as NoScale
    from guerdon.advantages.group import SingleRaw as SingleRaw
    from guerdon.advantages.group import SingleZero as SingleZero
    from guerdon.advantages.spread import whiten as whiten
    from guerdon.advantages.tokens import GAE as GAE
    from guerdon.advantages.tokens import Imitation as Imitation
    from guerdon.advantages.tokens import ReinforcePlusPlus as ReinforcePlusPlus
    from guerdon.advantages.tokens import ReinforcePlusPlusBaseline as ReinforcePlusPlusBaseline
    from guerdon.advantages.tokens import ReturnToGo as ReturnToGo
    from guerdon.advantages.tokens import Whiten as Whiten
    from guerdon.advantages.turns import AcrossSteps as AcrossSteps
    from guerdon.advantages.turns import AcrossTrajectories as AcrossTrajectories
    from guerdon.advantages.turns import Equal as Equal
    from guerdon.advantages.turns import MeanNorm as MeanNorm
    from guerdon.advantages.turns import MeanStdNorm as MeanStdNorm
    from guerdon.advantages.turns import Similar as Similar
    from guerdon.advantages.turns import TwoLevel as TwoLevel
    from guerdon.advantages.turns import returns_to_go as returns_to_go

NAMES = Index(__name__)
SCALES = Index(__name__, {"group-std": "GroupStd", "none": "NoScale", "batch-std": "BatchStd"})

if not TYPE_CHECKING:
    __getattr__, __dir__, __all__ = exporting(__name__)
