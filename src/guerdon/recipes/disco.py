"""DisCO: right answers are scored above wrong ones, and held near the policy that sampled them.

Paper: DisCO (2505.12366). Changed against GRPO: the objective `DisCO` has no advantage's size and
no clipping. It raises the mean score of a question's right completions over a soft maximum of
its wrong ones, so questions count alike however hard they are (GRPO's weight is
``sqrt(p (1 - p))``), and a squared hinge keeps the estimate of KL(sampler || policy) below
``delta``. Four updates per batch: at the first the policy is the sampler, and the constraint can't
act. The loss itself is logged; the released code's has this gradient and a meaningless value.

Left out: mathematics at 8,192 tokens (the run is arithmetic).
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from guerdon.objectives import DisCO, LogLikelihood
from guerdon.recipes import Paper
from guerdon.rewards import AnswerMatch
from guerdon.rollout import Groups
from guerdon.stages import Sampling
from guerdon.tasks import Arithmetic
from guerdon.training import AdamW, Loop, PolicyRecipe

SLUG = "disco"
PAPER = Paper(
    "DisCO: Reinforcing Large Reasoning Models with Discriminative Constrained Optimization",
    "2505.12366",
)


def build(**overrides: Any) -> PolicyRecipe:
    """The real run: the seedling on arithmetic, four minibatches of whole groups."""
    recipe = PolicyRecipe(
        name=SLUG,
        tasks=Arithmetic(operations=("addition", "subtraction")),
        reward=AnswerMatch(),
        objective=DisCO(score=LogLikelihood(), tau=10.0, delta=1e-4, beta=1e3),
        sampler=Groups(8, Sampling(temperature=0.6)),
        optimiser=AdamW(lr=1e-4, warmup=5),
        loop=Loop(steps=60, groups=16, minibatch=32),
    )
    return replace(recipe, **overrides)
