"""D3PO: a denoiser learns from which of two samples is liked better, step by step.

Paper: Using Human Feedback to Fine-tune Diffusion Models without Any Reward Model (2311.13231).
A chain of denoising steps is a row, each step an act. Chains of one prompt start from one noise;
of every two the better is chosen (`AllPairs`: seven samples are 21 pairs), and is taken to be the
better at every step: `StepwiseDPO`, each step a small preference of its own, so that memory does
not grow with the steps. The reference is the policy at the beginning of the round, in which there
are several updates (one alone never meets the clamp).
Changed: log-probs are sums over a latent's numbers, as derived (the released code takes means, so
that its beta is as many times smaller: ``averaged`` of `DenoiserPolicy`); the step without noise is
no act.

Left out: Stable Diffusion and its image scores (the real run draws points from eight clouds on a
ring, and is asked for one of them), people (the distance to what was asked for compares), and DPOK.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from guerdon.diffusion import NearAnswer, RingDenoiser, RingTasks
from guerdon.objectives import StepwiseDPO
from guerdon.recipes import Paper
from guerdon.rollout import Groups
from guerdon.selection import AllPairs
from guerdon.stages import Sampling
from guerdon.training import AdamW, Loop, PolicyRecipe, RefreshedReference

SLUG = "d3po"
PAPER = Paper(
    "Using Human Feedback to Fine-tune Diffusion Models without Any Reward Model", "2311.13231"
)


def build(**overrides: Any) -> PolicyRecipe:
    """The real run: a denoiser that draws from every cloud alike learns to go where it is asked."""
    recipe = PolicyRecipe(
        name=SLUG,
        model=RingDenoiser(),
        tasks=RingTasks(),
        reward=NearAnswer(),
        selection=AllPairs(),
        objective=StepwiseDPO(beta=0.1, clamp=0.1),
        reference=RefreshedReference(every=1),
        sampler=Groups(7),
        evaluation_sampling=Sampling(),
        optimiser=AdamW(lr=1e-3),
        loop=Loop(steps=60, groups=16, minibatch=28, evaluation_tasks=64),
    )
    return replace(recipe, **overrides)
