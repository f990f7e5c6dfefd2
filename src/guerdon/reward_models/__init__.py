"""Trainable scorers: a prompt and responses to one number per response."""

from guerdon.reward_models.features import FeatureScorer
from guerdon.reward_models.saved import SavedRewardModel
from guerdon.reward_models.scalar_head import RewardModel

__all__ = ["FeatureScorer", "RewardModel", "SavedRewardModel"]
