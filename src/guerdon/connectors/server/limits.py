"""What a request, a client and the server as a whole may take."""

from __future__ import annotations

import math
from dataclasses import dataclass

MOST_SECONDS = 86_400.0
"""A day: no time limit is longer."""


@dataclass(frozen=True)
class Limits:
    """Bounds of one process that answers; with several, each has its own.

    ``seconds`` bounds how long a client waits for its judgement. A call that is stuck in the
    reward is not stopped by it: give the reward a limit of its own (``@reward(timeout=...)``).

    Attributes:
        body: bytes of one request.
        batch: rows of one request.
        seconds: from the whole request to its answer.
        waiting: requests that are judged or wait for it.
        connections: open connections.
        client_connections: of these, how many one address may hold. The addresses of this
            machine are not counted apart: a proxy speaks for many.
        header_seconds: from the first byte of a request (at first: from the connection) to the
            end of its header.
        body_seconds: from there to the end of its body.
        idle_seconds: between an answer and the next request of the connection.
        answer_seconds: for a client to take what it was sent.
        held: bytes of all bodies that are in memory at once.
        values: objects, lists and their entries in one body.
        depth: how deep they may be nested.

    Raises ValueError naming the limit and its range.
    """

    body: int = 32 * 2**20
    batch: int = 4096
    seconds: float = 120.0
    waiting: int = 1024
    connections: int = 1000
    client_connections: int = 256
    header_seconds: float = 10.0
    body_seconds: float = 60.0
    idle_seconds: float = 30.0
    answer_seconds: float = 60.0
    held: int = 256 * 2**20
    values: int = 2**20
    depth: int = 64

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if name.endswith("seconds") and not (
                math.isfinite(value) and 0 < value <= MOST_SECONDS
            ):
                raise ValueError(f"{name} is {value:g}; it must be above 0 and at most a day")
            if not name.endswith("seconds") and not 1 <= value < 2**40:
                raise ValueError(f"{name} is {value}; it must be a whole number from 1")


class Refused(Exception):
    """A request that isn't answered with scores: status and message."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
