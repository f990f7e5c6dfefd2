"""Rewards: completions to scores."""

from guerdon.rewards.answer import AnswerMatch, Boxed, LastNumber, Tagged, WholeText
from guerdon.rewards.function import FunctionReward, reward

NAMES = {"answer-match": AnswerMatch}

__all__ = [
    "NAMES",
    "AnswerMatch",
    "Boxed",
    "FunctionReward",
    "LastNumber",
    "Tagged",
    "WholeText",
    "reward",
]
