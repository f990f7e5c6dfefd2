"""Scores to scores."""

from guerdon.shaping.penalties import Affine, KLPenalty, OverlongPenalty, log_ratio
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
}

__all__ = [
    "NAMES",
    "Affine",
    "KLPenalty",
    "MeanLogProb",
    "OverlongPenalty",
    "PaperForm",
    "ReleasedForm",
    "SumLogProb",
    "Unlikeliness",
    "log_ratio",
]
