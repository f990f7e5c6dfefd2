"""Advantage and log-probabilities to a loss; preference losses."""

from guerdon.objectives.aggregation import (
    ConstantLength,
    SequenceMean,
    SequenceSumMean,
    TokenMean,
    TokenSum,
)
from guerdon.objectives.discriminative import (
    AllGroups,
    DisCO,
    LikelihoodRatio,
    LogLikelihood,
    MixedGroups,
)
from guerdon.objectives.kl import KL, k1, k2, k3, k3_corrected, k3_straight_through
from guerdon.objectives.preference import DPO, IPO, Hinge
from guerdon.objectives.ranking import BradleyTerry, PlackettLuce
from guerdon.objectives.surrogate import (
    CISPO,
    GSPO,
    PPO,
    SAPO,
    ClippedSurrogate,
    PolicyGradient,
    Surrogate,
    Terms,
)

NAMES = {
    "clipped-surrogate": ClippedSurrogate,
    "gspo": GSPO,
    "cispo": CISPO,
    "policy-gradient": PolicyGradient,
    "sapo": SAPO,
    "ppo": PPO,
    "disco": DisCO,
}

AGGREGATIONS = {
    "token-mean": TokenMean,
    "sequence-mean": SequenceMean,
    "sequence-sum-mean": SequenceSumMean,
    "constant-length": ConstantLength,
    "token-sum": TokenSum,
}
ESTIMATORS = {
    "k1": k1,
    "k2": k2,
    "k3": k3,
    "k3-straight-through": k3_straight_through,
    "k3-corrected": k3_corrected,
}
PREFERENCES = {"dpo": DPO, "ipo": IPO, "hinge": Hinge}
RANKINGS = {"bradley-terry": BradleyTerry, "plackett-luce": PlackettLuce}

__all__ = [
    "AGGREGATIONS",
    "CISPO",
    "DPO",
    "ESTIMATORS",
    "GSPO",
    "IPO",
    "KL",
    "NAMES",
    "PPO",
    "PREFERENCES",
    "RANKINGS",
    "SAPO",
    "AllGroups",
    "BradleyTerry",
    "ClippedSurrogate",
    "ConstantLength",
    "DisCO",
    "Hinge",
    "LikelihoodRatio",
    "LogLikelihood",
    "MixedGroups",
    "PlackettLuce",
    "PolicyGradient",
    "SequenceMean",
    "SequenceSumMean",
    "Surrogate",
    "Terms",
    "TokenMean",
    "TokenSum",
    "k1",
    "k2",
    "k3",
    "k3_corrected",
    "k3_straight_through",
]
