"""One process that answers: its socket, its event loop and its end."""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import socket
import time
from dataclasses import replace
from typing import Any

from guerdon.connectors.server.application import Application
from guerdon.connectors.server.connections import Places, protocol
from guerdon.connectors.server.limits import Limits
from guerdon.connectors.server.logs import JsonLines, log, writing_apart
from guerdon.connectors.server.metrics import CLOSED
from guerdon.connectors.server.service import RewardService
from guerdon.extras import install

HEADER = 2**14
"""Bytes of a request's header."""

RESERVED_FILES = 128
"""Of the files that a process may open, those that are left to the reward."""

TELL_SECONDS = 10.0
"""How often it is told that connections were closed, where some were."""


def listen(host: str, port: int) -> socket.socket:
    """A listening socket; ``port`` 0 takes a free one. Raises OSError naming the address."""
    # Opened by protocol: asyncio sends small answers at once (no delay of 40 ms) only on sockets
    # that say they are TCP, which those of socket.create_server do not.
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        family, kind, number, _, address = found[0]
        listening = socket.socket(family, kind, number)
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(address)
    except (OSError, UnicodeError) as error:
        raise OSError(f"can't listen at {host}, port {port}: {error}") from error
    listening.listen(1024)
    return listening


def serve(service: RewardService, listening: socket.socket, supervised: bool = False) -> int:
    """Answer until SIGTERM or SIGINT; 0, or 1 where requests were left unanswered.

    At the first signal running requests are answered, for as long as a request may take, and new
    ones get 503; a second signal ends it at once. One that is ``supervised`` leaves SIGINT,
    which a terminal sends to all processes, to its supervisor. Raises ImportError where the
    extra is not installed.
    """
    try:
        import uvicorn
    except ImportError as error:
        raise ImportError(f"guerdon serve needs {error.name}: {install('server')}") from error
    logging.basicConfig(handlers=[JsonLines()], level=logging.WARNING, force=True)
    # It quotes completions; the service logs the same failures with their request's id.
    logging.getLogger("guerdon.judging").setLevel(logging.ERROR)
    service.limits = _within_open_files(service.limits)
    config = uvicorn.Config(
        Application(service),
        http=protocol(Places(service.limits, service.metrics)),
        loop="asyncio",
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=True,
        forwarded_allow_ips=["127.0.0.1", "::1"],
        h11_max_incomplete_event_size=HEADER,
        timeout_keep_alive=service.limits.idle_seconds,
        timeout_graceful_shutdown=2,
        backlog=1024,
    )
    server = _stopping_server(service, uvicorn.Server, supervised)(config)
    with writing_apart():
        server.run(sockets=[listening])
    left = service.running
    rows = int(service.metrics.total("rows"))
    log(event="stopped", unanswered=left, requests=service.info()["requests"], rows=rows)
    if left:
        # A call that is stuck in the reward would hold up the end of the program for ever.
        os._exit(1)
    return 0


def _stopping_server(service: RewardService, server: Any, supervised: bool) -> Any:
    """uvicorn's server, which goes on listening while it answers what it has begun."""

    class StoppingServer(server):
        stop_at = float("inf")
        told_at, told = 0.0, 0.0

        def handle_exit(self, sig: int, frame: Any) -> None:
            if supervised and sig == signal.SIGINT:
                return
            if service.stopping:
                self.should_exit = self.force_exit = True
            service.stopping = True
            # Requests that are running end by themselves in this time, by 504 if need be.
            self.stop_at = time.monotonic() + service.limits.seconds + 1

        async def on_tick(self, counter: int) -> bool:
            now = time.monotonic()
            service.metrics.put(1.0, "ready")
            service.publish()
            if service.stopping and (not service.running or now > self.stop_at):
                self.should_exit = True
            if now - self.told_at > TELL_SECONDS:
                self._tell_closed(now)
            return bool(await super().on_tick(counter))

        def _tell_closed(self, now: float) -> None:
            closed = {why: int(service.metrics.total("closed", why)) for why in CLOSED}
            if sum(closed.values()) != self.told:
                log(event="closed_connections", **closed)
            self.told_at, self.told = now, sum(closed.values())

    return StoppingServer


def _within_open_files(limits: Limits) -> Limits:
    """The limits with no more connections than this process may have open files."""
    with contextlib.suppress(ImportError, ValueError, OSError):
        import resource

        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        needed = limits.connections + RESERVED_FILES
        if soft != resource.RLIM_INFINITY and soft < needed:
            soft = needed if hard == resource.RLIM_INFINITY else min(needed, hard)
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
            if soft < needed:
                fitting = max(1, soft - RESERVED_FILES)
                log(event="warning", message=f"{soft} open files allow {fitting} connections")
                return replace(limits, connections=fitting)
    return limits
