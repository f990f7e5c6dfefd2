"""GRPO in miniature.

The seedling on sums, 25 steps of 12 groups of 8: held-out accuracy at the recipe's rate against
that at rate 0, where nothing is learned.
"""

from __future__ import annotations

from typing import Any

from guerdon.recipes.grpo import SLUG, build
from guerdon.reproduction import Claim, Expectation, Report
from guerdon.training import AdamW, Loop, train


def _arm(lr: float) -> Any:
    def run(seed: int, report: Report) -> dict[str, float]:
        loop = Loop(steps=25, groups=12, checkpoint_every=0, seed=seed)
        result = train(build(loop=loop, optimiser=AdamW(lr=lr, warmup=5)), quiet=True)
        report(1.0)
        assert result.after is not None
        return {"accuracy": result.after.mean}

    return run


def claim() -> Claim:
    """Training by the reward raises held-out accuracy over the untrained model."""
    return Claim(
        slug=SLUG,
        statement="GRPO raises held-out accuracy of the seedling within 25 steps",
        arms={"untrained": _arm(0.0), "grpo": _arm(3e-4)},
        metric="accuracy",
        expectations=(Expectation("grpo", "untrained", "accuracy", matters=0.1),),
    )
