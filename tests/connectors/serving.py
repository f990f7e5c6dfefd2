"""Reward servers that are really started, and raw sockets to them."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

CONNECTED = str(Path(__file__).parent / "connected.py")


def command(*options: str) -> list[str]:
    """The command line of ``guerdon serve``."""
    return [sys.executable, "-m", "guerdon.cli", "serve", *options]


@contextmanager
def served(tmp_path, reward, *options, **variables):
    """A client of a server that is started here, the server's process, and its log."""
    log = tmp_path / "log"
    with log.open("w") as out:
        process = subprocess.Popen(
            command("--reward", reward, "--port", "0", *options),
            stderr=out,
            env={**os.environ, **variables},
        )
    try:
        port = lines(log, process)[0]["port"]
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=60) as client:
            client.get("/health", timeout=200)  # the first answer comes when it has started
            yield client, process, log
    finally:
        process.kill()
        process.wait()


def lines(log, process):
    """The logged objects, once there is one: every line is JSON."""
    end = time.monotonic() + 120
    while time.monotonic() < end:
        if log.read_text().endswith("\n"):
            return [json.loads(line) for line in log.read_text().splitlines()]
        assert process.poll() is None, log.read_text()
        time.sleep(0.1)
    raise AssertionError(f"nothing logged: {log.read_text()}")


def logged(log, process, event, *, count=1, seconds=60.0, **fields):
    """The logged objects of a kind that have these fields, once there are ``count`` of them.

    A line may come after the answer that it is about.
    """
    wanted = {"event": event, **fields}.items()
    end = time.monotonic() + seconds
    while True:
        found = [one for one in lines(log, process) if wanted <= one.items()]
        if len(found) >= count or time.monotonic() > end:
            return found
        time.sleep(0.1)


def rows(*texts, answer="4"):
    """A body for /score."""
    return {"rows": [{"completion": t, "prompt": "2+2", "answer": answer} for t in texts]}


@contextmanager
def sockets(client, count: int) -> Iterator[list[socket.socket]]:
    """Open connections to the client's server."""
    made = []
    try:
        for _ in range(count):
            made.append(socket.create_connection(address(client), timeout=30))
        yield made
    finally:
        for one in made:
            one.close()


def address(client) -> tuple[str, int]:
    """Where the client's server listens."""
    return client.base_url.host, client.base_url.port


def closed(connection: socket.socket) -> bool:
    """Whether the other side has ended, what it sent before aside."""
    connection.setblocking(False)
    try:
        while connection.recv(2**16):
            pass
        return True
    except BlockingIOError:
        return False
    except OSError:
        return True


def wait_until(true, seconds: float) -> bool:
    """Whether ``true()`` came to hold within ``seconds``."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if true():
            return True
        time.sleep(0.05)
    return bool(true())


def read_answer(connection: socket.socket) -> bytes:
    """All that comes until the other side ends."""
    found = b""
    while piece := connection.recv(2**16):
        found += piece
    return found
