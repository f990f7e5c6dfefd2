"""Run a claim over seeds and keep what came of it as one JSON file."""

from __future__ import annotations

import json
import math
import os
import platform
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from importlib import metadata
from itertools import product
from pathlib import Path
from typing import Any

from guerdon.reproduction.claim import (
    Claim,
    ClaimError,
    Outcome,
    Pilot,
    Runs,
    Verdict,
    judge_all,
    overall,
)

_ENDING = {
    int(getattr(signal, name)) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)
}
_VERSIONED = ("guerdon", "torch", "transformers", "numpy", "scipy")


@dataclass(frozen=True)
class Reproduction:
    """A claim's runs and the verdict on it, with all that is needed to run it again.

    ``code`` has digests by module of what was run (`guerdon.reproduction.code`); {} where not told.
    ``pilot`` is the claim's.
    """

    slug: str
    statement: str
    metric: str
    verdict: Verdict
    outcomes: tuple[Outcome, ...]
    runs: Runs
    seeds: tuple[int, ...]
    command: str
    date: str
    seconds: float
    versions: dict[str, str]
    code: dict[str, str]
    pilot: Pilot | None = None


class ClaimInterrupted(KeyboardInterrupt):
    """A signal came while an arm ran; ``status`` is the exit status."""

    def __init__(self, number: int) -> None:
        super().__init__("a claim that is cut short says nothing; no result was written")
        self.status = 128 + number


@contextmanager
def _heeding() -> Iterator[Callable[[], None]]:
    """A function that raises `ClaimInterrupted` where a signal came since.

    An arm that trains catches signals itself and ends its run whole, but earlier: its figures are
    not those of the arm. Outside the main thread nothing is heeded.
    """
    if threading.current_thread() is not threading.main_thread():
        yield lambda: None
        return
    told, ours = socket.socketpair()
    told.setblocking(False)
    ours.setblocking(False)
    before = signal.set_wakeup_fd(ours.fileno(), warn_on_full_buffer=False)

    def heed() -> None:
        with suppress(BlockingIOError):
            came = [number for number in told.recv(4096) if number in _ENDING]
            if came:
                raise ClaimInterrupted(came[-1])

    try:
        yield heed
    finally:
        signal.set_wakeup_fd(before)
        told.close()
        ours.close()


def run_claim(
    claim: Claim,
    seeds: Sequence[int] | None = None,
    progress: Callable[[float, str], None] | None = None,
    code: Mapping[str, str] | None = None,
) -> Reproduction:
    """Run every arm on every seed and judge.

    ``seeds`` defaults to 0 .. claim.seeds - 1; ``progress`` is told the fraction of the whole
    and which run it is. Raises ClaimError for repeated seeds or a metric that an expectation
    names and an arm does not report, ClaimInterrupted after a signal that an arm caught itself;
    what an arm itself raises passes through.
    """
    chosen = tuple(range(claim.seeds)) if seeds is None else tuple(seeds)
    if not chosen or len(set(chosen)) != len(chosen):
        raise ClaimError(f"claim {claim.slug!r}: seeds must be distinct, got {list(chosen)}")
    started, total = time.monotonic(), len(chosen) * len(claim.arms)
    runs: dict[str, dict[int, dict[str, float]]] = {name: {} for name in claim.arms}
    done = 0
    # Seeds outermost: an interrupted study has whole pairs rather than half the arms.
    with _heeding() as heed:
        for seed, (name, arm) in product(chosen, claim.arms.items()):
            label = f"{name}, seed {seed}"

            def report(fraction: float, done: int = done, label: str = label) -> None:
                heed()
                if progress is not None:
                    progress((done + min(max(fraction, 0.0), 1.0)) / total, label)

            report(0.0)
            runs[name][seed] = {k: float(v) for k, v in arm(seed, report).items()}
            report(1.0)
            done += 1
    outcomes = judge_all(claim.expectations, runs)
    return Reproduction(
        slug=claim.slug,
        statement=claim.statement,
        metric=claim.metric,
        verdict=overall(outcomes),
        outcomes=outcomes,
        runs=runs,
        seeds=chosen,
        command=f"guerdon reproduce {claim.slug} --seeds {' '.join(map(str, chosen))}",
        date=datetime.now(UTC).strftime("%Y-%m-%d"),
        seconds=round(time.monotonic() - started, 1),
        versions=_versions(),
        code=dict(code or {}),
        pilot=claim.pilot,
    )


def write(
    result: Reproduction, folder: Path, name: str = "", about: Mapping[str, Any] | None = None
) -> Path:
    """Write ``<name>.json`` (default: the slug) into ``folder``, whole or not at all.

    ``about`` are fields that stand after the slug. Numbers that are not finite are null.
    """
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name or result.slug}.json"
    data = _plain({"slug": result.slug, **(about or {}), **asdict(result)})
    draft = path.with_suffix(".json.part")
    draft.write_text(json.dumps(data, indent=1, allow_nan=False) + "\n")
    os.replace(draft, path)
    return path


def read(path: Path) -> dict[str, Any]:
    """A result file as plain data. Raises ClaimError naming the file when it isn't one."""
    try:
        data: dict[str, Any] = json.loads(path.read_text())
    except json.JSONDecodeError as error:
        raise ClaimError(f"{path}, line {error.lineno}: not JSON ({error.msg})") from error
    for field in ("slug", "verdict", "outcomes", "runs", "seeds"):
        if not isinstance(data, dict) or field not in data:
            raise ClaimError(f"{path} has no {field!r}: write it again with guerdon reproduce")
    return data


def _versions() -> dict[str, str]:
    found = {"python": platform.python_version(), "machine": platform.machine()}
    for name in _VERSIONED:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            found[name] = "not installed"
    return found


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(k): _plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(v) for v in value]
    if isinstance(value, float):
        return round(value, 10) if math.isfinite(value) else None
    return value
