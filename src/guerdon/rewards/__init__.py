"""Rewards: completions to scores. Each declares its ``scope`` and the ``range`` of its values."""

from guerdon.rewards.answer import (
    AnswerMatch,
    Boxed,
    Extractor,
    LastNumber,
    Tagged,
    WholeText,
)
from guerdon.rewards.choice import ChoiceMatch, DianjinReward, gated, right_in_form, summed
from guerdon.rewards.compose import Gate, GroupZAverage, Product, WeightedSum
from guerdon.rewards.environment import EnvironmentReturn
from guerdon.rewards.format import FormatReward, LengthReward
from guerdon.rewards.function import FunctionReward, reward
from guerdon.rewards.overlap import (
    HarmonicBleuRouge,
    ReferenceBLEU,
    RougeL,
    add_one_bleu,
    bleu_rouge,
    brevity_penalty,
    harmonic_mean,
    references_of,
    rouge_l,
    sacrebleu_bleu,
)
from guerdon.rewards.reasoning_gym import ReasoningGymScore
from guerdon.rewards.rows import Judged, Ungradable, gather

NAMES = {
    "answer-match": AnswerMatch,
    "bleu": ReferenceBLEU,
    "bleu-rouge": HarmonicBleuRouge,
    "choice-match": ChoiceMatch,
    "dianjin": DianjinReward,
    "environment-return": EnvironmentReturn,
    "format": FormatReward,
    "length": LengthReward,
    "rouge-l": RougeL,
}
"""Command-line names of the rewards that need no further settings."""

__all__ = [
    "NAMES",
    "AnswerMatch",
    "Boxed",
    "ChoiceMatch",
    "DianjinReward",
    "EnvironmentReturn",
    "Extractor",
    "FormatReward",
    "FunctionReward",
    "Gate",
    "GroupZAverage",
    "HarmonicBleuRouge",
    "Judged",
    "LastNumber",
    "LengthReward",
    "Product",
    "ReasoningGymScore",
    "ReferenceBLEU",
    "RougeL",
    "Tagged",
    "Ungradable",
    "WeightedSum",
    "WholeText",
    "add_one_bleu",
    "bleu_rouge",
    "brevity_penalty",
    "gated",
    "gather",
    "harmonic_mean",
    "references_of",
    "reward",
    "right_in_form",
    "rouge_l",
    "sacrebleu_bleu",
    "summed",
]
