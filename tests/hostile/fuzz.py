"""Hostile input for hours: ``python -m hostile.fuzz --minutes 60`` (``make fuzz``).

Rounds run one after the other, each with a seed of its own, in a process that can be stopped. What
is found is written to ``--out``: a file per finding with its seed and input, and ``figures.json``.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from hostile import doors, readers, subjects
from hostile.completions import completion
from hostile.judge import Finding, judge

BATCH = 50
SILENCE = 600.0
"""Seconds without a batch done after which a round hangs, and is stopped."""


def main() -> int:
    """Rounds until the time is up; 1 if anything was found."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument("--out", type=Path, default=Path("runs/fuzz"))
    parser.add_argument("--only", nargs="*", default=[], help="names of rewards, readers, doors")
    parser.add_argument("--models", action="store_true", help="rewards that need a model, too")
    parser.add_argument("--round", type=int, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    asked.out.mkdir(parents=True, exist_ok=True)
    if asked.round is not None:
        _round(asked)
        return 0
    end, seed, figures = time.monotonic() + 60 * asked.minutes, asked.seed, Counter[str]()
    while time.monotonic() < end:
        _supervised(asked, seed, end)
        seed += 1
        figures = _figures(asked.out)
        print(json.dumps({"rounds": seed - asked.seed, **figures}), flush=True)
    return int(figures["findings"] > 0)


def _supervised(asked: argparse.Namespace, seed: int, end: float) -> None:
    """One round in a process of its own, which may crash, hang or run out of memory."""
    beat = asked.out / "beat.json"
    beat.unlink(missing_ok=True)
    left = str(max(end - time.monotonic(), 0) / 60)
    command = [sys.executable, "-m", "hostile.fuzz", *sys.argv[1:]]
    command += ["--minutes", left, "--round", str(seed)]
    process = subprocess.Popen(command)
    last = time.monotonic()
    while process.poll() is None:
        time.sleep(1)
        if beat.exists() and time.time() - beat.stat().st_mtime < SILENCE:
            last = time.monotonic()
        if time.monotonic() - last > SILENCE or time.monotonic() > end + SILENCE:
            process.kill()
            process.wait()
    if process.returncode and beat.exists():
        told = json.loads(beat.read_text())
        kind = "hung" if process.returncode == -9 else "died"
        if time.monotonic() < end:
            _write(asked.out, Finding(kind, told["name"], "", "", str(told)), seed)


def _round(asked: argparse.Namespace) -> None:
    """Every reward, reader and door once, with as many inputs as a batch has."""
    seed, counted, end = asked.round, Counter[str](), time.monotonic() + 60 * asked.minutes
    for name, findings, count in _batches(asked, seed):
        counted[name] += count
        for finding in findings:
            _write(asked.out, finding, seed)
        # As it goes: a round that dies leaves its figures.
        (asked.out / f"round-{seed}.json").write_text(json.dumps(counted))
        if time.monotonic() > end:
            return


def _batches(asked: argparse.Namespace, seed: int) -> Iterator[tuple[str, list[Finding], int]]:
    rewards = subjects.light() | (subjects.modelled() if asked.models else {})
    for name, subject in rewards.items():
        if asked.only and name not in asked.only:
            continue
        for probe in subject.probes:
            for part in range(1 if name in ("code", "sql-reward") else 4):
                _beat(asked.out, name, seed, part)
                source = random.Random(f"{seed}/{name}/{probe.task.id}/{part}")
                given = [completion(probe, source, large=0.004) for _ in range(BATCH)]
                yield "rewards", judge(name, subject, probe, given), len(given)
    for kind, module in (("readers", readers), ("doors", doors)):
        for name in module.NAMES:
            if asked.only and name not in asked.only:
                continue
            for part in range(4):
                _beat(asked.out, name, seed, part)
                source = random.Random(f"{seed}/{name}/{part}")
                yield kind, module.tried(name, source, BATCH), BATCH


def _beat(out: Path, name: str, seed: int, part: int) -> None:
    (out / "beat.json").write_text(json.dumps({"name": name, "seed": seed, "part": part}))


def _write(out: Path, finding: Finding, seed: int) -> None:
    number = len(list(out.glob("finding-*.json"))) + 1
    told = {"seed": seed, **vars(finding)}
    (out / f"finding-{number:04d}-{os.getpid()}.json").write_text(json.dumps(told, indent=1))


def _figures(out: Path) -> Counter[str]:
    figures = Counter[str]()
    for file in out.glob("round-*.json"):
        figures.update(json.loads(file.read_text()))
    figures["findings"] = len(list(out.glob("finding-*.json")))
    return figures


if __name__ == "__main__":
    sys.exit(main())
