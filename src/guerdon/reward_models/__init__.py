"""Trainable scorers: a prompt and responses to one number per response."""

from typing import TYPE_CHECKING

from guerdon.exports import Index, exporting

if TYPE_CHECKING:
    from guerdon.reward_models.features import FeatureScorer as FeatureScorer
    from guerdon.reward_models.mean import MeanScorer as MeanScorer
    from guerdon.reward_models.saved import SavedRewardModel as SavedRewardModel
    from guerdon.reward_models.scalar_head import RewardModel as RewardModel


NAMES = Index(__name__, {"reward-model": "SavedRewardModel"})

if not TYPE_CHECKING:
    __getattr__, __dir__, __all__ = exporting(__name__)
