"""Scores to scores."""

from guerdon.shaping.linear import Affine, Chain, WeightedParts, add_to_rows
from guerdon.shaping.penalties import KLPenalty, OverlongPenalty, log_ratio
from guerdon.shaping.unlikeliness import (
    MeanLogProb,
    PaperForm,
    ReleasedForm,
    SumLogProb,
    Unlikeliness,
)

NAMES = {
    "affine": Affine,
    "kl-penalty": KLPenalty,
    "overlong": OverlongPenalty,
    "unlikeliness": Unlikeliness,
    "weighted-parts": WeightedParts,
}

__all__ = [
    "NAMES",
    "Affine",
    "Chain",
    "KLPenalty",
    "MeanLogProb",
    "OverlongPenalty",
    "PaperForm",
    "ReleasedForm",
    "SumLogProb",
    "Unlikeliness",
    "WeightedParts",
    "add_to_rows",
    "log_ratio",
]
