"""Counts, in Prometheus' text format.

Every count has a fixed place in an array of doubles, one row of it a process. Where several
processes answer at one port the array lies in memory that they share, and whichever is asked adds
up the rows.
"""

from __future__ import annotations

from collections.abc import Iterator, MutableSequence
from typing import Any

from guerdon.connectors.server.reasons import KINDS

PATHS = ("/score", "/get_reward", "/health", "/info", "/metrics", "/openapi.json", "other")
STATUSES = (200, 400, 401, 403, 404, 405, 408, 411, 413, 415, 422, 499, 500, 503, 504)
SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0)
CLOSED = ("header", "answer", "replaced", "refused")
"""Why connections are closed: no header in time, an answer not taken, for a newer one, no place."""

_INFINITE = float("inf")


def _places() -> dict[tuple[Any, ...], int]:
    names: list[tuple[Any, ...]] = [("requests", p, s) for p in PATHS for s in STATUSES]
    names += [("seconds", bound) for bound in (*SECONDS, _INFINITE)]
    names += [("invalid", kind) for kind in KINDS]
    names += [("closed", why) for why in CLOSED]
    names += [("rows",), ("seconds_sum",)]
    names += [
        ("in_flight",),
        ("judging",),
        ("connections",),
        ("held",),
        ("busy_since",),
        ("ready",),
    ]
    return {name: place for place, name in enumerate(names)}


_PLACE = _places()
PLACES = len(_PLACE)
"""Doubles that a process needs."""

NOW = ("in_flight", "judging", "connections", "held", "busy_since", "ready")
"""What is true of a moment: 0 again when a process is replaced. The others only grow."""


class Metrics:
    """The counts of process ``worker`` of ``workers``; changed from one thread only.

    ``shared`` is an array of at least ``workers * PLACES`` doubles, all 0 at first.
    """

    def __init__(
        self, shared: MutableSequence[float] | None = None, worker: int = 0, workers: int = 1
    ) -> None:
        self._all = [0.0] * PLACES if shared is None else shared
        self._start, self.workers = worker * PLACES, workers
        for name in NOW:
            self.put(0.0, name)

    def add(self, amount: float, *name: Any) -> None:
        """Add to a count, e.g. ``add(1, "requests", "/score", 200)``."""
        self._all[self._start + _PLACE[name]] += amount

    def put(self, value: float, *name: Any) -> None:
        """Set one of `NOW`."""
        self._all[self._start + _PLACE[name]] = value

    def each(self, *name: Any) -> list[float]:
        """A count of every process."""
        return self.read(self._all, self.workers, *name)

    @staticmethod
    def read(shared: MutableSequence[float], workers: int, *name: Any) -> list[float]:
        """A count of every process, for one that has none of its own."""
        return [shared[w * PLACES + _PLACE[name]] for w in range(workers)]

    def total(self, *name: Any) -> float:
        """A count over all processes."""
        return sum(self.each(*name))

    def answered(self, path: str, status: int, seconds: float) -> None:
        """Count a request."""
        self.add(1, "requests", path if path in PATHS else "other", status)
        self.add(seconds, "seconds_sum")
        self.add(1, "seconds", next(b for b in (*SECONDS, _INFINITE) if seconds <= b))

    def text(self) -> str:
        """All processes together, in Prometheus' text format 0.0.4."""
        return "".join(f"{line}\n" for line in self._lines())

    def _lines(self) -> Iterator[str]:
        yield from _head("requests_total", "counter", "Requests by path and status")
        for _, path, status in (name for name in _PLACE if name[0] == "requests"):
            if count := self.total("requests", path, status):
                yield f'guerdon_requests_total{{path="{path}",status="{status}"}} {count:.0f}'
        yield from _head("request_seconds", "histogram", "Seconds from a header to its answer")
        count = 0.0
        for bound in (*SECONDS, _INFINITE):
            count += self.total("seconds", bound)
            shown = "+Inf" if bound == _INFINITE else f"{bound:g}"
            yield f'guerdon_request_seconds_bucket{{le="{shown}"}} {count:.0f}'
        yield f"guerdon_request_seconds_sum {self.total('seconds_sum'):.6f}"
        yield f"guerdon_request_seconds_count {count:.0f}"
        yield from _one("rows_total", "counter", "Rows judged", self.total("rows"))
        yield from _head("invalid_rows_total", "counter", "Rows that could not be judged, by kind")
        for kind in KINDS:
            yield f'guerdon_invalid_rows_total{{kind="{kind}"}} {self.total("invalid", kind):.0f}'
        yield from _head("connections_closed_total", "counter", "Connections that we closed")
        for why in CLOSED:
            yield f'guerdon_connections_closed_total{{why="{why}"}} {self.total("closed", why):.0f}'
        now = {
            "in_flight": "Requests that are read, judged or answered",
            "judging": "Requests that are judged or wait for it",
            "connections": "Open connections",
            "held": "Bytes of bodies in memory",
        }
        for name, about in now.items():
            yield from _one(name, "gauge", about, self.total(name))
        yield from _one("workers", "gauge", "Processes that answer", self.workers)


def _head(name: str, kind: str, about: str) -> Iterator[str]:
    yield f"# HELP guerdon_{name} {about}."
    yield f"# TYPE guerdon_{name} {kind}"


def _one(name: str, kind: str, about: str, value: float) -> Iterator[str]:
    yield from _head(name, kind, about)
    yield f"guerdon_{name} {value:.0f}"
