"""Advantage and log-probabilities to a loss; preference losses."""

from typing import TYPE_CHECKING

from guerdon.exports import Index, exporting

if TYPE_CHECKING:
    from guerdon.objectives.aggregation import ConstantLength as ConstantLength
    from guerdon.objectives.aggregation import SequenceMean as SequenceMean
    from guerdon.objectives.aggregation import SequenceSumMean as SequenceSumMean
    from guerdon.objectives.aggregation import TokenMean as TokenMean
    from guerdon.objectives.aggregation import TokenSum as TokenSum
    from guerdon.objectives.discriminative import AllGroups as AllGroups
    from guerdon.objectives.discriminative import DisCO as DisCO
    from guerdon.objectives.discriminative import LikelihoodRatio as LikelihoodRatio
    from guerdon.objectives.discriminative import LogLikelihood as LogLikelihood
    from guerdon.objectives.discriminative import MixedGroups as MixedGroups
    from guerdon.objectives.kl import KL as KL
    from guerdon.objectives.kl import k1 as k1
    from guerdon.objectives.kl import k2 as k2
    from guerdon.objectives.kl import k3 as k3
    from guerdon.objectives.kl import k3_corrected as k3_corrected
    from guerdon.objectives.kl import k3_straight_through as k3_straight_through
    from guerdon.objectives.preference import DPO as DPO
    from guerdon.objectives.preference import IPO as IPO
    from guerdon.objectives.preference import Hinge as Hinge
    from guerdon.objectives.preference import OnPairs as OnPairs
    from guerdon.objectives.ranking import BradleyTerry as BradleyTerry
    from guerdon.objectives.ranking import PlackettLuce as PlackettLuce
    from guerdon.objectives.regression import AspectRegression as AspectRegression
    from guerdon.objectives.stepwise import StepwiseDPO as StepwiseDPO
    from guerdon.objectives.stepwise import step_preference as step_preference
    from guerdon.objectives.surrogate import CISPO as CISPO
    from guerdon.objectives.surrogate import GSPO as GSPO
    from guerdon.objectives.surrogate import PPO as PPO
    from guerdon.objectives.surrogate import SAPO as SAPO
    from guerdon.objectives.surrogate import ClippedSurrogate as ClippedSurrogate
    from guerdon.objectives.surrogate import PolicyGradient as PolicyGradient
    from guerdon.objectives.surrogate import Surrogate as Surrogate
    from guerdon.objectives.surrogate import Terms as Terms

NAMES = Index(__name__)
AGGREGATIONS = Index(
    __name__,
    {
        "token-mean": "TokenMean",
        "sequence-mean": "SequenceMean",
        "sequence-sum-mean": "SequenceSumMean",
        "constant-length": "ConstantLength",
        "token-sum": "TokenSum",
    },
)
ESTIMATORS = Index(
    __name__,
    {
        "k1": "k1",
        "k2": "k2",
        "k3": "k3",
        "k3-straight-through": "k3_straight_through",
        "k3-corrected": "k3_corrected",
    },
)
PREFERENCES = Index(__name__, {"dpo": "DPO", "ipo": "IPO", "hinge": "Hinge"})
RANKINGS = Index(__name__, {"bradley-terry": "BradleyTerry", "plackett-luce": "PlackettLuce"})

if not TYPE_CHECKING:
    __getattr__, __dir__, __all__ = exporting(__name__)
