"""Preference as reward in miniature.

The miniature: 400 responses, a proxy reward that is the gold one with noise, and 12 responses
whose proxy is 3 to 6 too high and whose gold is 1.5 lower. Exact policy gradient with a KL
weight of 0.005, so that the arms differ in the shaper alone. Running statistics see each
response once.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from guerdon.recipes.par import SLUG
from guerdon.records import Progress, Rollouts, Scores, Task
from guerdon.reproduction import Claim, Expectation, Report
from guerdon.rollout import TabularPolicy
from guerdon.shaping import Affine, Transform
from guerdon.shaping.curves import LogSigmoid, Proportional, Sigmoid
from guerdon.shaping.references import FixedReferences, GaussianQuantile
from guerdon.shaping.running import RunningClip, RunningStandardise
from guerdon.stages import Sampling, Shaper

RESPONSES = 400
HACKED = 12
KL = 0.005
STEPS = 4000


def world(seed: int, references: int) -> tuple[Tensor, Tensor, Tensor, Rollouts]:
    """Prior, gold and proxy float[400], and a row for each response.

    The rows' task carries the proxies of ``references`` responses drawn from the prior.
    """
    draw = torch.Generator().manual_seed(seed)
    prior = torch.rand(RESPONSES, generator=draw).log().neg()  # normalised: Dirichlet(1)
    prior = prior / prior.sum()
    gold = torch.randn(RESPONSES, generator=draw)
    proxy = gold + 0.5 * torch.randn(RESPONSES, generator=draw)
    hacked = torch.randperm(RESPONSES, generator=draw)[:HACKED]
    proxy[hacked] += 3 + 3 * torch.rand(HACKED, generator=draw)
    gold[hacked] -= 1.5
    # Ten are always drawn, so that every number of references shares its first ones.
    drawn = proxy[torch.multinomial(prior, 10, replacement=True, generator=draw)]
    task = Task("bandit", "", columns={"reference_rewards": drawn[:references].tolist()})
    rows = TabularPolicy([task.id], ("",)).sample([task], RESPONSES, Sampling(), 0)
    return prior, gold, proxy, rows


@dataclass(frozen=True)
class Miniature:
    """One arm; ``allowance`` is taken off "final gold within 0.2": another arm may lose that."""

    shaper: Shaper = Affine()
    references: int = 10
    allowance: float = 0.0

    def __call__(self, seed: int, report: Report) -> dict[str, float]:
        prior, gold, proxy, rows = world(seed, self.references)
        reward = self.shaper(Scores(proxy), rows, Progress()).value.double()
        prior, gold = prior.double(), gold.double()
        logits, curve = prior.log(), []
        for _ in range(STEPS):
            logp = logits.log_softmax(0)
            p = logp.exp()
            curve.append(p @ gold)
            worth = reward - KL * (logp - prior.log())
            logits = logits + p * (worth - p @ worth)  # the exact gradient at rate 1
        report(1.0)
        final, peak = curve[-1].item(), max(curve).item()
        within = final - self.allowance
        return {"final gold": final, "peak gold": peak, "final gold within 0.2": within}


def claim() -> Claim:
    """Bounded functions of a centred reward resist hacking; affine ones do not."""
    metric, within = "final gold", "final gold within 0.2"
    return Claim(
        slug=SLUG,
        statement="Paid for beating a reference, a policy is not drawn to what its proxy overrates",
        arms={
            "vanilla": Miniature(),
            "centred": Miniature(Transform(Proportional())),
            "standardised": Miniature(RunningStandardise()),
            "clip": Miniature(RunningClip()),
            "sigmoid": Miniature(Transform(Sigmoid(), FixedReferences())),
            "lsc": Miniature(Transform(LogSigmoid(), GaussianQuantile())),
            "par, 10 references": Miniature(Transform(), allowance=0.2),
            "par, 1 reference": Miniature(Transform(), references=1),
        },
        metric=metric,
        expectations=(
            Expectation("par, 10 references", "vanilla", metric, 0.5, why="not hacked"),
            Expectation("par, 1 reference", "par, 10 references", within, why="one is enough"),
            *(Expectation(a, "standardised", metric, 0.3) for a in ("clip", "sigmoid", "lsc")),
        ),
        seeds=20,
    )
