"""Log-sigmoid-centred rewards, and their sum as a logical AND.

Paper: Transforming and Combining Rewards for Aligning Large Language Models (2402.00742).
Changed against GRPO: the total is the log-probability that the completion is *good* in every
respect, `LogProbability` of `And`; good in one is ``sigmoid(r - reference)``, the reference the
0.85 quantile of a normal fitted to the starting policy's own rewards. One reward alone is
`Transform` with `LogSigmoid`. The real run has BLEU and brevity, times 10 to spread them like
log-odds.

Left out: reward models and their calibration; PPO; a learned predictor of the reference, and a
canned answer as one; the judges' win rates at equal KL.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from guerdon.objectives import KL, ClippedSurrogate
from guerdon.recipes import Paper
from guerdon.rewards import LengthReward, ReferenceBLEU, WeightedSum
from guerdon.rollout import Groups
from guerdon.shaping import ColumnReferences, WithReferences
from guerdon.shaping.logic import And, Good, LogProbability
from guerdon.shaping.references import GaussianQuantile
from guerdon.tasks import FactQuestions, PreparedTasks
from guerdon.training import AdamW, FixedReference, Loop, PolicyRecipe

SLUG = "transform-combine"
PAPER = Paper("Transforming and Combining Rewards for Aligning Large Language Models", "2402.00742")


def good_in(component: str) -> Good:
    """Above the 0.85 quantile of the task's references for one part."""
    return Good(component, GaussianQuantile(ColumnReferences(f"reference_rewards/{component}")))


def build(**overrides: Any) -> PolicyRecipe:
    """The real run: the seedling's answers should be right and short."""
    brevity = LengthReward(longest=12, margin=24)
    judged = WeightedSum({"bleu": ReferenceBLEU(), "brevity": brevity}, {"bleu": 10, "brevity": 10})
    recipe = PolicyRecipe(
        name=SLUG,
        tasks=PreparedTasks(FactQuestions(train=512), WithReferences(judged, 10)),
        reward=judged,
        shaping=(LogProbability(And((good_in("bleu"), good_in("brevity")))),),
        objective=ClippedSurrogate(kl=KL(0.01)),
        reference=FixedReference(),
        sampler=Groups(8),
        optimiser=AdamW(lr=1e-4, warmup=5),
        loop=Loop(steps=50, groups=16),
    )
    return replace(recipe, **overrides)
