"""What the server does, without HTTP: reads a body, asks the reward, writes the answer."""

from __future__ import annotations

import json
import threading
import time
import traceback
from collections import Counter
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from guerdon.connectors.judge import Judge
from guerdon.connectors.server.gate import Gate
from guerdon.connectors.server.limits import Limits, Refused
from guerdon.connectors.server.logs import log
from guerdon.connectors.server.metrics import STATUSES, Metrics
from guerdon.connectors.server.reasons import KINDS, kind_of, told
from guerdon.connectors.server.rows import (
    Asked,
    get_reward_answer,
    read_get_reward,
    read_score,
    score_answer,
)
from guerdon.failures import NotGiven
from guerdon.records import Scores
from guerdon.traits import scope_of

THREADS = 64
"""Requests whose rows can be joined to one call of the reward; others wait for a thread."""

READING = 2
"""Bodies that are read at once. More would only take turns at Python's lock."""

JUDGED = ("/score", "/get_reward")
"""Paths whose bodies hold completions."""


@dataclass(frozen=True)
class Answer:
    """A body to send, and what it holds for the counts."""

    body: bytes
    rows: int = 0
    invalid: dict[str, int] = field(default_factory=dict)


class RewardService:
    """Two protocols, health and counts; used by the application, from its one thread.

    ``stopping`` refuses new requests; those that are judged are answered.
    """

    def __init__(
        self,
        judge: Judge,
        limits: Limits | None = None,
        gate: Gate | None = None,
        invalid: float = 0.0,
        metrics: Metrics | None = None,
    ) -> None:
        self.judge, self.invalid = judge, invalid
        self.limits, self.gate = limits or Limits(), gate or Gate()
        self.metrics = metrics or Metrics()
        self.running = self.held = 0
        self.stopping = False
        self._threads = ThreadPoolExecutor(THREADS, "guerdon-reward")
        self._reading = threading.Semaphore(READING)

    def admit(self) -> None:
        """Raise Refused (503) where no further request can be judged now."""
        if self.stopping:
            raise Refused(503, "the server is stopping")
        if self.running >= self.limits.waiting:
            raise Refused(503, f"{self.running} requests are waiting already; try again")

    def hold(self, size: int) -> None:
        """Take note of ``size`` more bytes of bodies in memory; raises Refused (503) beyond."""
        if self.held + size > max(self.limits.held, self.limits.body):
            raise Refused(503, "the bodies of other requests fill the memory; try again")
        self.let_go(-size)

    def let_go(self, size: int) -> None:
        """The opposite of `hold`."""
        self.held -= size
        self.metrics.put(self.held, "held")

    def begin(self, path: str, body: bytearray, request: str) -> Future[Answer]:
        """Read and judge ``body`` in a thread; the future may raise Refused."""
        judged = {"/score": self._score, "/get_reward": self._get_reward}[path]
        self.running += 1
        self.metrics.put(self.running, "judging")
        return self._threads.submit(judged, body, request)

    def ended(self, size: int) -> None:
        """To be called when a future of `begin` is done: place and body are free only then."""
        self.running -= 1
        self.let_go(size)
        self.metrics.put(self.running, "judging")

    def _score(self, body: bytearray, request: str) -> Answer:
        asked = self._read(read_score, body)
        scores = self._judged(asked, request)
        kinds = list(map(kind_of, scores.reasons, scores.errors))
        reasons = [None if kind is None else told(kind, request) for kind in kinds]
        return _answer(score_answer(scores, reasons), kinds)

    def _get_reward(self, body: bytearray, request: str) -> Answer:
        if self.judge.needs_groups:
            raise Refused(422, "this reward scores groups, which this protocol has not; use /score")
        scores = self._judged(self._read(read_get_reward, body), request)
        kinds = list(map(kind_of, scores.reasons, scores.errors))
        return _answer(get_reward_answer(scores, self.invalid), kinds)

    def _read(self, read: Callable[[bytearray, Limits], Asked], body: bytearray) -> Asked:
        with self._reading:
            return read(body, self.limits)

    def _judged(self, asked: Asked, request: str) -> Scores:
        """The scores; what the reward raised goes to the log, with the request's id."""
        try:
            scores = self.judge(asked.rows, asked.progress)
        except BaseException as error:  # in a thread of its own: Ctrl-C comes to another
            log(
                event="reward_raised",
                request=request,
                error=f"{type(error).__name__}: {error}",
                trace="".join(traceback.format_exception(error))[-1500:],
            )
            raise _refusal(error, request) from None
        for trace, rows in Counter(filter(None, scores.errors)).most_common(3):
            log(event="reward_failed", request=request, rows=rows, trace=trace[-1500:])
        reasons = [reason for reason in scores.reasons if reason is not None]
        if reasons:
            log(
                event="invalid_rows",
                request=request,
                rows=len(scores),
                invalid=len(reasons),
                reasons="; ".join(reason[:600] for reason in list(dict.fromkeys(reasons))[:3]),
            )
        return scores

    def publish(self) -> None:
        """Let the other processes know whether the reward is at a call, and since when."""
        self.metrics.put(self.judge.busy_since or 0.0, "busy_since")

    def health(self) -> tuple[int, dict[str, Any]]:
        """200, or 503 where a process is stopping, or its reward has been at one call for longer
        than a request may wait.
        """
        self.publish()
        now = time.monotonic()
        busy = self.metrics.each("busy_since")
        stuck = sum(since > 0 and now - since > self.limits.seconds for since in busy)
        status = "stopping" if self.stopping else "stuck" if stuck else "ok"
        found: dict[str, Any] = {"status": status}
        if self.metrics.workers > 1:
            found |= {"workers": self.metrics.workers, "stuck": stuck}
        return (200 if status == "ok" else 503), found

    def info(self) -> dict[str, Any]:
        """The reward, the limits and what has been counted, by all processes together."""
        reward, count = self.judge.reward, self.metrics.total
        function = getattr(reward, "function", reward)
        return {
            "reward": str(getattr(function, "__name__", type(reward).__name__)),
            "scope": scope_of(reward),
            "shaping": [type(shaper).__name__ for shaper in self.judge.shaping],
            "needs_groups": self.judge.needs_groups,
            "limits": vars(self.limits),
            "invalid": self.invalid,
            "workers": self.metrics.workers,
            "requests": int(sum(count("requests", p, s) for p in JUDGED for s in STATUSES)),
            "rows": int(count("rows")),
            "invalid_rows": int(sum(count("invalid", kind) for kind in KINDS)),
        }


def _answer(found: dict[str, Any], kinds: list[str | None]) -> Answer:
    # ASCII: a part's name may hold lone surrogates, which UTF-8 does not.
    counted: dict[str, int] = {}
    for kind in kinds:
        if kind is not None:
            counted[kind] = counted.get(kind, 0) + 1
    return Answer(json.dumps(found, allow_nan=False).encode("ascii"), len(kinds), counted)


def _refusal(error: BaseException, request: str) -> Refused:
    """What a client is told of an exception: its own mistake in words, anything else by id.

    NotGiven names what the request lacks; a ValueError of our own shapers is a mistake of it too.
    """
    if isinstance(error, NotGiven):
        return Refused(422, str(error)[:500])
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    raised_in = "" if trace is None else str(trace.tb_frame.f_globals.get("__name__", ""))
    ours = type(error) is ValueError and raised_in.startswith("guerdon.")
    status = 422 if ours else 500
    return Refused(status, f"the reward raised an exception (request {request})")
