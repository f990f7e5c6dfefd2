"""Rewards: completions to scores. Each declares its ``scope`` and the ``range`` of its values."""

from typing import TYPE_CHECKING

from guerdon.exports import Index, exporting

if TYPE_CHECKING:
    from guerdon.rewards.actions.environment import EnvironmentReturn as EnvironmentReturn
    from guerdon.rewards.actions.grounding import BoxReward as BoxReward
    from guerdon.rewards.actions.grounding import IntervalFormat as IntervalFormat
    from guerdon.rewards.actions.grounding import IntervalReward as IntervalReward
    from guerdon.rewards.actions.grounding import PointReward as PointReward
    from guerdon.rewards.actions.mobile_step import MobileStepReward as MobileStepReward
    from guerdon.rewards.actions.tools import ToolReward as ToolReward
    from guerdon.rewards.actions.web_action import CallsAsActions as CallsAsActions
    from guerdon.rewards.actions.web_action import WebActionReward as WebActionReward
    from guerdon.rewards.answers.answer import AfterThinking as AfterThinking
    from guerdon.rewards.answers.answer import Alone as Alone
    from guerdon.rewards.answers.answer import AnswerMatch as AnswerMatch
    from guerdon.rewards.answers.answer import Boxed as Boxed
    from guerdon.rewards.answers.answer import Extractor as Extractor
    from guerdon.rewards.answers.answer import Hash as Hash
    from guerdon.rewards.answers.answer import LastNumber as LastNumber
    from guerdon.rewards.answers.answer import Stated as Stated
    from guerdon.rewards.answers.answer import Tagged as Tagged
    from guerdon.rewards.answers.answer import WholeText as WholeText
    from guerdon.rewards.answers.charts import ChartAnswer as ChartAnswer
    from guerdon.rewards.answers.charts import CountReward as CountReward
    from guerdon.rewards.answers.choice import BoxedIn as BoxedIn
    from guerdon.rewards.answers.choice import ChoiceCredit as ChoiceCredit
    from guerdon.rewards.answers.choice import ChoiceMatch as ChoiceMatch
    from guerdon.rewards.answers.choice import DianjinReward as DianjinReward
    from guerdon.rewards.answers.choice import gated as gated
    from guerdon.rewards.answers.choice import jaccard as jaccard
    from guerdon.rewards.answers.choice import none_wrong as none_wrong
    from guerdon.rewards.answers.choice import right_in_form as right_in_form
    from guerdon.rewards.answers.choice import summed as summed
    from guerdon.rewards.answers.dates_units import DateMatch as DateMatch
    from guerdon.rewards.answers.dates_units import QuantityMatch as QuantityMatch
    from guerdon.rewards.answers.extension import LabelAndExtension as LabelAndExtension
    from guerdon.rewards.answers.free_text import TextMatch as TextMatch
    from guerdon.rewards.answers.free_text import TokenF1 as TokenF1
    from guerdon.rewards.answers.free_text import exact_match as exact_match
    from guerdon.rewards.answers.free_text import same_words as same_words
    from guerdon.rewards.answers.free_text import token_f1 as token_f1
    from guerdon.rewards.answers.free_text import words_f1 as words_f1
    from guerdon.rewards.answers.lists import ListMatch as ListMatch
    from guerdon.rewards.answers.lists import right_places as right_places
    from guerdon.rewards.answers.lists import same_list as same_list
    from guerdon.rewards.answers.lists import same_set as same_set
    from guerdon.rewards.answers.lists import set_f1 as set_f1
    from guerdon.rewards.answers.roles import DistinctRoles as DistinctRoles
    from guerdon.rewards.answers.roles import RoleAccuracy as RoleAccuracy
    from guerdon.rewards.answers.roles import each_role as each_role
    from guerdon.rewards.answers.roles import majority as majority
    from guerdon.rewards.answers.yes_no import YesNo as YesNo
    from guerdon.rewards.answers.yes_no import verdict as verdict
    from guerdon.rewards.composing.compose import Gate as Gate
    from guerdon.rewards.composing.compose import GroupZAverage as GroupZAverage
    from guerdon.rewards.composing.compose import Product as Product
    from guerdon.rewards.composing.compose import WeightedSum as WeightedSum
    from guerdon.rewards.composing.levels import Scale as Scale
    from guerdon.rewards.composing.routing import Maximum as Maximum
    from guerdon.rewards.composing.routing import OnlyIfWrong as OnlyIfWrong
    from guerdon.rewards.composing.routing import Router as Router
    from guerdon.rewards.models.above_reference import AboveReference as AboveReference
    from guerdon.rewards.models.labelled_spans import LabelledSpans as LabelledSpans
    from guerdon.rewards.models.likelihood import AnswerLikelihood as AnswerLikelihood
    from guerdon.rewards.models.likelihood import Certainty as Certainty
    from guerdon.rewards.models.likelihood import FrozenModel as FrozenModel
    from guerdon.rewards.models.likelihood import OptionProbability as OptionProbability
    from guerdon.rewards.models.likelihood import Predictor as Predictor
    from guerdon.rewards.models.likelihood import arithmetic_mean as arithmetic_mean
    from guerdon.rewards.models.likelihood import divergence_from_uniform as divergence_from_uniform
    from guerdon.rewards.models.likelihood import entropy as entropy
    from guerdon.rewards.models.likelihood import geometric_mean as geometric_mean
    from guerdon.rewards.models.likelihood import joint as joint
    from guerdon.rewards.models.likelihood import self_certainty as self_certainty
    from guerdon.rewards.models.policies import PolicyConfidence as PolicyConfidence
    from guerdon.rewards.models.policies import PolicyEntropy as PolicyEntropy
    from guerdon.rewards.models.scored import ScorerReward as ScorerReward
    from guerdon.rewards.models.spans import SpanReward as SpanReward
    from guerdon.rewards.programs.code import CodeReward as CodeReward
    from guerdon.rewards.programs.reasoning_gym import ReasoningGymScore as ReasoningGymScore
    from guerdon.rewards.programs.sandbox import Limits as Limits
    from guerdon.rewards.programs.sql import SqlExecution as SqlExecution
    from guerdon.rewards.programs.sql import SqlReward as SqlReward
    from guerdon.rewards.programs.sql_engines import DuckDb as DuckDb
    from guerdon.rewards.programs.sql_engines import QueryLimits as QueryLimits
    from guerdon.rewards.programs.sql_engines import Sqlite as Sqlite
    from guerdon.rewards.running.cache import Cached as Cached
    from guerdon.rewards.running.function import FunctionReward as FunctionReward
    from guerdon.rewards.running.function import reward as reward
    from guerdon.rewards.running.rows import Judged as Judged
    from guerdon.rewards.running.rows import Ungradable as Ungradable
    from guerdon.rewards.running.rows import gather as gather
    from guerdon.rewards.text.boxed_form import ThoughtThenBox as ThoughtThenBox
    from guerdon.rewards.text.format import FormatReward as FormatReward
    from guerdon.rewards.text.format import StageShare as StageShare
    from guerdon.rewards.text.format import TagShare as TagShare
    from guerdon.rewards.text.language import LANGUAGES as LANGUAGES
    from guerdon.rewards.text.language import LanguageShare as LanguageShare
    from guerdon.rewards.text.language import ScriptShare as ScriptShare
    from guerdon.rewards.text.length import CosineLength as CosineLength
    from guerdon.rewards.text.length import GroupRelativeLength as GroupRelativeLength
    from guerdon.rewards.text.length import LengthReward as LengthReward
    from guerdon.rewards.text.length import OverlongReward as OverlongReward
    from guerdon.rewards.text.overlap import HarmonicBleuRouge as HarmonicBleuRouge
    from guerdon.rewards.text.overlap import ReferenceBLEU as ReferenceBLEU
    from guerdon.rewards.text.overlap import RougeL as RougeL
    from guerdon.rewards.text.overlap import add_one_bleu as add_one_bleu
    from guerdon.rewards.text.overlap import bleu_rouge as bleu_rouge
    from guerdon.rewards.text.overlap import brevity_penalty as brevity_penalty
    from guerdon.rewards.text.overlap import harmonic_mean as harmonic_mean
    from guerdon.rewards.text.overlap import rouge_l as rouge_l
    from guerdon.rewards.text.overlap import sacrebleu_bleu as sacrebleu_bleu
    from guerdon.rewards.text.references import AgainstReferences as AgainstReferences
    from guerdon.rewards.text.references import references_of as references_of
    from guerdon.rewards.text.repetition import RepetitionPenalty as RepetitionPenalty
    from guerdon.rewards.text.repetition import characters as characters
    from guerdon.rewards.text.repetition import words as words
    from guerdon.rewards.text.similarity import ChrF as ChrF
    from guerdon.rewards.text.similarity import EditSimilarity as EditSimilarity
    from guerdon.rewards.text.similarity import EmbeddingSimilarity as EmbeddingSimilarity
    from guerdon.rewards.text.similarity import MeanPooled as MeanPooled
    from guerdon.rewards.text.similarity import Meteor as Meteor
    from guerdon.rewards.text.similarity import StaticEmbeddings as StaticEmbeddings
    from guerdon.rewards.text.similarity import TokenSimilarity as TokenSimilarity
    from guerdon.rewards.text.similarity import chrf as chrf
    from guerdon.rewards.text.similarity import edit_similarity as edit_similarity
    from guerdon.rewards.text.similarity import max_average as max_average
    from guerdon.rewards.text.similarity import meteor as meteor

NAMES = Index(__name__)
"""The rewards by the names that they bring themselves; some need an extra, or settings."""

if not TYPE_CHECKING:
    __getattr__, __dir__, __all__ = exporting(__name__)
