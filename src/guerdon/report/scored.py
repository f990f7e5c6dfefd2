"""What a reward makes of many completions, in figures: to look at before training on it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from torch import Tensor

from guerdon.records import Rollouts, Scores

BINS = 10
QUANTILES: Mapping[str, float] = {
    "least": 0.0,
    "p5": 0.05,
    "p25": 0.25,
    "median": 0.5,
    "p75": 0.75,
    "p95": 0.95,
    "greatest": 1.0,
}
"""Names of the quantiles that a report holds, linear between neighbours."""

_EXCERPT, _ANSWER = 240, 80
_REASONS = 20


def score_report(
    rollouts: Rollouts, scores: Scores, places: Sequence[str], worst: int = 5
) -> dict[str, Any]:
    """Figures of scores float[N], ready for JSON.

    "total" and each of "parts" hold mean, std (ddof 0), quantiles, a histogram (``counts`` and
    one more of ``edges``; a single bin where all values are equal), how many rows are valid,
    and "reasons": why the others are not, with counts, the most frequent first (for a part,
    the reasons that name it). Figures are over valid rows with a finite value, None where
    there is none. "groups" counts tasks with several valid rows and those whose values are all
    equal, from which nothing is learned. "length_correlation" is Spearman's, of the value with
    the characters of the text: None where either is constant. "worst", "best" and "invalid"
    list up to ``worst`` rows each, with their place, id, value, parts and the beginning of the
    text; "worst" and "best" leave out rows that have the greatest, or the least, value.
    """
    valid = scores.valid.nonzero().flatten()
    value_M = scores.value[valid]
    rising = valid[value_M.argsort(stable=True)].tolist()
    falling = valid[value_M.argsort(stable=True, descending=True)].tolist()
    lowest = [row for row in rising if scores.value[row] < value_M.max()][:worst]
    highest = [row for row in falling if scores.value[row] > value_M.min()][:worst]
    refused = (~scores.valid).nonzero().flatten().tolist()[:worst]
    return {
        "rows": len(rollouts.texts),
        "total": _figures(scores.value, scores, ""),
        "parts": {name: _figures(part, scores, name) for name, part in scores.parts.items()},
        "groups": _groups(rollouts, scores),
        "length_correlation": _length_correlation(rollouts, scores),
        **{
            name: [shown_row(rollouts, scores, places, row) for row in rows]
            for name, rows in (("worst", lowest), ("best", highest), ("invalid", refused))
        },
    }


def shown_row(
    rollouts: Rollouts, scores: Scores, places: Sequence[str], row: int
) -> dict[str, Any]:
    """One row: where it stands, its value (None if invalid), parts, reason and an excerpt."""
    task, text, ok = rollouts.task_of(row), rollouts.texts[row], bool(scores.valid[row])
    return {
        "row": row + 1,
        "place": places[row],
        "id": task.id,
        "value": scores.value[row].item() if ok else None,
        "valid": ok,
        "reason": scores.reasons[row],
        "parts": {name: _finite(part[row]) if ok else None for name, part in scores.parts.items()},
        "answer": None if task.answer is None else str(task.answer)[:_ANSWER],
        "text": text if len(text) <= _EXCERPT else f"{text[:_EXCERPT]}… ({len(text):,} characters)",
    }


def _figures(value_N: Tensor, scores: Scores, name: str) -> dict[str, Any]:
    value = value_N[scores.valid].double().numpy()
    value = value[np.isfinite(value)]
    reasons = Counter(
        reason for reason in scores.reasons if reason and (not name or _blames(reason, name))
    )
    quantiles = np.quantile(value, list(QUANTILES.values())).tolist() if len(value) else []
    return {
        "mean": float(value.mean()) if len(value) else None,
        "std": float(value.std()) if len(value) else None,
        "quantiles": dict(zip(QUANTILES, quantiles or [None] * len(QUANTILES), strict=True)),
        "histogram": _histogram(value),
        "valid": len(value),
        "reasons": dict(reasons.most_common(_REASONS)),
    }


def _blames(reason: str, name: str) -> bool:
    """Whether a reason comes from this part: compositions put its name before it."""
    return reason.startswith(f"{name}: ")


def _histogram(value: np.ndarray[Any, np.dtype[np.float64]]) -> dict[str, Any]:
    if not len(value):
        return {"edges": [], "counts": []}
    low, high = float(value.min()), float(value.max())
    bins = BINS if high > low else 1
    edges = np.linspace(low, high, bins + 1)
    place = np.clip(np.searchsorted(edges, value, side="right") - 1, 0, bins - 1)
    return {"edges": edges.tolist(), "counts": np.bincount(place, minlength=bins).tolist()}


def _groups(rollouts: Rollouts, scores: Scores) -> dict[str, int]:
    values: dict[str, list[float]] = {}
    for row in scores.valid.nonzero().flatten().tolist():
        values.setdefault(rollouts.task_of(row).id, []).append(scores.value[row].item())
    several = [group for group in values.values() if len(group) > 1]
    return {"several": len(several), "equal": sum(max(g) - min(g) < 1e-9 for g in several)}


def _length_correlation(rollouts: Rollouts, scores: Scores) -> float | None:
    from scipy.stats import spearmanr

    value = scores.value[scores.valid].numpy()
    length = np.array([len(t) for t, ok in zip(rollouts.texts, scores.valid, strict=True) if ok])
    if len(value) < 3 or np.ptp(value) == 0 or np.ptp(length) == 0:
        return None
    return round(float(spearmanr(length, value).statistic), 3)


def _finite(value: Tensor) -> float | None:
    return value.item() if value.isfinite() else None
