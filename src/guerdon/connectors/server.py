"""A reward over HTTP: the application. `serve` runs it."""

from __future__ import annotations

import asyncio
import hmac
import json
import logging
import math
import os
import signal
import socket
import sys
import time
from collections.abc import Awaitable, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from guerdon.connectors import openrlhf
from guerdon.connectors.given import Given, text_of
from guerdon.connectors.judge import Judge, numbers, parts_of
from guerdon.records import Progress, Scores

THREADS = 64
"""Requests whose rows can be joined to one call of the reward; others wait for a thread."""


MOST_TOKENS = 2**17
"""A row's token count makes a mask of that width."""

_MESSAGE = ("role", "content")


@dataclass(frozen=True)
class Limits:
    """``body`` in bytes, ``batch`` in rows, ``seconds`` a request; ``waiting`` requests at most.

    ``seconds`` bounds how long a client waits. A call that is stuck in the reward is not
    stopped by it: give the reward a limit of its own (``@reward(timeout=...)``).
    """

    body: int = 32 * 2**20
    batch: int = 4096
    seconds: float = 120.0
    waiting: int = 1024


class Refused(Exception):
    """A request that isn't answered with scores: status and message."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class RewardService:
    """What the application does, without HTTP: two protocols, limits, health."""

    def __init__(self, judge: Judge, limits: Limits, token: str, invalid: float) -> None:
        self.judge, self.limits, self.token, self.invalid = judge, limits, token, invalid
        self.requests = self.rows = self.invalid_rows = self.running = 0
        self._threads = ThreadPoolExecutor(THREADS, "guerdon-reward")

    def admit(self, authorization: str, query_token: str) -> None:
        """Raise Refused without the token, given as a bearer or, for OpenRLHF, ``?token=``."""
        given = authorization.removeprefix("Bearer ") if authorization else query_token
        if self.token and not hmac.compare_digest(given.encode(), self.token.encode()):
            raise Refused(401, "give the server's token as 'Authorization: Bearer TOKEN'")

    async def score(self, body: Any) -> dict[str, Any]:
        """The own protocol: ``{"rows": [...], "step", "total"}`` to ``{"results": [...]}``."""
        rows = [row_of(one, number) for number, one in enumerate(_list(body, "rows"))]
        step, total = _whole(body, "step", 0), _whole(body, "total", 1)
        scores = await self._judged(rows, Progress(step, max(total, 1)))
        return {"results": [result_of(scores, row) for row in range(len(scores))]}

    async def get_reward(self, body: Any) -> dict[str, Any]:
        """OpenRLHF's protocol: query, prompts and labels to rewards, scores and extra_logs.

        It has no way to say invalid: such a row gets the server's ``--invalid`` and "valid" 0.
        """
        if self.judge.needs_groups:
            raise Refused(422, "this reward scores groups, which this protocol has not; use /score")
        queries = _list(body, "query")
        given = [queries]
        for name in ("prompts", "labels"):
            found = body.get(name) or [None] * len(queries)
            if not isinstance(found, list) or len(found) != len(queries):
                raise Refused(422, f"{name} must be a list as long as query ({len(queries)})")
            given.append(found)
        rows = [openrlhf.row_of(str(q), p, a) for q, p, a in zip(*given, strict=True)]
        scores = await self._judged(rows, Progress())
        sent = numbers(scores, self.invalid)
        logs = {"valid": [float(ok) for ok in scores.valid.tolist()]}
        return {"rewards": sent, "scores": sent, "extra_logs": logs}

    async def _judged(self, rows: list[Given], progress: Progress) -> Scores:
        if len(rows) > self.limits.batch:
            raise Refused(413, f"{len(rows)} rows; at most {self.limits.batch} a request")
        if self.running >= self.limits.waiting:
            raise Refused(503, f"{self.running} requests are waiting already; try again")
        self.running += 1
        self.requests += 1
        work = asyncio.get_running_loop().run_in_executor(self._threads, self.judge, rows, progress)
        # The place is free when the thread is, which after a timeout is later.
        work.add_done_callback(self._finished)
        try:
            scores = await asyncio.wait_for(asyncio.shield(work), self.limits.seconds)
        except TimeoutError:
            raise Refused(504, f"not judged within {self.limits.seconds:g} s") from None
        except Exception as error:
            status = 422 if isinstance(error, ValueError) else 500
            raise Refused(status, f"{type(error).__name__}: {error}"[:500]) from error
        self.rows += len(scores)
        self.invalid_rows += int((~scores.valid).sum())
        return scores

    def _finished(self, work: asyncio.Future[Scores]) -> None:
        self.running -= 1
        if not work.cancelled():
            work.exception()  # read, so that a late error isn't reported as never looked at

    def health(self) -> tuple[int, dict[str, Any]]:
        """200, or 503 where a call has been in the reward for longer than a request may wait."""
        since = self.judge.busy_since
        stuck = since is not None and time.monotonic() - since > self.limits.seconds
        return (503 if stuck else 200), {"status": "stuck" if stuck else "ok"}

    def info(self) -> dict[str, Any]:
        """The reward, the limits and what has been counted."""
        reward = self.judge.reward
        function = getattr(reward, "function", reward)
        return {
            "reward": getattr(function, "__name__", type(reward).__name__),
            "scope": getattr(reward, "scope", "completion"),
            "shaping": [type(shaper).__name__ for shaper in self.judge.shaping],
            "needs_groups": self.judge.needs_groups,
            "limits": vars(self.limits),
            "invalid": self.invalid,
            "requests": self.requests,
            "rows": self.rows,
            "invalid_rows": self.invalid_rows,
        }


def row_of(given: Any, number: int) -> Given:
    """A row of the own protocol; raises Refused naming the row and the field."""
    if not isinstance(given, dict):
        raise Refused(422, f"rows[{number}] must be an object")
    row = {"prompt": "", "columns": {}, **{k: v for k, v in given.items() if v is not None}}
    for name in ("completion", "prompt"):
        if not _is_text_or_messages(row.get(name)):
            raise Refused(422, f"rows[{number}]: {name} is text or messages of role and content")
    if not isinstance(row["columns"], dict):
        raise Refused(422, f"rows[{number}]: columns is an object")
    tokens, group = row.get("tokens"), row.get("group")
    if not (tokens is None or (isinstance(tokens, int) and 0 <= tokens <= MOST_TOKENS)):
        raise Refused(422, f"rows[{number}]: tokens is a number from 0 to {MOST_TOKENS}")
    if not isinstance(group, str | int | None):
        raise Refused(422, f"rows[{number}]: group is a text or a number")
    completion = text_of(row["completion"])
    return Given(completion, row["prompt"], row.get("answer"), row["columns"], group, tokens)


def _is_text_or_messages(value: Any) -> bool:
    if isinstance(value, list):
        told = [m.get(key) if isinstance(m, dict) else None for m in value for key in _MESSAGE]
        return all(isinstance(one, str) for one in told)
    return isinstance(value, str)


def result_of(scores: Scores, row: int) -> dict[str, Any]:
    """A row's value (null where invalid), finite parts, validity and reason."""
    parts = parts_of(scores, row)
    return {
        "value": float(scores.value[row]) if scores.valid[row] else None,
        "parts": {name: part for name, part in parts.items() if math.isfinite(part)},
        "valid": bool(scores.valid[row]),
        "reason": scores.reasons[row],
    }


def _list(body: Any, name: str) -> list[Any]:
    if not isinstance(body, Mapping) or not isinstance(body.get(name), list) or not body[name]:
        raise Refused(422, f"the body must be an object whose {name!r} is a list with entries")
    return list(body[name])


def _whole(body: Mapping[str, Any], name: str, default: int) -> int:
    value = body.get(name, default)
    if not isinstance(value, int) or not 0 <= value < 2**53:
        raise Refused(422, f"{name} must be a whole number, not {value!r:.40}")
    return value


def log(**fields: Any) -> None:
    """One JSON line on standard error."""
    stamp = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    print(json.dumps({"time": stamp, **fields}), file=sys.stderr, flush=True)


class JsonLines(logging.Handler):
    """What is logged elsewhere (invalid rows, bad HTTP), in the same form."""

    def emit(self, record: logging.LogRecord) -> None:
        log(event=record.levelname.lower(), message=record.getMessage())


def application(service: RewardService) -> Any:
    """The FastAPI application: POST /score and /get_reward, GET /health and /info."""
    from fastapi import FastAPI
    from fastapi.responses import Response

    app = FastAPI(title="guerdon reward server", openapi_url=None)

    def reply(found: Any, status: int = 200) -> Any:
        # Not JSONResponse: it can't send the lone surrogates that a reason may quote.
        return Response(json.dumps(found, allow_nan=False), status, media_type="application/json")

    async def answer(request: Any, handle: Callable[[Any], Awaitable[dict[str, Any]]]) -> Any:
        started, status = time.monotonic(), 200
        try:
            query = request.query_params.get("token", "")
            service.admit(request.headers.get("authorization", ""), query)
            found = await handle(await _body(request, service.limits))
        except Refused as refused:
            status, found = refused.status, {"error": str(refused)}
        except Exception as error:
            status, found = 500, {"error": f"{type(error).__name__}: {error}"[:500]}
        log(
            path=request.url.path,
            client=request.client.host if request.client else None,
            status=status,
            rows=len(found.get("results", found.get("rewards", ()))),
            seconds=round(time.monotonic() - started, 4),
            error=found.get("error"),
        )
        return reply(found, status)

    async def score(request: Any) -> Any:
        return await answer(request, service.score)

    async def get_reward(request: Any) -> Any:
        return await answer(request, service.get_reward)

    async def health(request: Any) -> Any:
        status, found = service.health()
        return reply(found, status)

    async def info(request: Any) -> Any:
        async def handle(_: Any) -> dict[str, Any]:
            return service.info()

        return await answer(request, handle)

    app.add_route("/score", score, methods=["POST"])
    app.add_route("/get_reward", get_reward, methods=["POST"])
    app.add_route("/health", health)
    app.add_route("/info", info)
    return app


async def _body(request: Any, limits: Limits) -> Any:
    """The JSON body, read no further and no longer than allowed; None where there is none."""
    found = bytearray()
    try:
        async with asyncio.timeout(limits.seconds):
            async for piece in request.stream():
                found += piece
                if len(found) > limits.body:
                    raise Refused(413, f"the body is larger than {limits.body} bytes")
        return json.loads(found) if found else None
    except TimeoutError:
        raise Refused(408, f"the body did not come within {limits.seconds:g} s") from None
    except (ValueError, RecursionError) as error:
        raise Refused(400, f"the body is not JSON: {error}"[:200]) from None


def serve(service: RewardService, host: str, port: int) -> None:
    """Answer until SIGTERM or SIGINT; requests that are running then are answered first.

    ``port`` 0 takes a free one; the first line logged says which. Raises ImportError where the
    extra is not installed and OSError where the address is taken.
    """
    try:
        import uvicorn
    except ImportError as error:
        raise ImportError(f"{error}; install guerdon[server]") from error
    logging.basicConfig(handlers=[JsonLines()], level=logging.WARNING)
    # Opened by protocol: asyncio sends small answers at once (no delay of 40 ms) only on sockets
    # that say they are TCP, which those of socket.create_server do not.
    family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    listening = socket.socket(family, kind, protocol)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listening.bind(address)
    listening.listen(1024)
    patience = int(service.limits.seconds) + 1
    config = uvicorn.Config(
        application(service), log_config=None, timeout_graceful_shutdown=patience
    )
    # uvicorn repeats the signal when it is done; by default that would end us as killed.
    signal.signal(signal.SIGTERM, lambda number, frame: None)
    log(event="listening", host=host, port=listening.getsockname()[1], token=bool(service.token))
    uvicorn.Server(config).run(sockets=[listening])
    log(event="stopped", requests=service.requests, rows=service.rows)
    if service.running:
        # A call that is stuck in the reward would hold up the end of the program for ever.
        os._exit(1)
