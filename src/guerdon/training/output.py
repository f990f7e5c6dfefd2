"""What a run prints may go nowhere; the run goes on."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, TextIO


class _Lasting:
    """A stream whose reader may end: what it can't take any more goes to nowhere."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        try:
            return self._stream.write(text)
        except OSError:
            to_nowhere(self._stream)
            return len(text)

    def flush(self) -> None:
        try:
            self._stream.flush()
        except OSError:
            to_nowhere(self._stream)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


@contextmanager
def lasting_output() -> Iterator[None]:
    """Inside, nothing that is printed can raise: a pipe may be closed (``guerdon train | head``),
    a disk that the output goes to may be full.

    For what users' parts print as well. From the first refusal on, all goes to nowhere.
    """
    before = sys.stdout, sys.stderr
    lasting: Any = tuple(None if stream is None else _Lasting(stream) for stream in before)
    sys.stdout, sys.stderr = lasting
    try:
        yield
    finally:
        for stream in lasting:
            if stream is not None:
                stream.flush()
        if (sys.stdout, sys.stderr) == lasting:  # else somebody put others there
            sys.stdout, sys.stderr = before


def to_nowhere(stream: TextIO) -> None:
    """Send what a stream of the system still holds, and all that follows, to nowhere."""
    with suppress(OSError, ValueError):  # it may be none of the system's, or closed
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)
        stream.flush()
