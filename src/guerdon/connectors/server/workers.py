"""Several processes behind one port: started, replaced when they die, ended together."""

from __future__ import annotations

import ctypes
import multiprocessing
import os
import signal
import socket
import threading
import time
from collections.abc import Callable
from multiprocessing.connection import wait
from multiprocessing.process import BaseProcess
from typing import Any

from guerdon.connectors.server.logs import log
from guerdon.connectors.server.metrics import PLACES, Metrics
from guerdon.connectors.server.running import serve
from guerdon.connectors.server.service import RewardService

MOST_UNREADY = 3
"""So many processes in a row that end before they answer, while none does: that is given up."""

Make = Callable[[Metrics], RewardService]


def serve_with_workers(make: Make, listening: socket.socket, workers: int, patience: float) -> int:
    """Answer with ``workers`` processes until SIGTERM or SIGINT; the exit status.

    Each makes its own service, so ``make`` is sent to it and must pickle. They accept from one
    socket: a connection that none has taken yet is lost by no process's end. The first signal is
    handed on, and they have ``patience`` seconds to end; a second one kills them.
    """
    return _Supervisor(make, listening, workers, patience).run()


class _Supervisor:
    def __init__(self, make: Make, listening: socket.socket, workers: int, patience: float) -> None:
        self.make, self.listening, self.workers = make, listening, workers
        self.patience = patience
        # Spawned, not forked: threads and locks of what has been imported are not copied.
        self._context = multiprocessing.get_context("spawn")
        self._shared: Any = self._context.RawArray(ctypes.c_double, workers * PLACES)
        self._processes: dict[int, BaseProcess] = {}
        self._signals = 0
        self._unready = 0

    def run(self) -> int:
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._signalled)
        for worker in range(self.workers):
            self._start(worker)
        while not self._signals and self._hopeful():
            # Without end a signal that comes just before would not be seen.
            wait([process.sentinel for process in self._processes.values()], timeout=0.5)
            self._replace_dead()
        if not self._signals:
            log(event="error", message=f"{MOST_UNREADY} processes in a row ended at their start")
        return self._end()

    def _signalled(self, number: int, frame: Any) -> None:
        self._signals += 1

    def _start(self, worker: int) -> None:
        arguments = (self.make, self.listening, self._shared, worker, self.workers)
        process = self._context.Process(target=_work, args=arguments, name=f"guerdon-{worker}")
        Metrics(self._shared, worker, self.workers)  # what was true of the one before is not
        process.start()
        self._processes[worker] = process
        log(event="worker_started", worker=worker, worker_pid=process.pid)

    def _replace_dead(self) -> None:
        ready = Metrics.read(self._shared, self.workers, "ready")
        for worker, process in list(self._processes.items()):
            if process.is_alive() or self._signals:
                continue
            self._unready = 0 if ready[worker] else self._unready + 1
            log(event="worker_ended", worker=worker, worker_pid=process.pid, code=process.exitcode)
            if self._hopeful():
                self._start(worker)

    def _hopeful(self) -> bool:
        """Whether it is worth starting another process."""
        ready = Metrics.read(self._shared, self.workers, "ready")
        answering = (ready[worker] and one.is_alive() for worker, one in self._processes.items())
        return self._unready < MOST_UNREADY or any(answering)

    def _end(self) -> int:
        """Stop all; 1 where one had to be killed or left requests unanswered."""
        failed = self._signals == 0
        for process in self._processes.values():
            process.terminate()
        end = time.monotonic() + self.patience
        while any(process.is_alive() for process in self._processes.values()):
            if self._signals > 1 or time.monotonic() > end:
                for process in self._processes.values():
                    process.kill()
            time.sleep(0.05)
        # One that was still at its start has no hand on the signal yet, and lost nothing.
        codes = {process.exitcode for process in self._processes.values()}
        failed = failed or bool(codes - {0, -signal.SIGTERM})
        log(event="stopped", failed=failed)
        return int(failed)


def _work(make: Make, listening: socket.socket, shared: Any, worker: int, workers: int) -> None:
    """One process's life. Ctrl-C reaches it too, but the supervisor says when to end."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    service = make(Metrics(shared, worker, workers))
    raise SystemExit(serve(service, listening, supervised=True))


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os.kill(os.getpid(), signal.SIGTERM)
