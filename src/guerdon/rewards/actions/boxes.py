"""Boxes, intervals and points: overlap, and matching of several.

A box is x1, y1, x2, y2 with x1 < x2 and y1 < y2, in one frame for prediction and reference.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from scipy.optimize import linear_sum_assignment

Numbers = Sequence[float]
Overlap = Callable[[Numbers, Numbers], float]


def area(box: Numbers) -> float:
    """Width times height, 0 where either is negative."""
    return max(box[2] - box[0], 0.0) * max(box[3] - box[1], 0.0)


def box_iou(one: Numbers, two: Numbers) -> float:
    """Intersection over union in [0, 1]; 0 for boxes without area.

    >>> box_iou((0, 0, 2, 2), (1, 0, 3, 2))
    0.3333333333333333
    """
    common, union = _common(one, two), area(one) + area(two)
    union -= common
    return common / union if union > 0 else 0.0


def box_giou(one: Numbers, two: Numbers) -> float:
    """Generalised IoU in (-1, 1]: IoU - (hull - union) / hull (1902.09630).

    The hull is the smallest box around both; one without area gives -1.

    >>> box_giou((0, 0, 1, 1), (3, 0, 4, 1))
    -0.5
    """
    common = _common(one, two)
    union = area(one) + area(two) - common
    hull = area(
        (min(one[0], two[0]), min(one[1], two[1]), max(one[2], two[2]), max(one[3], two[3]))
    )
    if hull <= 0:
        return -1.0
    return (common / union if union > 0 else 0.0) - (hull - union) / hull


def interval_iou(one: Numbers, two: Numbers) -> float:
    """Overlap over hull of two intervals (start, end), in [0, 1].

    Where they overlap the hull is the union. An interval whose end lies before its start
    gives 0, and so do two equal ones of no length.

    >>> interval_iou((0, 4), (2, 6)), interval_iou((0, 1), (2, 3))
    (0.3333333333333333, 0.0)
    """
    hull = max(one[1], two[1]) - min(one[0], two[0])
    overlap = min(one[1], two[1]) - max(one[0], two[0])
    if one[1] < one[0] or two[1] < two[0] or hull <= 0:
        return 0.0
    return max(overlap, 0.0) / hull


def inside(point: tuple[float, float], box: Numbers) -> bool:
    """Whether a point lies in a box, its border included."""
    return box[0] <= point[0] <= box[2] and box[1] <= point[1] <= box[3]


def numbers_of(value: Any) -> tuple[float, ...] | None:
    """A list of coordinates as floats; None where it is no list, or one is no number or huge.

    True is no number, and neither is one of 1e9 or beyond.
    """
    if not isinstance(value, list | tuple):
        return None
    good = all(
        isinstance(n, int | float) and not isinstance(n, bool) and abs(n) < 1e9 for n in value
    )
    return tuple(map(float, value)) if good else None


def matched_overlap(predicted: Sequence[Numbers], gold: Sequence[Numbers], of: Overlap) -> float:
    """Sum of overlaps under the best one-to-one assignment, over the larger of both numbers.

    Boxes too many or too few lower it. Both empty: 1; one empty: 0. Hungarian method.
    """
    if not predicted or not gold:
        return float(len(predicted) == len(gold))
    table = np.array([[of(p, g) for g in gold] for p in predicted])
    rows, columns = linear_sum_assignment(table, maximize=True)
    return float(table[rows, columns].sum()) / max(len(predicted), len(gold))


def _common(one: Numbers, two: Numbers) -> float:
    return area(
        (max(one[0], two[0]), max(one[1], two[1]), min(one[2], two[2]), min(one[3], two[3]))
    )
