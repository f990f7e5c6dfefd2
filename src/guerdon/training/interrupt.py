"""Ctrl-C, SIGTERM and a closed terminal end a run between two steps, not inside one."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import Any, TypeVar

T = TypeVar("T")

NAMES = ("SIGINT", "SIGTERM", "SIGHUP")


class Ended(KeyboardInterrupt):
    """A signal ends the run here and now; the message says what that loses.

    ``status`` is the exit status: 130, 143 or 129.
    """

    def __init__(self, number: int, lost: str = "") -> None:
        super().__init__(lost)
        self.status = 128 + number


class Interrupt:
    """What signals ask of a run.

    Until `patient` is called there is nothing to keep, and any signal raises `Ended` at once.
    From then on the first only sets ``number``: a step that is half done can't be resumed bit
    for bit, so a loop looks at ``requested`` after each. The second says that it is urgent: what
    only measures is left out (`measure`). The third gives up and raises `Ended`, though not inside
    `whole`, which it lets end first (a fourth does not). Each says on stderr what it will do.

    SIGTERM and SIGHUP are urgent from the first. SIGHUP stays ignored where it was (``nohup``).
    Processes forked meanwhile are the owner's to end: they ignore SIGINT and SIGHUP and die of
    SIGTERM. Outside the main thread, where signals can't be caught, it does nothing.
    """

    def __init__(self) -> None:
        self.number = 0
        self.count = 0
        self._lost: Callable[[], str] = str
        self._about: Callable[[], str] = str
        self._what = ""
        self._patient = self._shielded = self._measuring = self._due = False
        self._owner = os.getpid()
        self._previous: dict[int, Any] = {}

    @property
    def requested(self) -> bool:
        """Whether the run is to end after the step under way."""
        return self.number != 0

    @property
    def urgent(self) -> bool:
        """Whether to leave out what only measures."""
        return self.requested and (self.number != signal.SIGINT or self.count > 1)

    @property
    def name(self) -> str:
        """The signal's, such as "SIGTERM"."""
        return signal.Signals(self.number).name if self.requested else ""

    def patient(
        self,
        lost: Callable[[], str],
        about: Callable[[], str] = str,
        what: str = "a checkpoint is written",
    ) -> None:
        """From here on the run can end whole, and does.

        ``lost`` says what giving up costs, ``about`` how long the step under way may take, and
        ``what`` what is done then.
        """
        self._patient, self._lost, self._about, self._what = True, lost, about, what

    @contextmanager
    def whole(self) -> Iterator[None]:
        """What is inside is finished first, even where the run is given up."""
        self._shielded = True
        try:
            yield
        finally:
            self._shielded = False
        if self._due:
            raise Ended(self.number, self._lost())

    def measure(self, what: Callable[[], T]) -> T | None:
        """What ``what`` returns; None where it is urgent to end, or becomes so meanwhile."""
        if self.urgent:
            return None
        try:
            self._measuring = True
            found = what()
            self._measuring = False
            return found
        except _BrokenOff:
            return None
        finally:
            self._measuring = False

    def __enter__(self) -> Interrupt:
        if threading.current_thread() is threading.main_thread():
            for number in (int(getattr(signal, n)) for n in NAMES if hasattr(signal, n)):
                if number == signal.SIGINT or signal.getsignal(number) != signal.SIG_IGN:
                    self._previous[number] = signal.signal(number, self._handle)
        return self

    def __exit__(self, *_: object) -> None:
        for number, previous in self._previous.items():
            # None: something that is not Python had put it there, and it can't be put back.
            signal.signal(number, signal.SIG_DFL if previous is None else previous)

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if os.getpid() != self._owner:
            _as_a_child(number)
            return
        hangup = number == getattr(signal, "SIGHUP", None)
        if hangup:
            _to_nowhere()
        self.count += 1
        # What a scheduler sends outranks Ctrl-C: it has a time limit.
        if not self.requested or number != signal.SIGINT:
            self.number = number
        if not self._patient:
            raise Ended(number)
        if self.count >= 3 and not hangup:
            if not self._shielded or self._due:
                raise Ended(self.number, self._lost())
            self._due = True
        self._tell()
        if self._measuring and self.urgent:
            self._measuring = False
            raise _BrokenOff(self.number)

    def _tell(self) -> None:
        what = "Ctrl-C" if self.number == signal.SIGINT else self.name
        if self._due:
            told = f"{what}: given up as soon as the file being written is whole"
        elif self._measuring and self.urgent:
            told = f"{what}: held-out results are left out"
        elif not self.urgent:
            told = (
                f"{what}: the step under way ends{self._about()}, {self._what}, and held-out "
                "results follow; a second one leaves these out"
            )
        else:
            told = f"{what}: the step under way ends{self._about()}, and {self._what}"
            told += "" if self.count < 2 else "; a third one gives up at once"
        # Not by print: a handler may have cut into one, and its buffer can't be entered twice.
        with suppress(OSError):
            os.write(2, f"\n{told}\n".encode())


class _BrokenOff(Ended):
    """What was being measured is left."""


def _as_a_child(number: int) -> None:
    """A signal in a process forked from the run: its owner ends it, or whoever sends SIGTERM."""
    if number == signal.SIGTERM:
        signal.signal(number, signal.SIG_DFL)
        os.kill(os.getpid(), number)


def _to_nowhere() -> None:
    """After SIGHUP what is printed to the terminal fails, and must not end the run."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for handle in (1, 2):
        if os.isatty(handle):
            os.dup2(nowhere, handle)
    os.close(nowhere)
