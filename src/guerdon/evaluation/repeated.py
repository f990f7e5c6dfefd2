"""Figures of several samples per task: pass@k, mean@k, majority and consistency."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Sequence


def pass_at_k(n: int, correct: int, k: int) -> float:
    """Unbiased chance that at least one of k samples is right, from n samples of one task.

    ``1 - C(n - correct, k) / C(n, k)``, computed as the product
    ``1 - prod_{i = n - correct + 1}^{n} (1 - k / i)``, which does not overflow. Fewer than k
    wrong samples: exactly 1. Raises ValueError unless 0 <= correct <= n and 1 <= k <= n: an
    unbiased estimate of pass@k needs at least k samples. Source: Chen et al. 2021 (Codex),
    eq. 1.

    >>> pass_at_k(4, 2, 1), pass_at_k(4, 2, 3)
    (0.5, 1.0)
    """
    if n < 1 or not 0 <= correct <= n:
        raise ValueError(f"pass_at_k needs 0 <= correct <= n and n >= 1, got {correct} of {n}")
    if not 1 <= k <= n:
        raise ValueError(f"pass_at_k needs 1 <= k <= n, got k={k} with n={n}; draw more samples")
    if n - correct < k:
        return 1.0
    none_right = 1.0
    for i in range(n - correct + 1, n + 1):
        none_right *= 1 - k / i
    return 1 - none_right


def mean_at_k(correct: Sequence[Sequence[bool | None]], k: int) -> float:
    """Mean over tasks of the share right among a task's first k samples.

    ``None`` marks an invalid sample, left out; a task whose first k are all invalid is left
    out whole. Raises ValueError if a task has fewer than k samples or nothing is left.
    """
    if k < 1:
        raise ValueError(f"mean_at_k needs k >= 1, got {k}")
    shares = []
    for index, row in enumerate(correct):
        if len(row) < k:
            raise ValueError(f"mean_at_k: task {index} has {len(row)} samples, fewer than k={k}")
        valid = [bool(x) for x in row[:k] if x is not None]
        if valid:
            shares.append(sum(valid) / len(valid))
    if not shares:
        raise ValueError("mean_at_k: no valid sample in any task")
    return sum(shares) / len(shares)


def majority(answers: Sequence[Hashable | None]) -> Hashable | None:
    """The most frequent answer; the earliest of equals. ``None`` entries don't vote."""
    votes = Counter(a for a in answers if a is not None)
    return votes.most_common(1)[0][0] if votes else None


def consistency(answers: Sequence[Hashable | None]) -> float:
    """Share of pairs of one task's samples that give the same answer.

    ``sum_a c_a (c_a - 1) / (m (m - 1))`` over the m answers that are not None. Fewer than two
    answers make no pair: ValueError, since neither 0 nor 1 would be true.

    >>> consistency(["7", "7", "8", None])
    0.3333333333333333
    """
    votes = Counter(a for a in answers if a is not None)
    m = sum(votes.values())
    if m < 2:
        raise ValueError(f"consistency needs at least two answers, got {m}")
    return sum(c * (c - 1) for c in votes.values()) / (m * (m - 1))
