"""Scores to scores."""

from typing import TYPE_CHECKING

from guerdon.exports import Index, exporting

if TYPE_CHECKING:
    from guerdon.shaping.anneal import Annealed as Annealed
    from guerdon.shaping.clamp import Clamp as Clamp
    from guerdon.shaping.classes import RankWithinClass as RankWithinClass
    from guerdon.shaping.combine import GatedSum as GatedSum
    from guerdon.shaping.combine import NormalisedSum as NormalisedSum
    from guerdon.shaping.combine import WorstPart as WorstPart
    from guerdon.shaping.curves import FittedPolynomial as FittedPolynomial
    from guerdon.shaping.curves import LogSigmoid as LogSigmoid
    from guerdon.shaping.curves import Proportional as Proportional
    from guerdon.shaping.curves import Sigmoid as Sigmoid
    from guerdon.shaping.curves import Tanh as Tanh
    from guerdon.shaping.diversity import Diversity as Diversity
    from guerdon.shaping.diversity import signals_of as signals_of
    from guerdon.shaping.ensembles import Ensemble as Ensemble
    from guerdon.shaping.ensembles import MeanLessVariance as MeanLessVariance
    from guerdon.shaping.ensembles import MeanMember as MeanMember
    from guerdon.shaping.ensembles import WorstMember as WorstMember
    from guerdon.shaping.linear import Affine as Affine
    from guerdon.shaping.linear import Chain as Chain
    from guerdon.shaping.linear import WeightedParts as WeightedParts
    from guerdon.shaping.linear import add_to_rows as add_to_rows
    from guerdon.shaping.logic import And as And
    from guerdon.shaping.logic import Good as Good
    from guerdon.shaping.logic import LogProbability as LogProbability
    from guerdon.shaping.logic import Not as Not
    from guerdon.shaping.logic import Or as Or
    from guerdon.shaping.logic import Weighted as Weighted
    from guerdon.shaping.penalties import KLPenalty as KLPenalty
    from guerdon.shaping.penalties import LengthPenalty as LengthPenalty
    from guerdon.shaping.penalties import OverlongPenalty as OverlongPenalty
    from guerdon.shaping.penalties import log_ratio as log_ratio
    from guerdon.shaping.references import ColumnReferences as ColumnReferences
    from guerdon.shaping.references import FixedReferences as FixedReferences
    from guerdon.shaping.references import GaussianQuantile as GaussianQuantile
    from guerdon.shaping.references import Quantile as Quantile
    from guerdon.shaping.references import WithReferences as WithReferences
    from guerdon.shaping.references import with_references as with_references
    from guerdon.shaping.running import RunningClip as RunningClip
    from guerdon.shaping.running import RunningMinMax as RunningMinMax
    from guerdon.shaping.running import RunningStandardise as RunningStandardise
    from guerdon.shaping.steps import Clip as Clip
    from guerdon.shaping.steps import Delta as Delta
    from guerdon.shaping.steps import ScoredSteps as ScoredSteps
    from guerdon.shaping.steps import SeparatorEnds as SeparatorEnds
    from guerdon.shaping.steps import StepRewards as StepRewards
    from guerdon.shaping.steps import TurnEnds as TurnEnds
    from guerdon.shaping.transform import Transform as Transform
    from guerdon.shaping.unlikeliness import MeanLogProb as MeanLogProb
    from guerdon.shaping.unlikeliness import PaperForm as PaperForm
    from guerdon.shaping.unlikeliness import ReleasedForm as ReleasedForm
    from guerdon.shaping.unlikeliness import SumLogProb as SumLogProb
    from guerdon.shaping.unlikeliness import Unlikeliness as Unlikeliness
    from guerdon.shaping.whitened import WhitenedRewards as WhitenedRewards

NAMES = Index(__name__)

if not TYPE_CHECKING:
    __getattr__, __dir__, __all__ = exporting(__name__)
