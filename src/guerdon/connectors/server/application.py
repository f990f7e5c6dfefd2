"""The server as an ASGI application: paths, bodies within their limits, answers."""

from __future__ import annotations

import asyncio
import contextlib
import json
import secrets
import time
from collections.abc import Awaitable, Callable, Mapping
from concurrent.futures import Future
from typing import Any

from guerdon.connectors.server.gate import check_json, check_length
from guerdon.connectors.server.limits import Refused
from guerdon.connectors.server.logs import log
from guerdon.connectors.server.schema import openapi
from guerdon.connectors.server.service import JUDGED, Answer, RewardService

Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]

LINGER_SECONDS = 2.0
"""How long the rest of a refused body is read and thrown away. A connection that is closed with
bytes unread is reset, and its client may never see the answer.
"""

_GET = ("/health", "/info", "/metrics", "/openapi.json")
_JSON = "application/json"
_TEXT = "text/plain; version=0.0.4; charset=utf-8"


class _Gone(Exception):
    """The client has closed the connection."""


class Application:
    """POST /score and /get_reward; GET /health, /info, /metrics and /openapi.json."""

    def __init__(self, service: RewardService) -> None:
        self.service = service

    async def __call__(self, scope: Mapping[str, Any], receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            raise ValueError(f"{scope['type']} is not served")
        service, started = self.service, time.monotonic()
        request = secrets.token_hex(8)
        told = _Reply(send, request, scope)
        answer, error, status = Answer(b""), "", 200
        service.metrics.add(1, "in_flight")
        try:
            answer, kind, status = await self._answer(scope, receive, told)
            await told.whole(status, answer.body, kind)
        except Refused as refused:
            error, status = str(refused), refused.status
            await told.refusal(refused, receive)
        except _Gone:
            error, status = "the client closed the connection", 499
        except Exception as unforeseen:
            error, status = f"{type(unforeseen).__name__}: {unforeseen}", 500
            await told.refusal(Refused(500, f"an error of the server (request {request})"), receive)
        finally:
            service.metrics.add(-1, "in_flight")
            seconds = time.monotonic() - started
            service.metrics.answered(scope["path"], status, seconds)
            service.metrics.add(answer.rows, "rows")
            for kind, count in answer.invalid.items():
                service.metrics.add(count, "invalid", kind)
            log(
                event="request",
                request=request,
                method=scope["method"][:20],
                path=scope["path"][:100],
                client=scope["client"][0][:60] if scope.get("client") else None,
                status=status,
                rows=answer.rows,
                invalid=sum(answer.invalid.values()),
                seconds=round(seconds, 4),
                **({"error": error[:500]} if error else {}),
            )

    async def _answer(
        self, scope: Mapping[str, Any], receive: Receive, told: _Reply
    ) -> tuple[Answer, str, int]:
        service, path, method = self.service, scope["path"], scope["method"]
        headers = {k.decode("latin-1"): v.decode("latin-1") for k, v in scope["headers"]}
        check_length(headers)
        service.gate.check_page(headers)
        if path != "/health":
            service.gate.check_token(headers, scope["query_string"])
        if path not in (*JUDGED, *_GET):
            raise Refused(404, f"there is no such path; there are {', '.join((*JUDGED, *_GET))}")
        allowed = ("POST",) if path in JUDGED else ("GET", "HEAD")
        if method not in allowed:
            told.headers.append((b"allow", ", ".join(allowed).encode()))
            raise Refused(405, f"{path} takes {' and '.join(allowed)}")
        if path in JUDGED:
            check_json(headers)
            return await self._judged(path, headers, receive, told), _JSON, 200
        if path == "/metrics":
            return Answer(service.metrics.text().encode()), _TEXT, 200
        if path == "/health":
            status, found = service.health()
        else:
            status, found = 200, service.info() if path == "/info" else openapi(service.limits)
        return Answer(json.dumps(found, allow_nan=False).encode()), _JSON, status

    async def _judged(
        self, path: str, headers: Mapping[str, str], receive: Receive, told: _Reply
    ) -> Answer:
        service = self.service
        service.admit()
        body = bytearray()
        try:
            await self._read(body, headers, receive)
            told.read = True
            service.admit()
        except BaseException:
            service.let_go(len(body))
            raise
        work, loop = service.begin(path, body, told.request), asyncio.get_running_loop()

        def ended(_: Any) -> None:
            # The place is free when the thread is, which after a timeout is later.
            with contextlib.suppress(RuntimeError):  # the loop is closed: the server has ended
                loop.call_soon_threadsafe(service.ended, len(body))

        work.add_done_callback(ended)
        return await self._waited(work, receive)

    async def _read(self, body: bytearray, headers: Mapping[str, str], receive: Receive) -> None:
        """Fill ``body``, no further and no longer than allowed."""
        limits = self.service.limits
        too_large = Refused(413, f"the body is larger than {limits.body} bytes")
        # Compared as text first: a number of many digits is dear to read.
        told = headers.get("content-length", "0").lstrip("0") or "0"
        if len(told) > 15 or int(told) > limits.body:
            raise too_large
        try:
            async with asyncio.timeout(limits.body_seconds):
                while True:
                    message = await receive()
                    if message["type"] == "http.disconnect":
                        raise _Gone
                    piece = message.get("body", b"")
                    if len(body) + len(piece) > limits.body:
                        raise too_large
                    self.service.hold(len(piece))
                    body += piece
                    if not message.get("more_body", False):
                        return
        except TimeoutError:
            late = f"the body did not come within {limits.body_seconds:g} s"
            raise Refused(408, late) from None

    async def _waited(self, work: Future[Answer], receive: Receive) -> Answer:
        """The answer, unless the time is over or nobody waits for it any more."""
        done = asyncio.wrap_future(work)
        gone = asyncio.ensure_future(receive())
        seconds = self.service.limits.seconds
        try:
            both: set[asyncio.Future[Any]] = {done, gone}
            await asyncio.wait(both, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
            if done.done():
                return done.result()
            if gone.done():
                raise _Gone
            raise Refused(504, f"not judged within {seconds:g} s")
        finally:
            gone.cancel()
            # Nothing happens to a call that has begun; one that waits for a thread never begins.
            done.cancel()


class _Reply:
    """How one request is answered; ``read`` says whether its body has been read to the end."""

    def __init__(self, send: Send, request: str, scope: Mapping[str, Any]) -> None:
        self.request, self._send = request, send
        self.headers = [(b"x-request-id", request.encode())]
        sent = dict(scope["headers"])
        chunked, length = b"transfer-encoding" in sent, sent.get(b"content-length", b"0")
        self.read = not chunked and not length.strip(b"0")

    async def whole(self, status: int, body: bytes, kind: str) -> None:
        if not self.read:
            self.headers.append((b"connection", b"close"))
        await self._begin(status, body, kind)
        await self._send({"type": "http.response.body", "body": body, "more_body": False})

    async def refusal(self, refused: Refused, receive: Receive) -> None:
        """The error as JSON. Where the body has not been read, the connection ends with it."""
        if refused.status == 401:
            self.headers.append((b"www-authenticate", b"Bearer"))
        if refused.status == 503:
            self.headers.append((b"retry-after", b"1"))
        found = {"error": str(refused), "request": self.request}
        body = json.dumps(found).encode()
        if self.read:
            await self.whole(refused.status, body, _JSON)
            return
        self.headers.append((b"connection", b"close"))
        await self._begin(refused.status, body, _JSON)
        await self._send({"type": "http.response.body", "body": body, "more_body": True})
        await _thrown_away(receive)
        await self._send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _begin(self, status: int, body: bytes, kind: str) -> None:
        headers = [
            (b"content-type", kind.encode()),
            (b"content-length", str(len(body)).encode()),
            (b"cache-control", b"no-store"),
            (b"x-content-type-options", b"nosniff"),
            *self.headers,
        ]
        await self._send({"type": "http.response.start", "status": status, "headers": headers})


async def _thrown_away(receive: Receive) -> None:
    """Read the rest of a body for a while."""
    try:
        async with asyncio.timeout(LINGER_SECONDS):
            more = True
            while more:
                message = await receive()
                more = message["type"] != "http.disconnect" and message.get("more_body", False)
    except TimeoutError:
        return
