"""Small rollouts and scores that shapers and advantages are tried on: ties, holes, invalid rows."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from guerdon.records import Rollouts, Scores, Task

GROUP = (0, 1, 0, 1, 0, 2, 1, 0)
VALUES = (1.0, 0.5, 0.0, -2.0, 0.25, 3.0, 0.5, 1.0)
VALID = (True, True, True, True, False, True, True, True)
_MASK = ((1, 1, 1), (1, 0, 1), (0, 1, 0), (0, 0, 0))
_TEXTS = ("one two. Three!", "", "the the the", "a word, a word; \u202eanother?")


def made_rollouts(group: Sequence[int] = GROUP, acted: bool = False) -> Rollouts:
    """Three turns of one action each; holes in the mask and rows that never acted.

    With ``acted`` every row has acted. Log-probs, values, references and states are given.
    """
    n = len(group)
    mask = [_MASK[(i + (i >= 4)) % (3 if acted else 4)] for i in range(n)]
    generator = torch.Generator().manual_seed(0)

    def drawn() -> torch.Tensor:
        return torch.randn(n, 3, generator=generator)

    tasks = tuple(
        Task(f"t{g}", f"prompt {g}", columns={"reference_rewards": [0.2, 0.9, 0.4 * g]})
        for g in range(max(group, default=-1) + 1)
    )
    return Rollouts(
        tasks=tasks,
        group=torch.tensor(group, dtype=torch.long),
        prompts=(torch.tensor([1, 2]),) * len(tasks),
        ids=torch.ones(n, 3, dtype=torch.long),
        mask=torch.tensor(mask, dtype=torch.bool).reshape(n, 3),
        lengths=torch.full((n,), 3),
        logps=-drawn().abs(),
        reference_logps=-drawn().abs(),
        texts=tuple(_TEXTS[i % 4] for i in range(n)),
        turn=torch.arange(3).expand(n, 3),
        states=tuple(("a", "b", i % 2) for i in range(n)),
        turn_rewards=drawn(),
        values=drawn(),
    )


def made_scores(
    values: Sequence[float] = VALUES,
    valid: Sequence[bool] | None = VALID,
    parts: Sequence[str] = ("a", "b"),
    placed: torch.Tensor | None = None,
) -> Scores:
    """Scores whose first part is half the value, the second the value, the third its square."""
    value_N = torch.tensor(values)
    kinds = (value_N / 2, value_N, value_N.square())
    return Scores(
        value_N,
        {name: kinds[i % 3] for i, name in enumerate(parts)},
        None if valid is None else torch.tensor(valid),  # type: ignore[arg-type]
        placed=placed,
    )
