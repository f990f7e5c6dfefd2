"""Symbolic equality of two expressions, by math-verify in a process that can be stopped."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from functools import lru_cache

from math_verify import parse, verify

from guerdon.rewards.programs.text_as_code import no_code
from guerdon.rewards.running.workers import Failed, WorkerPool

MEGABYTES = 1024
"""Memory for one comparison: a power of powers asks for far more within its time."""


def equal(answer: str, gold: str) -> bool:
    """Whether two expressions are equal as mathematics. May take unbounded time."""
    # The process is stopped from outside, so math-verify's own alarms (and its warnings that
    # they are off) are not wanted.
    logging.getLogger("math_verify").setLevel(logging.ERROR)
    with no_code():
        left = parse(f"${gold}$", parsing_timeout=None)
        right = parse(f"${answer}$", parsing_timeout=None)
        return bool(verify(left, right, timeout_seconds=None))


@lru_cache(maxsize=4)
def _pool(seconds: float) -> WorkerPool:
    return WorkerPool(equal, seconds, megabytes=MEGABYTES)


def compare(pairs: Sequence[tuple[str, str]], seconds: float) -> list[bool | str]:
    """Per (answer, gold): equal or not, or why that could not be found out in time."""
    calls = [{"answer": answer, "gold": gold} for answer, gold in pairs]
    return [
        f"symbolic comparison: {result.reason}" if isinstance(result, Failed) else bool(result)
        for result in _pool(seconds).map(calls)
    ]
