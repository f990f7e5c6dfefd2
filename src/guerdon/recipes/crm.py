"""Two reward models that choose each other's pairs, so that wrong labels are left out.

Paper: Two Minds Better Than One: Collaborative Reward Modeling for LLM Alignment (2505.10597).
Changed against a Bradley-Terry reward model: there are two, and each learns from those pairs of
a batch on which the other's margin is large (`PeerReview`). The share that is kept falls to about
that of right labels (`KeepRate`; its form is not in the paper); too low a share costs accuracy.
`EasyToHard` is the curriculum: the share of all pairs, then from easy to hard.

The real run: two seedlings with heads on 400 pairs of worked sums, a quarter of them with the
wrong answer first, in five passes. One model alone learns these labels by heart there.

Left out: RewardBench, a policy trained with the result, policies that review each other in the run
(`ImplicitReward` makes them scorers), and filtering by a frozen model to compare with.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from guerdon.curriculum import KeepRate, PeerReview
from guerdon.nursery.worked_pairs import WorkedPairs
from guerdon.recipes import Paper
from guerdon.tasks import Arithmetic
from guerdon.tasks.flipped import FlippedLabels
from guerdon.training.optimisers import AdamW
from guerdon.training.peer_recipe import PeerReviewRecipe

SLUG = "crm"
PAPER = Paper(
    "Two Minds Better Than One: Collaborative Reward Modeling for LLM Alignment", "2505.10597"
)


def build(**overrides: Any) -> PeerReviewRecipe:
    """The real run: which of two worked sums is right, from labels of which a quarter is wrong."""
    sums = WorkedPairs(Arithmetic(operations=("addition", "subtraction"), train=720))
    recipe = PeerReviewRecipe(
        pairs=FlippedLabels(sums, share=0.25),
        name=SLUG,
        review=PeerReview(KeepRate(final=0.75, warmup=1, ramp=2)),
        optimiser=AdamW(lr=3e-4),
        epochs=5,
        category="operation",
    )
    return replace(recipe, **overrides)
