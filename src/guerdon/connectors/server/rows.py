"""The two protocols: what a request asks to be judged, and what it is answered."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from guerdon.connectors import openrlhf
from guerdon.connectors.given import Given, text_of
from guerdon.connectors.judge import numbers, parts_of
from guerdon.connectors.server.bodies import read_object, refuse_unknown
from guerdon.connectors.server.limits import Limits, Refused
from guerdon.records import Progress, Scores

MOST_TOKENS = 2**17
"""A row's token count makes a mask of that width."""

MOST_PLACES = 2**26
"""Rows times the largest token count: the mask of a request, in bytes."""

ROW_FIELDS = ("completion", "prompt", "answer", "columns", "group", "tokens")
_MESSAGE = ("role", "content")


@dataclass(frozen=True)
class Asked:
    """Rows to judge, and where in a run they are."""

    rows: list[Given]
    progress: Progress


def read_score(body: bytes | bytearray, limits: Limits) -> Asked:
    """The own protocol: ``{"rows": [...], "step": 0, "total": 1}``. Raises Refused."""
    found = read_object(body, {"rows": row_of, "step": None, "total": None}, limits)
    rows = _filled(found, "rows")
    widest = max((row.tokens or 0 for row in rows), default=0)
    if widest * len(rows) > MOST_PLACES:
        raise Refused(
            413,
            f"{len(rows)} rows of up to {widest} tokens; rows times tokens may be {MOST_PLACES}",
        )
    step, total = _whole(found, "step", 0), _whole(found, "total", 1)
    return Asked(rows, Progress(step, max(total, 1)))


def read_get_reward(body: bytes | bytearray, limits: Limits) -> Asked:
    """OpenRLHF's protocol: lists ``query``, and maybe ``prompts`` and ``labels``. Raises Refused.

    OpenRLHF 0.11 sends these three; before, it sent ``query`` alone.
    """
    fields: Mapping[str, Callable[[Any, int], Any]] = {
        "query": _text("query"),
        "prompts": _text("prompts"),
        "labels": lambda value, number: value,
    }
    found = read_object(body, fields, limits)
    queries = _filled(found, "query")
    beside = []
    for name in ("prompts", "labels"):
        given = found.get(name) or [None] * len(queries)
        if len(given) != len(queries):
            raise Refused(422, f"{name} must be a list as long as query ({len(queries)})")
        beside.append(given)
    rows = [openrlhf.row_of(q or "", p, a) for q, p, a in zip(queries, *beside, strict=True)]
    return Asked(rows, Progress())


def row_of(given: Any, number: int) -> Given:
    """A row of the own protocol; raises Refused naming the row and the field."""
    where = f"rows[{number}]"
    if not isinstance(given, dict):
        raise Refused(422, f"{where} must be an object")
    for name in given:
        refuse_unknown(name, dict.fromkeys(ROW_FIELDS), where)
    row = {"prompt": "", "columns": {}, **{k: v for k, v in given.items() if v is not None}}
    for name in ("completion", "prompt"):
        if not _is_text_or_messages(row.get(name)):
            raise Refused(422, f"{where}: {name} is text or messages of role and content")
    if not isinstance(row["columns"], dict):
        raise Refused(422, f"{where}: columns is an object")
    tokens, group = row.get("tokens"), row.get("group")
    if tokens is not None and not (_is_whole(tokens) and 0 <= tokens <= MOST_TOKENS):
        raise Refused(422, f"{where}: tokens is a number from 0 to {MOST_TOKENS}")
    if not (group is None or isinstance(group, str) or _is_whole(group)):
        raise Refused(422, f"{where}: group is a text or a number")
    completion = text_of(row["completion"])
    tokens = None if tokens is None else int(tokens)
    return Given(completion, row["prompt"], row.get("answer"), row["columns"], group, tokens)


def _is_text_or_messages(value: Any) -> bool:
    if isinstance(value, list):
        told = [m.get(key) if isinstance(m, dict) else None for m in value for key in _MESSAGE]
        return all(isinstance(one, str) for one in told)
    return isinstance(value, str)


def _is_whole(value: Any) -> bool:
    """True for 3 and 3.0, which JSON does not tell apart, and not for true."""
    whole = isinstance(value, int) or (isinstance(value, float) and value.is_integer())
    return whole and not isinstance(value, bool)


def _text(name: str) -> Callable[[Any, int], str | None]:
    def checked(value: Any, number: int) -> str | None:
        if value is not None and not isinstance(value, str):
            raise Refused(422, f"{name}[{number}] must be a text")
        return value

    return checked


def _filled(found: Mapping[str, Any], name: str) -> list[Any]:
    if not found.get(name):
        raise Refused(422, f"the body must be an object whose {name!r} is a list with entries")
    return list(found[name])


def _whole(found: Mapping[str, Any], name: str, default: int) -> int:
    value = found.get(name, default)
    if not _is_whole(value) or not 0 <= value < 2**53:
        raise Refused(422, f"{name} must be a whole number, not {value!r:.40}")
    return int(value)


def score_answer(scores: Scores, reasons: list[str | None]) -> dict[str, Any]:
    """``{"results": [...]}``: a row's value (null where invalid), finite parts, what is told."""
    return {"results": [_result(scores, row, reasons[row]) for row in range(len(scores))]}


def get_reward_answer(scores: Scores, invalid: float) -> dict[str, Any]:
    """``rewards``, ``scores`` and ``extra_logs``. The protocol has no way to say invalid: such
    a row gets ``invalid``, and "valid" 0 in ``extra_logs``.
    """
    sent = numbers(scores, invalid)
    logs = {"valid": [float(ok) for ok in scores.valid.tolist()]}
    return {"rewards": sent, "scores": sent, "extra_logs": logs}


def _result(scores: Scores, row: int, reason: str | None) -> dict[str, Any]:
    parts = parts_of(scores, row)
    return {
        "value": float(scores.value[row]) if scores.valid[row] else None,
        "parts": {name: part for name, part in parts.items() if math.isfinite(part)},
        "valid": bool(scores.valid[row]),
        "reason": reason,
    }
