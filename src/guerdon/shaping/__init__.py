"""Scores to scores: penalties, scales and rank-dependent rewards. Parts are kept."""

from guerdon.shaping.linear import Chain, Scale, Shift, WeightedParts, add_to_rows
from guerdon.shaping.penalties import KLPenalty, OverlongPenalty, log_ratio
from guerdon.shaping.unlikeliness import (
    Unlikeliness,
    arbitrary_ties,
    average_ties,
    mean_likelihood,
    paper_form,
    released_form,
    sum_likelihood,
)

NAMES = {
    "kl-penalty": KLPenalty,
    "overlong-penalty": OverlongPenalty,
    "scale": Scale,
    "shift": Shift,
    "unlikeliness": Unlikeliness,
    "weighted-parts": WeightedParts,
}
"""Command-line names of the shapers whose settings all have defaults."""

__all__ = [
    "NAMES",
    "Chain",
    "KLPenalty",
    "OverlongPenalty",
    "Scale",
    "Shift",
    "Unlikeliness",
    "WeightedParts",
    "add_to_rows",
    "arbitrary_ties",
    "average_ties",
    "log_ratio",
    "mean_likelihood",
    "paper_form",
    "released_form",
    "sum_likelihood",
]
