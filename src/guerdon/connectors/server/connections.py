"""Connections that can't be held open for nothing: uvicorn's h11 protocol with clocks.

uvicorn waits without end for a header, for a reader of an answer, and takes any number of
connections. Here each of these has its limit, in the event loop's own timers. Where there is no
place for a new connection, the one that has waited longest for a header gives way: what is being
answered is never cut, and unfinished requests can't keep honest clients out.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections import Counter
from typing import Any

from guerdon.connectors.server.gate import is_loopback
from guerdon.connectors.server.limits import Limits
from guerdon.connectors.server.metrics import Metrics

RECEIVE = 2**15
"""Bytes taken from a socket in one go: their parsing (they may be one-byte chunks) is the longest
that the loop is kept from others.
"""

_LATE = b"HTTP/1.1 408 Request Timeout\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"
_FULL = (
    b"HTTP/1.1 503 Service Unavailable\r\nretry-after: 1\r\nconnection: close\r\n"
    b"content-length: 0\r\n\r\n"
)


class Places:
    """The open connections of a process: who holds them, and which wait for a header."""

    def __init__(self, limits: Limits, metrics: Metrics) -> None:
        self.limits, self.metrics = limits, metrics
        self.waiting: dict[Any, None] = {}
        """Connections that wait for a header, the longest waiting first."""
        self._clients: Counter[str] = Counter()
        self._open = 0

    def enter(self, connection: Any, client: str) -> bool:
        """Take a place, maybe another's; False where all are at work."""
        if self._full(client) and not self._give_way(client):
            self.metrics.add(1, "closed", "refused")
            return False
        self._count(client, 1)
        return True

    def leave(self, client: str) -> None:
        """A connection that had a place is closed."""
        self._count(client, -1)

    def _count(self, client: str, change: int) -> None:
        self._open += change
        self.metrics.put(self._open, "connections")
        if client:
            self._clients[client] += change
            if not self._clients[client]:
                del self._clients[client]

    def _crowded(self, client: str) -> bool:
        return bool(client) and self._clients[client] >= self.limits.client_connections

    def _full(self, client: str) -> bool:
        return self._open >= self.limits.connections or self._crowded(client)

    def _give_way(self, client: str) -> bool:
        own = self._crowded(client)
        oldest = next((one for one in self.waiting if not own or one.known_as == client), None)
        if oldest is None:
            return False
        oldest.cut("replaced", _LATE)
        return True


class Timed(asyncio.Protocol):
    """The clocks, laid over uvicorn's ``H11Protocol``, which has what is ``Any`` here."""

    places: Places
    client: Any
    conn: Any
    cycle: Any
    loop: Any
    transport: Any
    _idle: Any
    """h11's state of a connection whose next request has not come."""
    known_as = ""
    """The client's address, or "" for this machine."""
    _placed = False
    _clocks: dict[str, asyncio.TimerHandle]

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self._clocks = {}
        transport.max_size = RECEIVE
        # 0: told as soon as something is not taken, and again when all of it is.
        transport.set_write_buffer_limits(high=0)
        client = self.client[0] if self.client else ""
        self.known_as = "" if not client or is_loopback(client) else client
        self._placed = self.places.enter(self, self.known_as)
        if not self._placed:
            transport.write(_FULL)
            transport.close()
            return
        self._await_header()

    def connection_lost(self, exc: Exception | None) -> None:
        if self._placed:
            self._leave()
        for clock in self._clocks.values():
            clock.cancel()
        # A reward's processes may be forked from this one and hold the socket too: closing it
        # here would not end the connection.
        with contextlib.suppress(OSError):
            self.transport.get_extra_info("socket").shutdown(socket.SHUT_RDWR)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if not self._placed:
            return
        super().data_received(data)
        self._look()
        if self in self.places.waiting:
            self._start("header", self.places.limits.header_seconds)

    def on_response_complete(self) -> None:
        super().on_response_complete()  # type: ignore[misc]
        self._look()

    def pause_writing(self) -> None:
        super().pause_writing()
        self._start("answer", self.places.limits.answer_seconds)

    def resume_writing(self) -> None:
        self._stop("answer")
        super().resume_writing()

    def cut(self, why: str, last: bytes = b"") -> None:
        """Close at once; ``last`` is sent where nothing else is on its way."""
        self.places.metrics.add(1, "closed", why)
        self._leave()
        if last and not self.transport.get_write_buffer_size():
            self.transport.write(last)
            self.transport.close()
        else:
            self.transport.abort()

    def _leave(self) -> None:
        if self._placed:
            self.places.leave(self.known_as)
        self._placed = False
        self.places.waiting.pop(self, None)
        self._stop("header")

    def _look(self) -> None:
        """Take note of whether a header is awaited now."""
        answered = self.cycle is None or self.cycle.response_complete
        if self._placed and answered and self.conn.their_state is self._idle:
            self.places.waiting.setdefault(self)
        else:
            self.places.waiting.pop(self, None)
            self._stop("header")

    def _await_header(self) -> None:
        self.places.waiting[self] = None
        self._start("header", self.places.limits.header_seconds)

    def _start(self, clock: str, seconds: float) -> None:
        if clock not in self._clocks:
            last = _LATE if clock == "header" else b""
            self._clocks[clock] = self.loop.call_later(seconds, self.cut, clock, last)

    def _stop(self, clock: str) -> None:
        if clock in self._clocks:
            self._clocks.pop(clock).cancel()


def protocol(places: Places) -> type[asyncio.Protocol]:
    """The class for uvicorn's ``http``."""
    import h11
    from uvicorn.protocols.http.h11_impl import H11Protocol

    class TimedProtocol(Timed, H11Protocol):
        _idle = h11.IDLE

    TimedProtocol.places = places
    return TimedProtocol
