"""Scores to scores."""

from guerdon.shaping.anneal import Annealed
from guerdon.shaping.clamp import Clamp
from guerdon.shaping.classes import RankWithinClass
from guerdon.shaping.combine import GatedSum, NormalisedSum, WorstPart
from guerdon.shaping.curves import FittedPolynomial, Linear, LogSigmoid, Sigmoid, Tanh
from guerdon.shaping.diversity import Diversity, signals_of
from guerdon.shaping.ensembles import Ensemble, MeanLessVariance, MeanMember, WorstMember
from guerdon.shaping.linear import Affine, Chain, WeightedParts, add_to_rows
from guerdon.shaping.logic import And, Good, LogProbability, Not, Or, Weighted
from guerdon.shaping.penalties import KLPenalty, LengthPenalty, OverlongPenalty, log_ratio
from guerdon.shaping.references import (
    ColumnReferences,
    FixedReferences,
    GaussianQuantile,
    Quantile,
    ReferencedTasks,
    with_references,
)
from guerdon.shaping.running import RunningClip, RunningMinMax, RunningStandardise
from guerdon.shaping.steps import Clip, Delta, ScoredSteps, SeparatorEnds, StepRewards, TurnEnds
from guerdon.shaping.transform import Transform
from guerdon.shaping.unlikeliness import (
    MeanLogProb,
    PaperForm,
    ReleasedForm,
    SumLogProb,
    Unlikeliness,
)

NAMES = {
    "affine": Affine,
    "annealed": Annealed,
    "clamp": Clamp,
    "diversity": Diversity,
    "ensemble": Ensemble,
    "gated-sum": GatedSum,
    "kl-penalty": KLPenalty,
    "length-penalty": LengthPenalty,
    "log-probability": LogProbability,
    "normalised-sum": NormalisedSum,
    "overlong": OverlongPenalty,
    "running-clip": RunningClip,
    "running-min-max": RunningMinMax,
    "running-standardise": RunningStandardise,
    "transform": Transform,
    "unlikeliness": Unlikeliness,
    "weighted-parts": WeightedParts,
    "worst-part": WorstPart,
}

__all__ = [
    "NAMES",
    "Affine",
    "And",
    "Annealed",
    "Chain",
    "Clamp",
    "Clip",
    "ColumnReferences",
    "Delta",
    "Diversity",
    "Ensemble",
    "FittedPolynomial",
    "FixedReferences",
    "GatedSum",
    "GaussianQuantile",
    "Good",
    "KLPenalty",
    "LengthPenalty",
    "Linear",
    "LogProbability",
    "LogSigmoid",
    "MeanLessVariance",
    "MeanLogProb",
    "MeanMember",
    "NormalisedSum",
    "Not",
    "Or",
    "OverlongPenalty",
    "PaperForm",
    "Quantile",
    "RankWithinClass",
    "ReferencedTasks",
    "ReleasedForm",
    "RunningClip",
    "RunningMinMax",
    "RunningStandardise",
    "ScoredSteps",
    "SeparatorEnds",
    "Sigmoid",
    "StepRewards",
    "SumLogProb",
    "Tanh",
    "Transform",
    "TurnEnds",
    "Unlikeliness",
    "Weighted",
    "WeightedParts",
    "WorstMember",
    "WorstPart",
    "add_to_rows",
    "log_ratio",
    "signals_of",
    "with_references",
]
