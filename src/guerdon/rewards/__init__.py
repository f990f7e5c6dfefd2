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
from guerdon.rewards.code import CodeReward
from guerdon.rewards.compose import Gate, GroupZAverage, Product, WeightedSum
from guerdon.rewards.environment import EnvironmentReturn
from guerdon.rewards.format import FormatReward, LengthReward
from guerdon.rewards.function import FunctionReward, reward
from guerdon.rewards.grounding import BoxReward, IntervalFormat, IntervalReward, PointReward
from guerdon.rewards.levels import Ramp, Scale, Switch
from guerdon.rewards.mobile_step import MobileStepReward
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
from guerdon.rewards.quantity import ChartAnswer, CountReward
from guerdon.rewards.reasoning_gym import ReasoningGymScore
from guerdon.rewards.rows import Judged, Ungradable, gather
from guerdon.rewards.sandbox import Limits
from guerdon.rewards.spans import SpanReward
from guerdon.rewards.sql import SqlExecution, SqlReward
from guerdon.rewards.sql_engines import DuckDb, QueryLimits, Sqlite
from guerdon.rewards.tools import ToolReward
from guerdon.rewards.web_action import WebActionReward

NAMES = {
    "answer-match": AnswerMatch,
    "bleu": ReferenceBLEU,
    "box": BoxReward,
    "bleu-rouge": HarmonicBleuRouge,
    "chart": ChartAnswer,
    "choice-match": ChoiceMatch,
    "code": CodeReward,
    "count": CountReward,
    "dianjin": DianjinReward,
    "environment-return": EnvironmentReturn,
    "format": FormatReward,
    "interval": IntervalReward,
    "interval-format": IntervalFormat,
    "length": LengthReward,
    "mobile-step": MobileStepReward,
    "point": PointReward,
    "rouge-l": RougeL,
    "sql": SqlExecution,
    "tools": ToolReward,
    "web-action": WebActionReward,
}
"""Command-line names of the rewards that need no further settings."""

__all__ = [
    "NAMES",
    "AnswerMatch",
    "BoxReward",
    "Boxed",
    "ChartAnswer",
    "ChoiceMatch",
    "CodeReward",
    "CountReward",
    "DianjinReward",
    "DuckDb",
    "EnvironmentReturn",
    "Extractor",
    "FormatReward",
    "FunctionReward",
    "Gate",
    "GroupZAverage",
    "HarmonicBleuRouge",
    "IntervalFormat",
    "IntervalReward",
    "Judged",
    "LastNumber",
    "LengthReward",
    "Limits",
    "MobileStepReward",
    "PointReward",
    "Product",
    "QueryLimits",
    "Ramp",
    "ReasoningGymScore",
    "ReferenceBLEU",
    "RougeL",
    "Scale",
    "SpanReward",
    "SqlExecution",
    "SqlReward",
    "Sqlite",
    "Switch",
    "Tagged",
    "ToolReward",
    "Ungradable",
    "WebActionReward",
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
