"""Programs that take turns, one step each, so that a machine's mood falls on all alike.

Each runs in a process of its own, which also keeps its memory apart.
"""

from __future__ import annotations

import multiprocessing
import os
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import torch

PATIENCE = 1800.0
"""Seconds that one step may take before the comparison is given up."""


class Finished(Exception):
    """Raised in a program at the start of a step that is no longer wanted."""


class Turns:
    """A program's side: it calls `begin` at the start of each of its steps."""

    def __init__(self, pipe: Connection, steps: int) -> None:
        self._pipe, self._left = pipe, steps
        self._began: tuple[float, float] | None = None
        self.waits: list[float] = []
        self.memory_before = float("nan")

    def begin(self) -> None:
        """Report the step that ends here, wait for the next turn. Raises `Finished` at the end.

        A step lasts from one call to the next, so all that a loop does between two steps
        counts: logging, and fetching data. ``waits`` has the seconds each turn was waited for,
        which a loop's own clock may have taken for its own.
        """
        now = time.perf_counter(), time.process_time()
        if self._began is None:
            self.memory_before = _memory("VmRSS")
            self._pipe.send(None)
        else:
            self._pipe.send((now[0] - self._began[0], now[1] - self._began[1]))
        if not self._left:
            raise Finished
        self._left -= 1
        self._pipe.recv()
        self._began = time.perf_counter(), time.process_time()
        self.waits.append(self._began[0] - now[0])


Program = Callable[[Turns, Any], Mapping[str, list[float]]]
"""Works until `Finished`, and returns named seconds of every step: how it spent its time."""


@dataclass(frozen=True)
class Measured:
    """A program's steps after the warm-up.

    ``seconds`` of each step on the clock and of processor time (which other programs on the
    machine disturb less; all threads added), ``parts`` named shares of the former, and memory
    in MiB: resident when the first step began, and at its highest.
    """

    seconds: list[float]
    processor: list[float]
    parts: dict[str, list[float]]
    memory_before: float
    memory_peak: float


def alternate(
    programs: Mapping[str, Program],
    work: Any,
    rounds: int,
    warm_up: int,
    on_round: Callable[[], None] = lambda: None,
) -> dict[str, Measured]:
    """Let the programs take ``warm_up + rounds`` steps in turn; the warm-up is not measured.

    Raises RuntimeError naming the program that failed or took more than `PATIENCE` for a step.
    """
    context = multiprocessing.get_context("spawn")
    steps = warm_up + rounds
    with ExitStack() as cleanup:
        pipes: dict[str, Connection] = {}
        for name, program in programs.items():
            pipes[name], far = context.Pipe()
            process = context.Process(target=_run, args=(far, program, work, steps), daemon=True)
            process.start()
            far.close()  # so that a dead program is seen as the end of its pipe
            cleanup.callback(process.join, 10)
            cleanup.callback(process.terminate)
        for name, pipe in pipes.items():
            _receive(name, pipe)
        times: dict[str, list[tuple[float, float]]] = {name: [] for name in programs}
        for _ in range(steps):
            for name, pipe in pipes.items():
                pipe.send(None)
                times[name].append(_receive(name, pipe))
            on_round()
        measured = {}
        for name, pipe in pipes.items():
            parts, before, peak = _receive(name, pipe)
            kept = {part: values[warm_up:steps] for part, values in parts.items()}
            seconds, processor = map(list, zip(*times[name][warm_up:], strict=True))
            measured[name] = Measured(seconds, processor, kept, before, peak)
        return measured


def _run(pipe: Connection, program: Program, work: Any, steps: int) -> None:
    os.environ["HF_HUB_OFFLINE"] = "1"
    torch.set_num_threads(work.threads)
    turns = Turns(pipe, steps)
    parts = dict(program(turns, work))
    pipe.send((parts, turns.memory_before, _memory("VmHWM")))


def _receive(name: str, pipe: Connection) -> Any:
    try:
        if pipe.poll(PATIENCE):
            return pipe.recv()
    except EOFError:
        raise RuntimeError(f"{name} stopped before the end; its error stands above") from None
    raise RuntimeError(f"{name} took more than {PATIENCE:.0f} s for one step")


def _memory(field: str) -> float:
    """MiB of a line of ``/proc/self/status``; NaN where there is no such file.

    ``ru_maxrss`` will not do: a new process inherits its parent's.
    """
    status = Path("/proc/self/status")
    if not status.exists():
        return float("nan")
    lines = dict(line.split(":", 1) for line in status.read_text().splitlines() if ":" in line)
    return int(lines[field].split()[0]) / 1024
