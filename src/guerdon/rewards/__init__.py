"""Rewards: completions to scores. Each declares its ``scope`` and the ``range`` of its values."""

from guerdon.rewards.actions.environment import EnvironmentReturn
from guerdon.rewards.actions.grounding import BoxReward, IntervalFormat, IntervalReward, PointReward
from guerdon.rewards.actions.mobile_step import MobileStepReward
from guerdon.rewards.actions.tools import ToolReward
from guerdon.rewards.actions.web_action import WebActionReward
from guerdon.rewards.answers.answer import (
    AnswerMatch,
    Boxed,
    Extractor,
    LastNumber,
    Tagged,
    WholeText,
)
from guerdon.rewards.answers.charts import ChartAnswer, CountReward
from guerdon.rewards.answers.choice import (
    ChoiceCredit,
    ChoiceMatch,
    DianjinReward,
    gated,
    jaccard,
    none_wrong,
    right_in_form,
    summed,
)
from guerdon.rewards.answers.dates_units import DateMatch, QuantityMatch
from guerdon.rewards.answers.free_text import TextMatch, TokenF1, exact_match, token_f1
from guerdon.rewards.answers.lists import ListMatch, right_places, same_list, same_set, set_f1
from guerdon.rewards.composing.compose import Gate, GroupZAverage, Product, WeightedSum
from guerdon.rewards.composing.levels import Scale
from guerdon.rewards.composing.routing import Maximum, OnlyIfWrong, Router
from guerdon.rewards.models.likelihood import (
    AnswerLikelihood,
    Certainty,
    FrozenModel,
    OptionProbability,
    PolicyConfidence,
    PolicyEntropy,
    Predictor,
    arithmetic_mean,
    divergence_from_uniform,
    entropy,
    geometric_mean,
    joint,
    self_certainty,
)
from guerdon.rewards.models.scored import ScorerReward
from guerdon.rewards.models.spans import SpanReward
from guerdon.rewards.programs.code import CodeReward
from guerdon.rewards.programs.reasoning_gym import ReasoningGymScore
from guerdon.rewards.programs.sandbox import Limits
from guerdon.rewards.programs.sql import SqlExecution, SqlReward
from guerdon.rewards.programs.sql_engines import DuckDb, QueryLimits, Sqlite
from guerdon.rewards.running.cache import Cached
from guerdon.rewards.running.function import FunctionReward, reward
from guerdon.rewards.running.rows import Judged, Ungradable, gather
from guerdon.rewards.text.format import FormatReward, StageShare, TagShare
from guerdon.rewards.text.language import LANGUAGES, LanguageShare, ScriptShare
from guerdon.rewards.text.length import (
    CosineLength,
    GroupRelativeLength,
    LengthReward,
    OverlongReward,
)
from guerdon.rewards.text.overlap import (
    HarmonicBleuRouge,
    ReferenceBLEU,
    RougeL,
    add_one_bleu,
    bleu_rouge,
    brevity_penalty,
    harmonic_mean,
    rouge_l,
    sacrebleu_bleu,
)
from guerdon.rewards.text.references import references_of
from guerdon.rewards.text.repetition import RepetitionPenalty, characters, words
from guerdon.rewards.text.similarity import (
    ChrF,
    EditSimilarity,
    EmbeddingSimilarity,
    MeanPooled,
    Meteor,
    StaticEmbeddings,
    TokenSimilarity,
    chrf,
    edit_similarity,
    max_average,
    meteor,
)

NAMES = {
    "answer-match": AnswerMatch,
    "bleu": ReferenceBLEU,
    "bleu-rouge": HarmonicBleuRouge,
    "box": BoxReward,
    "chart": ChartAnswer,
    "choice-credit": ChoiceCredit,
    "choice-match": ChoiceMatch,
    "chrf": ChrF,
    "code": CodeReward,
    "cosine-length": CosineLength,
    "count": CountReward,
    "date-match": DateMatch,
    "dianjin": DianjinReward,
    "environment-return": EnvironmentReturn,
    "format": FormatReward,
    "interval": IntervalReward,
    "interval-format": IntervalFormat,
    "length": LengthReward,
    "list-match": ListMatch,
    "mobile-step": MobileStepReward,
    "overlong": OverlongReward,
    "point": PointReward,
    "relative-length": GroupRelativeLength,
    "repetition": RepetitionPenalty,
    "rouge-l": RougeL,
    "script-share": ScriptShare,
    "sql": SqlExecution,
    "stage-share": StageShare,
    "tag-share": TagShare,
    "text-match": TextMatch,
    "token-f1": TokenF1,
    "tools": ToolReward,
    "web-action": WebActionReward,
}
"""Command-line names of the rewards that need no further settings and no optional package."""

OPTIONAL = {
    "edit": EditSimilarity,
    "language-share": LanguageShare,
    "meteor": Meteor,
    "quantity-match": QuantityMatch,
    "reasoning-gym": ReasoningGymScore,
}
"""Command-line names of those that need an extra."""

__all__ = [
    "LANGUAGES",
    "NAMES",
    "OPTIONAL",
    "AnswerLikelihood",
    "AnswerMatch",
    "BoxReward",
    "Boxed",
    "Cached",
    "Certainty",
    "ChartAnswer",
    "ChoiceCredit",
    "ChoiceMatch",
    "ChrF",
    "CodeReward",
    "CosineLength",
    "CountReward",
    "DateMatch",
    "DianjinReward",
    "DuckDb",
    "EditSimilarity",
    "EmbeddingSimilarity",
    "EnvironmentReturn",
    "Extractor",
    "FormatReward",
    "FrozenModel",
    "FunctionReward",
    "Gate",
    "GroupRelativeLength",
    "GroupZAverage",
    "HarmonicBleuRouge",
    "IntervalFormat",
    "IntervalReward",
    "Judged",
    "LanguageShare",
    "LastNumber",
    "LengthReward",
    "Limits",
    "ListMatch",
    "Maximum",
    "MeanPooled",
    "Meteor",
    "MobileStepReward",
    "OnlyIfWrong",
    "OptionProbability",
    "OverlongReward",
    "PointReward",
    "PolicyConfidence",
    "PolicyEntropy",
    "Predictor",
    "Product",
    "QuantityMatch",
    "QueryLimits",
    "ReasoningGymScore",
    "ReferenceBLEU",
    "RepetitionPenalty",
    "RougeL",
    "Router",
    "Scale",
    "ScorerReward",
    "ScriptShare",
    "SpanReward",
    "SqlExecution",
    "SqlReward",
    "Sqlite",
    "StageShare",
    "StaticEmbeddings",
    "TagShare",
    "Tagged",
    "TextMatch",
    "TokenF1",
    "TokenSimilarity",
    "ToolReward",
    "Ungradable",
    "WebActionReward",
    "WeightedSum",
    "WholeText",
    "add_one_bleu",
    "arithmetic_mean",
    "bleu_rouge",
    "brevity_penalty",
    "characters",
    "chrf",
    "divergence_from_uniform",
    "edit_similarity",
    "entropy",
    "exact_match",
    "gated",
    "gather",
    "geometric_mean",
    "harmonic_mean",
    "jaccard",
    "joint",
    "max_average",
    "meteor",
    "none_wrong",
    "references_of",
    "reward",
    "right_in_form",
    "right_places",
    "rouge_l",
    "sacrebleu_bleu",
    "same_list",
    "same_set",
    "self_certainty",
    "set_f1",
    "summed",
    "token_f1",
    "words",
]
