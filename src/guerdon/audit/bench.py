"""Judging one completion at a time in a process that can be stopped."""

from __future__ import annotations

import contextlib
import logging
import multiprocessing
import os
import pickle
import re
import signal
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import torch

from guerdon.examples import Probe
from guerdon.judging import judged
from guerdon.records import Progress, Rollouts, Scores, rollouts_of_ids
from guerdon.rewards.running.memory_limit import limit_memory
from guerdon.rewards.running.workers import START, failure
from guerdon.stages import Reward
from guerdon.traits import scope_of

MOST_TOKENS = 4096
"""Longest row of an audit's rollouts: rewards that count tokens see no more than this."""

WARM_UP_SECONDS = 120.0
"""Longest time for the first completion, in which libraries are loaded."""

MEGABYTES = 4096
"""Memory of the process that judges, beyond what it begins with (Linux)."""

_TOKEN = re.compile(r"\w+|\S")


@dataclass(frozen=True)
class Verdict:
    """What came of judging one completion; ``value`` is None where it was not graded.

    ``trouble``: "" or what went wrong: "crash" (the reward raised or ended its process),
    "timeout", "ungraded" (an invalid row); ``reason`` says it in words.
    """

    value: float | None
    trouble: str = ""
    reason: str = ""
    seconds: float = 0.0
    parts: Mapping[str, float] = field(default_factory=dict)

    @property
    def starved(self) -> bool:
        """Whether it failed for want of memory: what it still holds would fail the next as well."""
        return self.trouble == "crash" and "memory" in self.reason.lower()


def rollouts_of(probe: Probe, texts: Sequence[str]) -> Rollouts:
    """Rollouts of one task; words and single signs stand for tokens, up to `MOST_TOKENS`."""
    ids = [[0] * _count(text) for text in texts]
    return rollouts_of_ids([probe.task], [0] * len(texts), [torch.zeros(0).long()], ids, texts)


def _count(text: str) -> int:
    count = 0
    for count, _ in enumerate(_TOKEN.finditer(text[: 16 * MOST_TOKENS]), 1):
        if count == MOST_TOKENS:
            break
    return count


class Bench:
    """Judges completions by one reward; each call costs at most ``seconds``.

    Its process may take ``megabytes`` of memory, on Linux: asking for more is a crash.

    A group-scoped reward judges a row among others: there a right and a wrong completion of
    the probe stand beside every one. A reward that fails on the first right and wrong answer is
    not called again. ``temporary`` is where temporary files of the reward go. Use as a context
    manager: leaving it ends the process.
    """

    def __init__(
        self,
        reward: Reward,
        seconds: float,
        megabytes: int = MEGABYTES,
        temporary: Path | None = None,
    ) -> None:
        self.reward = reward
        self.seconds = seconds
        self.megabytes = megabytes
        self.temporary = temporary
        self.grouped = scope_of(reward) != "completion"
        self._process: Any = None
        self._pipe: Connection | None = None
        self._hopeless: Verdict | None = None

    def __enter__(self) -> Bench:
        return self

    def __exit__(self, *_: object) -> None:
        self.renew()

    def renew(self) -> None:
        """End the process; the next completion is judged by a new one."""
        self._stop()

    def one(self, probe: Probe, text: str) -> Verdict:
        """One completion, judged alone (or in its group of three)."""
        texts = [probe.good, probe.bad, text] if self.grouped else [text]
        return self._ask(probe, texts, self.seconds)[-1]

    def together(self, probe: Probe, texts: Sequence[str]) -> list[Verdict]:
        """Several completions in one batch, which has the time of all of them."""
        return self._ask(probe, texts, WARM_UP_SECONDS + self.seconds * len(texts))

    def _ask(self, probe: Probe, texts: Sequence[str], seconds: float) -> list[Verdict]:
        if self._process is None and self._hopeless is None:
            self._start()
            # Loading libraries is not the completion's fault.
            warm = self._exchange(probe, [probe.good, probe.bad], WARM_UP_SECONDS)[0]
            if warm.trouble in ("crash", "timeout"):
                self._hopeless = warm
        if self._hopeless is not None:
            return [self._hopeless] * len(texts)
        return self._exchange(probe, texts, seconds)

    def _exchange(self, probe: Probe, texts: Sequence[str], seconds: float) -> list[Verdict]:
        assert self._pipe is not None
        begun = time.monotonic()
        try:
            self._pipe.send_bytes(pickle.dumps((probe, list(texts))))
            if not self._pipe.poll(seconds):
                self._stop()
                reason = f"no result within {seconds:g} s"
                return [Verdict(None, "timeout", reason, seconds)] * len(texts)
            verdicts: list[Verdict] = pickle.loads(self._pipe.recv_bytes())
        except (EOFError, OSError):
            code = self._process.join(5) or self._process.exitcode
            self._stop()
            spent = time.monotonic() - begun
            reason = f"the process ended (exit code {code})"
            return [Verdict(None, "crash", reason, spent)] * len(texts)
        if any(verdict.starved for verdict in verdicts):
            self._stop()
        return verdicts

    def _start(self) -> None:
        context = multiprocessing.get_context(START)
        self._pipe, theirs = context.Pipe()
        inherited = [self._pipe] if START == "fork" else []
        # Not a daemon: rewards start processes of their own.
        arguments = (self.reward, theirs, inherited, self.megabytes, self.temporary)
        self._process = context.Process(  # type: ignore[attr-defined]
            target=_serve, args=arguments
        )
        self._process.start()
        theirs.close()

    def _stop(self) -> None:
        if self._process is None:
            return
        with contextlib.suppress(OSError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.kill()
        self._process.join(5)
        if self._pipe is not None:
            self._pipe.close()
        self._process = self._pipe = None


def _serve(
    reward: Reward,
    pipe: Connection,
    inherited: list[Connection],
    megabytes: int,
    temporary: Path | None,
) -> None:
    if temporary is not None:
        os.environ["TMPDIR"] = tempfile.tempdir = str(temporary)
    with contextlib.suppress(OSError):
        os.setsid()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    for other in inherited:
        other.close()
    torch.set_num_threads(1)
    logging.getLogger("guerdon.judging").setLevel(logging.ERROR)  # a crash is a finding here
    limit_memory(megabytes)
    while True:
        try:
            probe, texts = pickle.loads(pipe.recv_bytes())
        except (EOFError, OSError):
            return
        pipe.send_bytes(pickle.dumps(_verdicts(reward, probe, texts)))


def _verdicts(reward: Reward, probe: Probe, texts: Sequence[str]) -> list[Verdict]:
    begun = time.monotonic()
    try:
        scores = judged(reward, rollouts_of(probe, texts), Progress())
    except Exception as error:
        reason = failure(error).reason
        return [Verdict(None, "crash", reason, time.monotonic() - begun)] * len(texts)
    spent = (time.monotonic() - begun) / len(texts)
    return [
        Verdict(
            scores.value[row].item(),
            seconds=spent,
            parts={name: part[row].item() for name, part in scores.parts.items()},
        )
        if scores.valid[row]
        else _troubled(scores, row, spent)
        for row in range(len(texts))
    ]


def _troubled(scores: Scores, row: int, spent: float) -> Verdict:
    reason = scores.reasons[row] or ""
    trouble = _trouble(reason)
    if trouble == "ungraded" and scores.errors[row] is not None:
        trouble = "timeout" if "no result within" in reason else "crash"
    return Verdict(None, trouble, reason, spent)


def _trouble(reason: str) -> str:
    """An invalid row's kind by its reason, as `guerdon.rewards.running.workers` words them."""
    if reason.startswith("no result within"):
        return "timeout"
    crashed = reason.startswith("its process ended") or re.match(r"\w*(?:Error|Exit)\b", reason)
    return "crash" if crashed else "ungraded"
