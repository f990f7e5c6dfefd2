"""A run of each kind, unbroken; then the same again and again, struck and gone on with."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import time
import traceback
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import torch

from guerdon.report import page
from guerdon.rollout import LanguagePolicy
from kills.comparing import differences, figures, weights_move
from kills.entries import Entry
from kills.phases import ERRORS, ON_DISK, PHASES, SIGNALS, Blow, install

PATIENCE = 240.0
"""Seconds after which a run hangs."""


@dataclass
class Tally:
    """What became of one kind of run: blows by what they did, and those that left a trace."""

    name: str
    tried: Counter[str] = field(default_factory=Counter)
    exact: Counter[str] = field(default_factory=Counter)
    missed: int = 0
    faults: list[str] = field(default_factory=list)


def run(entry: Entry, folder: Path, blow: Blow | float | None = None) -> tuple[int, str]:
    """Begin or go on with a run in a process of its own; its exit status and what it printed.

    The status is negative where a signal killed it. A ``blow`` in seconds is a SIGKILL after them.
    """
    printed = folder.with_name(folder.name + ".txt")
    process = os.fork()
    if process == 0:
        _in_the_child(entry, folder, blow if isinstance(blow, Blow) else None, printed)
    ends = time.monotonic() + (blow if isinstance(blow, float) else PATIENCE)
    while True:
        ended, status = os.waitpid(process, os.WNOHANG)
        if ended:
            break
        if time.monotonic() > ends:
            os.kill(process, signal.SIGKILL)
            ends = float("inf")
        time.sleep(0.01)
    return os.waitstatus_to_exitcode(status), printed.read_text(errors="replace")


def counts_of(folder: Path) -> dict[str, int]:
    """How often each phase came in the last run in ``folder`` that ended by itself."""
    found: dict[str, int] = json.loads(folder.with_name(folder.name + ".json").read_text())
    return found


def unbroken(entry: Entry, folder: Path) -> tuple[dict[str, int], float]:
    """The run that all others must equal, and its seconds. Raises AssertionError if it is none."""
    began = time.monotonic()
    status, printed = run(entry, folder)
    assert status == 0, f"{entry.name} does not run: {printed}"
    norms = [line.get("grad_norm") for line in figures(folder)]
    assert weights_move(folder), f"{entry.name}: no weights move in a step: {norms}"
    return counts_of(folder), time.monotonic() - began


def strike(entry: Entry, whole: Path, folder: Path, blow: Blow | float) -> list[str] | None:
    """Strike a run, go on with it until it is done, and compare; None where the blow never fell."""
    status, printed = run(entry, folder, blow)
    fell = status != 0 or (isinstance(blow, Blow) and blow.what in ("SIGTERM", "SIGINT"))
    if not fell:
        return None
    found = _told(blow, status, printed)
    away = folder.with_name(folder.name + "-away")
    if away.exists():
        away.rename(folder)
    for _ in range(3):
        if status == 0:
            break
        status, printed = run(entry, folder)
    if status != 0:
        return [*found, f"can't be gone on with: {printed[-2000:]}"]
    return found + differences(whole, folder)


def blows(counts: dict[str, int], seconds: float, source: random.Random) -> Iterator[Blow | float]:
    """Without end: every phase in some order, and again; a blow of each sort that fits there.

    Half of them are SIGKILL, and every tenth comes at a moment of the clock.
    """
    count = 0
    while True:
        phases = [phase for phase in PHASES if counts.get(phase)]
        source.shuffle(phases)
        for phase in phases:
            count += 1
            if count % 10 == 0:
                yield source.uniform(0.0, seconds)
            others = ["SIGTERM", "SIGINT", *([*ERRORS, "vanished"] if phase in ON_DISK else [])]
            what = source.choice([source.choice(others), "SIGKILL"])
            when = "before" if what in ERRORS else source.choice(["before", "after"])
            yield Blow(what, phase, source.randint(1, counts[phase]), when)


def try_entry(
    entry: Entry, folder: Path, seed: int, *, at_most: int | None, seconds: float
) -> Tally:
    """Strike runs of one kind until ``at_most`` blows have fallen or ``seconds`` have gone by."""
    tally, ends = Tally(entry.name), time.monotonic() + seconds
    whole = folder / "whole"
    counts, took = unbroken(entry, whole)
    for place, blow in enumerate(blows(counts, took, random.Random(f"{entry.name} {seed}"))):
        if time.monotonic() > ends or sum(tally.tried.values()) == at_most:
            return tally
        struck = folder / f"struck-{place}"
        found = strike(entry, whole, struck, blow)
        what = "at a moment of the clock" if isinstance(blow, float) else blow.what
        if found is None:
            tally.missed += 1
        else:
            tally.tried[what] += 1
            tally.exact[what] += not found
            tally.faults += [f"{entry.name}, {blow}: {one}" for one in found]
        if not found:
            for path in folder.glob(f"{struck.name}*"):
                shutil.rmtree(path) if path.is_dir() else path.unlink()
    return tally


def _told(blow: Blow | float, status: int, printed: str) -> list[str]:
    """Whether a run that was struck ended as it should, and said so."""
    if isinstance(blow, float) or blow.what == "SIGKILL":
        return [] if status == -signal.SIGKILL else [f"exit status {status}: {printed[-2000:]}"]
    if blow.what in SIGNALS:
        # One that falls at the very end has nothing more to stop.
        expected = (128 + SIGNALS[blow.what], 0)
        return [] if status in expected else [f"exit status {status}: {printed[-2000:]}"]
    named = {"disk full": "disk is full", "over quota": "quota", "vanished": "is gone"}
    if status == 1 and named.get(blow.what, "writable") in printed:
        return []
    return [f"exit status {status}, not told: {printed[-2000:]}"]


def warm_up() -> None:
    """Load what each forked process would load again."""
    torch.set_num_threads(1)
    LanguagePolicy.load(adapter="lora", rank=1)


def _no_curves(history: object, summary: object, path: Path) -> Path:
    """Half of a small run's time is its picture, which is not compared."""
    path.write_bytes(b"")
    return path


def _in_the_child(entry: Entry, folder: Path, blow: Blow | None, printed: Path) -> None:
    """Never returns. The status is what the command line gives."""
    status = 1
    try:
        handle = os.open(printed, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(handle, 1)
        os.dup2(handle, 2)
        torch.set_num_threads(1)  # makes torch's pool anew, which two threads at once do not bear
        counts = install(folder, blow)
        page.draw_curves = _no_curves
        on = (folder / "recipe.yaml").exists()
        status = entry.go_on(folder) if on else entry.start(folder)
        folder.with_name(folder.name + ".json").write_text(json.dumps(counts))
    except KeyboardInterrupt as error:
        status = getattr(error, "status", 130)
    except (ValueError, OSError) as error:
        os.write(2, f"{error}\n".encode())
    except BaseException:
        os.write(2, traceback.format_exc().encode())
    finally:
        os._exit(status)
