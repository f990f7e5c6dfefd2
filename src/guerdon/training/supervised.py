"""Supervised fine-tuning from the loop's own parts: a demonstration is a rollout with advantage 1.

With `PolicyGradient` and advantage 1 on every token the loss is the mean negative
log-likelihood of the completions, so accumulation, guards and processes work alike.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from guerdon.objectives import PolicyGradient, TokenMean
from guerdon.records import Ending, Experience, Rollouts, Task
from guerdon.rollout import LanguagePolicy
from guerdon.training.optimisers import AdamW, Optimiser
from guerdon.training.passes import Figures, passes
from guerdon.training.update import Guard, update


@dataclass(frozen=True)
class Demonstration:
    """A task and a completion worth imitating."""

    task: Task
    completion: str


def demonstrations_to_rollouts(
    policy: LanguagePolicy, demonstrations: Sequence[Demonstration], max_tokens: int = 1024
) -> Rollouts:
    """Completions as rollouts, one per group; each ends with the end-of-text token.

    A completion of more than ``max_tokens`` is cut there and counts as not finished.
    """
    tokenizer = policy.tokenizer
    ids = [
        [*tokenizer.encode(d.completion, add_special_tokens=False), tokenizer.eos_token_id]
        for d in demonstrations
    ]
    finished = torch.tensor([len(row) <= max_tokens for row in ids], dtype=torch.bool)
    ids = [row[:max_tokens] for row in ids]
    lengths = torch.tensor([len(row) for row in ids], dtype=torch.long)
    width = int(lengths.max()) if len(ids) else 0
    table = torch.zeros(len(ids), width, dtype=torch.long)
    for n, row in enumerate(ids):
        table[n, : len(row)] = torch.tensor(row)
    prompts = [policy.prompt(d.task) for d in demonstrations]
    inputs = tuple(p.inputs for p in prompts)
    return Rollouts(
        tasks=tuple(d.task for d in demonstrations),
        group=torch.arange(len(ids)),
        prompts=tuple(p.ids for p in prompts),
        inputs=inputs if any(inputs) else None,
        ids=table,
        mask=torch.arange(width) < lengths[:, None],
        lengths=lengths,
        logps=torch.zeros(len(ids), width),
        texts=tuple(d.completion for d in demonstrations),
        endings=Ending.of(finished, Ending.TOKEN_LIMIT),
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
    """Fine-tune ``policy`` on the demonstrations; returns the loss of each update.

    ``report(update, updates, loss)`` is called after each. The order is drawn from ``seed``.
    Raises ValueError without demonstrations.
    """
    if not demonstrations:
        raise ValueError("there are no demonstrations to learn from")
    settings = optimiser or AdamW()
    rollouts = demonstrations_to_rollouts(policy, demonstrations)
    shown = Experience(rollouts, advantage=rollouts.mask.float())
    objective = PolicyGradient(aggregation=TokenMean())

    def learn(rows: Tensor, adam: torch.optim.Optimizer, guard: Guard) -> Figures:
        return update(policy, adam, objective, shown.select(rows), guard=guard, clip=settings.clip)

    def tell(done: int, total: int, figures: Figures) -> None:
        if report is not None:
            report(done, total, figures["loss"])

    history = passes(
        policy,
        len(rollouts),
        learn,
        epochs=epochs,
        batch=batch,
        optimiser=settings,
        seed=seed,
        report=tell,
    )
    return [figures["loss"] for figures in history]
