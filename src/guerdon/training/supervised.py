"""Supervised fine-tuning from the loop's own parts: a demonstration is a rollout with advantage 1.

With `PolicyGradient` and advantage 1 on every token the loss is the mean negative
log-likelihood of the completions, so accumulation, guards and processes work alike.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

from guerdon.models.chat import completion_ids
from guerdon.objectives import PolicyGradient, TokenMean
from guerdon.records import Ending, Experience, Rollouts, Task, rollouts_of_ids
from guerdon.rollout import LanguagePolicy
from guerdon.training.held_out import HeldOut
from guerdon.training.learner import Learner
from guerdon.training.optimisers import AdamW, Optimiser
from guerdon.training.passes import Figures, passes
from guerdon.training.update import update

LONGEST = 1024
"""Tokens of a completion that are read where nothing else is said."""


@dataclass(frozen=True)
class Demonstration:
    """A task and a completion worth imitating."""

    task: Task
    completion: str


def demonstrations_to_rollouts(
    policy: LanguagePolicy, demonstrations: Sequence[Demonstration], max_tokens: int = LONGEST
) -> Rollouts:
    """Completions as rollouts, one per group; each ends as the model ends one (`completion_ids`).

    A completion of more than ``max_tokens`` is cut there and counts as not finished. Their origin
    is "demonstration", and log-probs at sampling are not known (NaN).
    """
    ids = completion_ids(
        [d.completion for d in demonstrations], [d.task for d in demonstrations], policy.tokenizer
    )
    prompts = [policy.prompt(d.task) for d in demonstrations]
    inputs = tuple(p.inputs for p in prompts)
    return rollouts_of_ids(
        [d.task for d in demonstrations],
        range(len(ids)),
        [p.ids for p in prompts],
        [row[:max_tokens] for row in ids],
        [d.completion for d in demonstrations],
        logps=[[math.nan] * len(row[:max_tokens]) for row in ids],
        origin=("demonstration",) * len(ids),
        inputs=inputs if any(inputs) else None,
        endings=tuple(
            Ending.FINISHED if len(row) <= max_tokens else Ending.TOKEN_LIMIT for row in ids
        ),
    )


class ShownTexts:
    """Demonstrations as a policy reads them, encoded once."""

    def __init__(
        self,
        policy: LanguagePolicy,
        demonstrations: Sequence[Demonstration],
        max_tokens: int = LONGEST,
    ) -> None:
        """Raises ValueError without demonstrations."""
        if not demonstrations:
            raise ValueError("there are no demonstrations to learn from")
        self.policy = policy
        self.rows = demonstrations_to_rollouts(policy, demonstrations, max_tokens)

    def learn(self, learner: Learner[LanguagePolicy], some: Tensor, microbatch: int = 0) -> Figures:
        """One update on the demonstrations long[n]."""
        rows = self.rows.select(some)
        return update(
            self.policy,
            learner.optimiser,
            PolicyGradient(aggregation=TokenMean()),
            Experience(rows, advantage=rows.mask.float()),
            guard=learner.guard,
            clip=learner.settings.clip,
            microbatch=microbatch,
            shard=learner.shard,
        )


def fit_texts(
    policy: LanguagePolicy,
    demonstrations: Sequence[Demonstration],
    *,
    epochs: int = 1,
    batch: int = 32,
    optimiser: Optimiser | None = None,
    seed: int = 0,
    report: Callable[[int, int, float], None] | None = None,
) -> list[float]:
    """Fine-tune ``policy`` on the demonstrations, without a run around it; each update's loss.

    ``report(update, updates, loss)`` is called after each. The order is drawn from ``seed``.
    Raises ValueError without demonstrations.
    """
    texts, learner = ShownTexts(policy, demonstrations), Learner(policy, optimiser or AdamW())

    def tell(done: int, total: int, figures: Figures) -> None:
        if report is not None:
            report(done, total, figures["loss"])

    history = passes(
        learner,
        len(demonstrations),
        partial(texts.learn, learner),
        epochs=epochs,
        batch=batch,
        seed=seed,
        report=tell,
    )
    return [figures["loss"] for figures in history]


def likelihood(
    policy: LanguagePolicy,
    demonstrations: Sequence[Demonstration],
    batch: int = 32,
    max_tokens: int = LONGEST,
) -> HeldOut | None:
    """Per demonstration, the mean log-prob of its tokens; None without demonstrations."""
    if not demonstrations:
        return None
    rows, results = ShownTexts(policy, demonstrations, max_tokens).rows, []
    with torch.no_grad():
        for some in torch.arange(len(rows)).split(batch):
            logp_N = policy.forward(rows.select(some)).logps.sum(1)
            results += (logp_N / rows.lengths[some]).tolist()
    return HeldOut(
        results=tuple(results),
        metric="log-likelihood",
        truncated=1.0 - float(rows.finished.float().mean()),
        mean_length=float(rows.lengths.float().mean()),
    )
