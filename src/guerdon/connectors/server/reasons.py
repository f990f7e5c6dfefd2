"""Why a row is invalid or a call failed: in full for the log, by kind for clients.

A reason may quote an exception, and an exception may quote anything: a path, a query, a key.
Clients are told what is known to hold nothing of that sort, and otherwise the kind.
"""

from __future__ import annotations

import re

KINDS = {
    "raised": "the reward raised an exception",
    "time": "the reward gave no result in its time",
    "ended": "the process of the reward ended",
    "number": "the reward returned no finite number in its range",
    "task": "the task has nothing to judge by",
    "query": "the query does not contain its prompt",
    "other": "the reward could not judge this row",
}
"""Kinds of invalid rows, and what a client is told."""

_PATTERNS = tuple(
    (re.compile(pattern, re.DOTALL), kind)
    for pattern, kind in (
        (r"no result within [\d.e+-]+ s", "time"),
        (r"its process ended \(exit code .*\)", "ended"),
        (r"the reward returned .*", "number"),
        (r"score is not finite .*", "number"),
        (r"the query does not contain its prompt", "query"),
        (r"the task('s answer)? (has|holds|is) .*", "task"),
        (r"its (result|arguments) can't be sent .*", "raised"),
    )
)
_EXCEPTIONS = ("Error", "Exception", "Exit", "Interrupt", "Warning", "Failure")


def kind_of(reason: str | None, error: str | None = None) -> str | None:
    """One of `KINDS` for an invalid row's reason; None for a valid row, which has none.

    A reason may have names of parts before it (``right: ValueError: ...``). ``error`` is what the
    reward raised there, where it did (`guerdon.records.Scores`).
    """
    if reason is None:
        return None
    told = reason.strip()
    for _ in range(8):
        for pattern, kind in _PATTERNS:
            if pattern.fullmatch(told):
                return kind
        part, colon, rest = told.partition(": ")
        if not colon:
            break
        if _names_an_exception(part):
            return "raised"
        told = rest
    return "raised" if error is not None or _names_an_exception(told) else "other"


def _names_an_exception(text: str) -> bool:
    return text.endswith(_EXCEPTIONS) and text.replace(".", "").isidentifier()


def told(kind: str, request: str) -> str:
    """The sentence for a client; ``request`` finds the full reason in the log."""
    return f"{KINDS[kind]} (request {request})"
