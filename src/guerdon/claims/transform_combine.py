"""Log-sigmoid-centred rewards, and their sum as a logical AND in miniature.

The miniature has no training: 60 prompts with 128 responses and a uniform prior; two rewards in
conflict, ``a`` and ``-0.6 a + 0.8 n``, at scales that differ by prompt. The optimum under a KL
weight is a tilt of the prior in closed form; the weight is set so that the mean KL is equal.
Two single-reward arms ask how evenly that KL is spent. Left out: the arm with a proxy error
(the ``par`` recipe has it) and the one with a trained policy.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from guerdon.recipes.transform_combine import SLUG, good_in
from guerdon.records import Progress, Rollouts, Scores, Task
from guerdon.reproduction import Claim, Expectation, Report
from guerdon.rollout import TabularPolicy
from guerdon.shaping import Affine, WeightedParts
from guerdon.shaping.logic import And, LogProbability
from guerdon.stages import Sampling, Shaper

PROMPTS = 60
RESPONSES = 128
KLS = (0.5, 1.0, 2.0)


def world(seed: int) -> tuple[Scores, Rollouts]:
    """Two rewards of every response (a row each), as parts; a prompt's are its own references."""
    draw = torch.Generator().manual_seed(seed)
    a, noise = torch.randn(2, PROMPTS, RESPONSES, generator=draw)
    one_scale, two_scale = 0.5 + 2 * torch.rand(2, PROMPTS, 1, generator=draw)
    one = torch.randn(PROMPTS, 1, generator=draw) + one_scale * a
    two = two_scale * (-0.6 * a + 0.8 * noise)
    parts = {"one": one, "two": two}
    columns = {f"reference_rewards/{name}": part.tolist() for name, part in parts.items()}
    tasks = [
        Task(f"p{i}", "", columns={name: rewards[i] for name, rewards in columns.items()})
        for i in range(PROMPTS)
    ]
    rows = TabularPolicy([t.id for t in tasks], ("",)).sample(tasks, RESPONSES, Sampling(), 0)
    return Scores((one + two).flatten(), {k: part.flatten() for k, part in parts.items()}), rows


def tilted(reward_BR: Tensor, mean_kl: float) -> tuple[Tensor, Tensor]:
    """The uniform prior tilted by ``exp(reward / gamma)`` to a mean KL: float[B, R], KL [B]."""
    low, high = -10.0, 10.0
    for _ in range(60):
        middle = (low + high) / 2
        logp = (reward_BR / torch.tensor(middle).exp()).log_softmax(1)
        kl_B = (logp.exp() * logp).sum(1) + torch.tensor(reward_BR.shape[1]).log()
        low, high = (middle, high) if kl_B.mean() > mean_kl else (low, middle)
    return logp.exp(), kl_B


@dataclass(frozen=True)
class Miniature:
    """One arm: the shares of outputs above the prompt's median, at each KL."""

    shaper: Shaper

    def __call__(self, seed: int, report: Report) -> dict[str, float]:
        scores, rows = world(seed)
        reward_BR = self.shaper(scores, rows, Progress()).value.double().reshape(PROMPTS, -1)
        parts = (part.reshape(PROMPTS, -1) for part in scores.parts.values())
        one, two = (r > r.median(1, keepdim=True).values for r in parts)
        figures: dict[str, float] = {}
        for kl in KLS:
            p_BR, kl_B = tilted(reward_BR, kl)
            both, *each = ((p_BR * good).sum(1).mean().item() for good in (one & two, one, two))
            figures |= {f"both, KL {kl:g}": both, f"weaker, KL {kl:g}": min(each)}
            figures[f"spread of KL {kl:g}"] = kl_B.std().item()
        report(1.0)
        return figures


def claim() -> Claim:
    """At equal KL the AND of two rewards is good in both more often than their sum."""
    return Claim(
        slug=SLUG,
        statement="At equal KL, log-sigmoid rewards add up to AND and spread the KL evenly",
        arms={
            "raw sum": Miniature(Affine()),
            "lsc sum": Miniature(LogProbability(And((good_in("one"), good_in("two"))))),
            "raw, one reward": Miniature(WeightedParts({"one": 1.0})),
            "lsc, one reward": Miniature(LogProbability(good_in("one"))),
        },
        metric="both, KL 2",
        expectations=(
            *(Expectation("lsc sum", "raw sum", f"both, KL {kl:g}", 0.03) for kl in KLS),
            Expectation("lsc sum", "raw sum", "weaker, KL 2", why="neither reward is given up"),
            Expectation("raw, one reward", "lsc, one reward", "spread of KL 2", why="spent evenly"),
        ),
        seeds=6,
    )
