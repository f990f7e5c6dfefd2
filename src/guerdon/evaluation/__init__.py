"""Figures with their uncertainty: intervals, tests, and metrics of repeated samples."""

from guerdon.evaluation.categories import category_means, macro_mean
from guerdon.evaluation.classes import macro_f1
from guerdon.evaluation.intervals import (
    Interval,
    bootstrap,
    bounded,
    paired_bootstrap,
    paired_bounded,
    paired_difference,
    permutation_test,
    sign_flip_test,
    student,
    unpaired_bootstrap,
    wilson,
)
from guerdon.evaluation.repeated import consistency, majority, mean_at_k, pass_at_k

NAMES = {
    "consistency": consistency,
    "macro-f1": macro_f1,
    "majority": majority,
    "mean-at-k": mean_at_k,
    "pass-at-k": pass_at_k,
}

__all__ = [
    "NAMES",
    "Interval",
    "bootstrap",
    "bounded",
    "category_means",
    "consistency",
    "macro_f1",
    "macro_mean",
    "majority",
    "mean_at_k",
    "paired_bootstrap",
    "paired_bounded",
    "paired_difference",
    "pass_at_k",
    "permutation_test",
    "sign_flip_test",
    "student",
    "unpaired_bootstrap",
    "wilson",
]
