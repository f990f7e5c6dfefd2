"""One JSON object a line on standard error: what was asked, by whom, and what went wrong.

Never a token, a query string, a header or a body. A line is pure ASCII with every control
character escaped, so that nothing a client sends can make a second line or move a terminal's
cursor; and it is written in one piece and shorter than what a pipe takes whole, so that the lines
of several processes do not mix.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import queue
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

LONGEST = 4000
"""Bytes of a line. Longer texts are cut."""


MOST_UNWRITTEN = 10_000
"""Lines that wait to be written; more are dropped, and it is told how many."""

_unwritten: queue.Queue[str | None] = queue.Queue(MOST_UNWRITTEN)
_apart = threading.Event()
_dropped = [0]


def log(**fields: Any) -> None:
    """Write one line; a text in it is cut so that the line is not longer than `LONGEST`."""
    stamp = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    for cut in (2400, 600, 60):
        shown = {k: v[:cut] if isinstance(v, str) else v for k, v in fields.items()}
        line = json.dumps({"time": stamp, "pid": os.getpid(), **shown}, allow_nan=False)
        if len(line) < LONGEST:
            break
    if not _apart.is_set():
        _write(line)
        return
    try:
        _unwritten.put_nowait(line)
    except queue.Full:
        _dropped[0] += 1


@contextmanager
def writing_apart() -> Iterator[None]:
    """Inside, a thread writes the lines: who reads standard error slowly holds up no request."""
    writer = threading.Thread(target=_write_all, daemon=True)
    writer.start()
    _apart.set()
    try:
        yield
    finally:
        _apart.clear()
        with contextlib.suppress(queue.Full):
            _unwritten.put_nowait(None)
        writer.join(5)


def _write_all() -> None:
    while (line := _unwritten.get()) is not None:
        _write(line)
        if _dropped[0]:
            count, _dropped[0] = _dropped[0], 0
            log(event="dropped_lines", count=count)


def _write(line: str) -> None:
    sys.stderr.write(line[:LONGEST] + "\n")
    sys.stderr.flush()


class JsonLines(logging.Handler):
    """What is logged elsewhere (slow rewards, bad HTTP), in the same form."""

    def emit(self, record: logging.LogRecord) -> None:
        more = {}
        if record.exc_info and record.exc_info[1] is not None:
            more = {"error": f"{type(record.exc_info[1]).__name__}: {record.exc_info[1]}"}
        log(event=record.levelname.lower(), message=record.getMessage(), **more)
