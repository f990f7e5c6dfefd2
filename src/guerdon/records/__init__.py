"""What flows through the pipeline: tasks in, rollouts and scores between, a loss out.

Shape letters used everywhere: ``N`` completions (rows), ``B`` groups (one per task), ``T``
positions of a completion (tokens, turns or denoising steps), ``K`` turns, ``D`` dimensions of a
continuous action, ``M`` pairs of rows, ``P`` prompt tokens.
"""

from guerdon.records.answered import check_answered
from guerdon.records.experience import Experience
from guerdon.records.outputs import Loss, PolicyOutput
from guerdon.records.pairs import Chosen, Comparisons, Pairs
from guerdon.records.rollouts import OWN_POLICY, VALID, Along, Ending, Rollouts, concat_rollouts
from guerdon.records.scores import INVALID, Scores, concat_scores
from guerdon.records.tasks import Message, Progress, Task, first_views, questions, with_views
from guerdon.records.written import rollouts_of_ids

__all__ = [
    "INVALID",
    "OWN_POLICY",
    "VALID",
    "Along",
    "Chosen",
    "Comparisons",
    "Ending",
    "Experience",
    "Loss",
    "Message",
    "Pairs",
    "PolicyOutput",
    "Progress",
    "Rollouts",
    "Scores",
    "Task",
    "check_answered",
    "concat_rollouts",
    "concat_scores",
    "first_views",
    "questions",
    "rollouts_of_ids",
    "with_views",
]
