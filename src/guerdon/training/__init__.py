"""The loops, and what they need: recipe, updates, checkpoints, evaluation, telemetry."""

from guerdon.rollout import Model
from guerdon.training.agreement import check_start
from guerdon.training.chain import AsReward, Carry, Rounds, Stage, Stages, Weights
from guerdon.training.demonstrations import SupervisedRecipe
from guerdon.training.evaluation_run import EvaluationRecipe
from guerdon.training.exams import Exam
from guerdon.training.held_out import HeldOut, evaluate
from guerdon.training.held_out_summary import describe_held_out, held_out_summary
from guerdon.training.learner import Learner
from guerdon.training.loop import train
from guerdon.training.optimisers import SGD, Adam, AdamW, Optimiser
from guerdon.training.pairs import PreferenceRecipe
from guerdon.training.preference import fit_preferences
from guerdon.training.ranking import fit_rankings, ranked_right
from guerdon.training.recipe import Loop, PolicyRecipe, Recipe, Result
from guerdon.training.reference import (
    AdapterOffReference,
    FixedReference,
    MovingReference,
    NoReference,
    Reference,
    RefreshedReference,
)
from guerdon.training.reward_model import RewardModelRecipe
from guerdon.training.run import Run
from guerdon.training.soundness import TooManyFailed
from guerdon.training.stopping import PartFailed, TrainingStopped
from guerdon.training.supervised import Demonstration, demonstrations_to_rollouts, fit_texts
from guerdon.training.update import (
    ALONE,
    Guard,
    Shard,
    apply_gradients,
    update,
)

__all__ = [
    "ALONE",
    "SGD",
    "Adam",
    "AdamW",
    "AdapterOffReference",
    "AsReward",
    "Carry",
    "Demonstration",
    "EvaluationRecipe",
    "Exam",
    "FixedReference",
    "Guard",
    "HeldOut",
    "Learner",
    "Loop",
    "Model",
    "MovingReference",
    "NoReference",
    "Optimiser",
    "PartFailed",
    "PolicyRecipe",
    "PreferenceRecipe",
    "Recipe",
    "Reference",
    "RefreshedReference",
    "Result",
    "RewardModelRecipe",
    "Rounds",
    "Run",
    "Shard",
    "Stage",
    "Stages",
    "SupervisedRecipe",
    "TooManyFailed",
    "TrainingStopped",
    "Weights",
    "apply_gradients",
    "check_start",
    "demonstrations_to_rollouts",
    "describe_held_out",
    "evaluate",
    "fit_preferences",
    "fit_rankings",
    "fit_texts",
    "held_out_summary",
    "ranked_right",
    "train",
    "update",
]
