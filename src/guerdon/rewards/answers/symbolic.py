"""Symbolic equality of two expressions, by math-verify in a process that can be stopped."""

from __future__ import annotations

import logging
import threading
from collections import OrderedDict
from collections.abc import Sequence
from functools import lru_cache

from math_verify import parse, verify
from sympy import Expr, nsimplify, simplify

from guerdon.rewards.programs.text_as_code import no_code
from guerdon.rewards.running.workers import Failed, WorkerPool

MEGABYTES = 1024
"""Memory for one comparison: a power of powers asks for far more within its time."""

STUCK_SECONDS = 300.0
"""Wall clock after which a comparison counts as stuck, whatever time it was given to run in."""

REMEMBERED = 20_000
"""Pairs whose verdict is kept; their texts are short (see `looks_mathematical`)."""

_DECIMALS, _DIGITS = 12, 40
_SIMPLE = "q+1"


def equal(answer: str, gold: str) -> bool:
    """Whether two expressions are equal as mathematics, either way. May take unbounded time."""
    # The process is stopped from outside, so math-verify's own alarms (and its warnings that
    # they are off) are not wanted.
    logging.getLogger("math_verify").setLevel(logging.ERROR)
    with no_code():
        left, right = (parse(f"${text}$", parsing_timeout=None) for text in (gold, answer))
    if not (left and right):
        return False
    if isinstance(left[0], Expr) and isinstance(right[0], Expr):
        # math-verify rounds values, and takes a part in a billion for nothing.
        difference = nsimplify(left[0] - right[0], rational=True).doit()
        return bool(simplify(difference) == 0)
    with no_code():
        return any(
            verify(*pair, float_rounding=_DECIMALS, numeric_precision=_DIGITS, timeout_seconds=None)
            for pair in ((left, right), (right, left))
        )


def _warm() -> bool:
    """A first comparison: the grammar is built at it, which costs more than most comparisons."""
    return equal(_SIMPLE, f"1+{_SIMPLE}")


@lru_cache(maxsize=4)
def _pool(seconds: float) -> WorkerPool:
    # Here, so that processes which are forked from this one have it already.
    _warm()
    return WorkerPool(equal, STUCK_SECONDS, megabytes=MEGABYTES, cpu_seconds=seconds, prepare=_warm)


_known: OrderedDict[tuple[float, str, str], bool] = OrderedDict()
_known_lock = threading.Lock()


def compare(pairs: Sequence[tuple[str, str]], seconds: float) -> list[bool | str]:
    """Per (answer, gold): equal or not, or why that could not be found out.

    A comparison has so many ``seconds`` of processor time. One that fails while the reference can
    be compared with something simple failed for what the answer is: False. Verdicts are kept.
    """
    asked = list(dict.fromkeys(pairs))
    with _known_lock:
        verdicts: dict[tuple[str, str], bool | str] = {
            pair: _known[seconds, *pair] for pair in asked if (seconds, *pair) in _known
        }
    verdicts |= _found([pair for pair in asked if pair not in verdicts], seconds)
    with _known_lock:
        for pair, verdict in verdicts.items():
            if isinstance(verdict, bool):
                _known[seconds, *pair] = verdict
        while len(_known) > REMEMBERED:
            _known.popitem(last=False)
    return [verdicts[pair] for pair in pairs]


def _found(pairs: Sequence[tuple[str, str]], seconds: float) -> dict[tuple[str, str], bool | str]:
    calls = [{"answer": answer, "gold": gold} for answer, gold in pairs]
    results = dict(zip(pairs, _pool(seconds).map(calls), strict=True))
    failed = [gold for (_, gold), result in results.items() if isinstance(result, Failed)]
    alone = [{"answer": _SIMPLE, "gold": gold} for gold in dict.fromkeys(failed)]
    readable = {
        call["gold"]
        for call, result in zip(alone, _pool(seconds).map(alone), strict=True)
        if not isinstance(result, Failed)
    }
    return {
        pair: _verdict(result, of_the_answer=pair[1] in readable)
        for pair, result in results.items()
    }


def _verdict(result: bool | Failed, of_the_answer: bool) -> bool | str:
    if not isinstance(result, Failed):
        return bool(result)
    return False if of_the_answer else f"symbolic comparison: {result.reason}"
