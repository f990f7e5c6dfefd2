"""Worker processes that can be stopped: one call at a time each, every call with a limit."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import inspect
import multiprocessing
import os
import pickle
import signal
import threading
import time
import weakref
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from typing import Any

from guerdon.failures import told
from guerdon.rewards.running.memory_limit import held_memory, limit_memory

START = "fork" if "fork" in multiprocessing.get_all_start_methods() else "spawn"
"""How workers start. Forked workers need no import; spawned ones find functions by name."""

_OVER_TIME = signal.SIGPROF
"""What ends a process whose call is over its processor time."""


@dataclass(frozen=True)
class Failed:
    """A call that returned nothing, and why; ``error`` says more, as in ``Scores.errors``."""

    reason: str
    error: str = ""


@dataclass
class _Worker:
    process: Any
    pipe: Connection
    call: int = -1
    deadline: float = float("inf")


class WorkerPool:
    """Calls ``function(**arguments)`` in processes, each call limited to ``seconds``.

    A call that is not done in time — in Python or in native code that never returns — has its
    process killed and replaced; it costs its own limit and no other call. So does a call that
    brings its process down. ``seconds`` None sets no limit. ``cpu_seconds`` limits a call's own
    time on the processor, which the kernel counts, so that other programs take none of it; nor does
    ``prepare``, which a process runs before its first call, for what is built at first use. With
    ``megabytes``, a call that asks for more memory than this, beyond what its process began with,
    fails with MemoryError (on Linux). A process that still holds more than ``kept_mb`` (None =
    half of it) after a call, in a cache or because its allocator keeps what was freed, is
    replaced: the next call would fail for want of what is left. Processes start at the first
    call, are kept between calls, and end with the pool or the program. `map` may be called from
    several threads; one waits for the other.
    """

    def __init__(
        self,
        function: Callable[..., Any],
        seconds: float | None = None,
        workers: int = 0,
        megabytes: int | None = None,
        kept_mb: int | None = None,
        cpu_seconds: float | None = None,
        prepare: Callable[[], object] | None = None,
    ) -> None:
        self.function, self.prepare = function, prepare
        self.megabytes, self.kept_mb, self.cpu_seconds = megabytes, kept_mb, cpu_seconds
        self.seconds = seconds
        self.size = workers or max(4, os.cpu_count() or 1)
        self._context = multiprocessing.get_context(START)
        self._workers: list[_Worker] = []
        self._one_map = threading.Lock()
        self._closing = weakref.finalize(self, _stop, self._workers, os.getpid())
        _POOLS.add(self)

    def map(self, calls: Sequence[Mapping[str, Any]]) -> list[Any]:
        """One result per call, in order: what the function returned, or `Failed`."""
        results: list[Any] = [Failed("not called")] * len(calls)
        waiting = deque(enumerate(calls))
        with self._one_map:
            try:
                while waiting or any(worker.call >= 0 for worker in self._workers):
                    self._hand_out(waiting, results)
                    self._collect(results)
            except BaseException:
                # Interrupted in the middle: a late result must not be taken for a later call's.
                _stop(self._workers, os.getpid())
                raise
        return results

    def close(self) -> None:
        """Stop all workers, once a call of `map` that is under way is done."""
        with self._one_map:
            _stop(self._workers, os.getpid())

    def disown(self) -> None:
        """In a process forked from the pool's owner: the workers, and a held lock, are not its."""
        limits = self.megabytes, self.kept_mb, self.cpu_seconds
        self.__init__(  # type: ignore[misc]
            self.function, self.seconds, self.size, *limits, self.prepare
        )

    def _hand_out(self, waiting: deque[tuple[int, Mapping[str, Any]]], results: list[Any]) -> None:
        while len(self._workers) < min(self.size, len(waiting)):
            self._workers.append(self._start())
        for worker in list(self._workers):
            while waiting and worker.call < 0:
                index, arguments = waiting.popleft()
                try:
                    message = pickle.dumps(arguments)
                except Exception as error:
                    results[index] = Failed(f"its arguments can't be sent to a worker: {error}")
                    continue
                try:
                    worker.pipe.send_bytes(message)
                except OSError:
                    # The idle worker had died; the call is given to its replacement.
                    waiting.appendleft((index, arguments))
                    self._replace(worker)
                    break
                worker.call = index
                worker.deadline = time.monotonic() + (self.seconds or float("inf"))

    def _collect(self, results: list[Any]) -> None:
        busy = {worker.pipe: worker for worker in self._workers if worker.call >= 0}
        if not busy:
            return
        first = min(worker.deadline for worker in busy.values())
        patience = None if first == float("inf") else max(0.0, first - time.monotonic())
        for pipe in wait(list(busy), patience):
            worker = busy[pipe]  # type: ignore[index]
            try:
                results[worker.call], full = pickle.loads(worker.pipe.recv_bytes())
                worker.call, worker.deadline = -1, float("inf")
                if full:
                    self._replace(worker)
            except (EOFError, OSError):
                worker.process.join(5)
                code = worker.process.exitcode
                results[worker.call] = Failed(
                    f"no result within {self.cpu_seconds:g} s of processor time"
                    if code == -_OVER_TIME
                    else f"its process ended (exit code {code})"
                )
                self._replace(worker)
        now = time.monotonic()
        for worker in busy.values():
            if worker.call >= 0 and worker in self._workers and worker.deadline <= now:
                results[worker.call] = Failed(f"no result within {self.seconds:g} s")
                self._replace(worker)

    def _replace(self, worker: _Worker) -> None:
        self._workers.remove(worker)
        _stop([worker], os.getpid())

    def _start(self) -> _Worker:
        ours, theirs = self._context.Pipe()
        others = [worker.pipe for worker in self._workers] if START == "fork" else []
        process = self._context.Process(  # type: ignore[attr-defined]
            target=_serve,
            args=(
                self.function,
                theirs,
                [ours, *others] if START == "fork" else [],
                self.seconds,
                self.megabytes,
                self.kept_mb,
                self.cpu_seconds,
                self.prepare,
            ),
            daemon=True,
        )
        process.start()
        theirs.close()
        return _Worker(process, ours)


_POOLS: weakref.WeakSet[WorkerPool] = weakref.WeakSet()


def _disown_all() -> None:
    for pool in list(_POOLS):
        pool.disown()


if START == "fork":
    os.register_at_fork(after_in_child=_disown_all)


def _stop(workers: list[_Worker], owner: int) -> None:
    if owner != os.getpid():
        return
    for worker in workers:
        # The worker leads its own group, so that what it started ends with it.
        with contextlib.suppress(OSError):
            os.killpg(worker.process.pid, signal.SIGKILL)
        worker.process.kill()
        worker.process.join(5)
        worker.pipe.close()
    workers.clear()


def _serve(
    function: Callable[..., Any],
    pipe: Connection,
    inherited: list[Connection],
    seconds: float | None,
    megabytes: int | None,
    kept_mb: int | None,
    cpu_seconds: float | None,
    prepare: Callable[[], object] | None,
) -> None:
    """A worker's life: receive arguments, call, send the result, until the pipe closes.

    With each result goes whether so much memory is held that another process should go on.
    """
    with contextlib.suppress(OSError):
        os.setsid()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # With the other pipes open here, a sibling would outlive a killed owner.
    for other in inherited:
        other.close()
    if prepare is not None:
        prepare()
    # What the owner held is looked through by no collection here: under a limit of processor time
    # that would cost a call of a large program more than one of a small.
    gc.freeze()
    most = float("inf")
    if megabytes is not None:
        limit_memory(megabytes)
        most = held_memory() + ((megabytes // 2 if kept_mb is None else kept_mb) << 20)
    while True:
        try:
            arguments = pickle.loads(pipe.recv_bytes())
        except (EOFError, OSError):
            return
        if seconds is not None:
            # Should the owner be gone, the kernel ends a stuck call.
            signal.signal(signal.SIGALRM, signal.SIG_DFL)
            signal.setitimer(signal.ITIMER_REAL, 2 * seconds + 5)
        if cpu_seconds is not None:
            signal.signal(_OVER_TIME, signal.SIG_DFL)
            signal.setitimer(signal.ITIMER_PROF, cpu_seconds)
        result = call(function, arguments)
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.setitimer(signal.ITIMER_PROF, 0)
        try:
            message = pickle.dumps((result, held_memory() > most))
        except Exception as error:
            message = pickle.dumps((Failed(f"its result can't be sent back: {error}"), True))
        pipe.send_bytes(message)


def call(function: Callable[..., Any], arguments: Mapping[str, Any]) -> Any:
    """``function(**arguments)``, or `Failed` with the exception in one short line."""
    try:
        return awaited(function(**arguments))
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        # Also SystemExit, and what native code raises beside Exception.
        return failure(error)


def awaited(result: Any) -> Any:
    """What a function returned; of an async one, once it has run."""
    return asyncio.run(result) if inspect.iscoroutine(result) else result


def failure(error: BaseException) -> Failed:
    """An exception as one short line, and with its traceback."""
    return Failed(*told(error))
