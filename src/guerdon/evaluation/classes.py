"""How well classes are told apart, each class counted once."""

from __future__ import annotations

from collections.abc import Hashable, Sequence


def macro_f1(right: Sequence[Hashable], given: Sequence[Hashable | None]) -> float:
    """The mean over the classes in ``right`` of ``2 TP / (2 TP + FP + FN)``.

    None is an answer that could not be read, and always an error: where there are two classes it
    counts as the wrong one of them, so that giving no answer is no way to spare a class its false
    positives; with more it is missed by its own class alone. The same holds of an answer that is
    none of the classes. A class that is never given has 0. Raises ValueError for unequal numbers,
    no items, or a None in ``right``.

    >>> round(macro_f1([0, 0, 1, 1], [0, None, 1, 1]), 4)
    0.7333
    """
    if len(right) != len(given) or not right or None in right:
        raise ValueError(
            f"macro_f1 has {len(right)} classes for {len(given)} answers; give as many of each, at "
            "least one, and no None among the classes"
        )
    classes = list(dict.fromkeys(right))
    read = list(given)
    if len(classes) == 2:
        other = dict(zip(classes, reversed(classes), strict=True))
        read = [y if y in other else other[x] for x, y in zip(right, given, strict=True)]
    scores = []
    for one in classes:
        hits = sum(x == y == one for x, y in zip(right, read, strict=True))
        scores.append(2 * hits / (right.count(one) + read.count(one)))
    return sum(scores) / len(scores)
