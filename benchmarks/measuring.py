"""What is made of two programs' step times: ratios with intervals, rates, a table, a file."""

from __future__ import annotations

import importlib.metadata
import json
import os
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rich.box import SIMPLE
from rich.console import Console
from rich.progress import Progress
from rich.table import Table
from turns import Measured, Program, alternate
from workload import Workload

from guerdon.cli.doctor import diagnose
from guerdon.evaluation import Interval


@dataclass(frozen=True)
class Comparison:
    """Two programs on one workload; the second is what the first is held against.

    ``matrix_gflops`` is the machine's rate of float32 matrix products with the workload's
    threads, measured just before.
    """

    work: Workload
    sides: dict[str, Measured]
    matrix_gflops: float

    @property
    def ratio(self) -> Interval:
        """Step time of the first over the second, of steps taken one after the other."""
        first, second = (side.seconds for side in self.sides.values())
        return median_ratio(first, second)

    @property
    def processor_ratio(self) -> Interval:
        """The same of processor time: what to look at where the machine was busy."""
        first, second = (side.processor for side in self.sides.values())
        return median_ratio(first, second)

    def summary(self, side: str) -> dict[str, Any]:
        """A side's figures for the table and the file; times in seconds, memory in MiB."""
        measured = self.sides[side]
        step = float(np.median(measured.seconds))
        parts = {name: float(np.median(values)) for name, values in measured.parts.items()}
        tokens = self.work.rows * self.work.completion_tokens
        per_second = self.matrix_gflops * 1e9
        return {
            "step": step,
            "fastest": min(measured.seconds),
            "slowest": max(measured.seconds),
            "processor": float(np.median(measured.processor)),
            **parts,
            "rest": float(np.median(_rest(measured))),
            "tokens_per_second": tokens / step,
            "share_of_matrix_rate": self.work.step_flops() / step / per_second,
            "update_share": self.work.update_flops() / parts["update"] / per_second,
            "memory_before": measured.memory_before,
            "memory_peak": measured.memory_peak,
        }


def _rest(measured: Measured) -> list[float]:
    """What the named parts leave of each step."""
    return [
        whole - sum(values[i] for values in measured.parts.values())
        for i, whole in enumerate(measured.seconds)
    ]


def median_ratio(first: Sequence[float], second: Sequence[float]) -> Interval:
    """Median of ``first / second`` and its percentile bootstrap interval; pairs stay together.

    One pair: zero width. Raises ValueError for none, or for different lengths.
    """
    if len(first) != len(second) or not len(first):
        raise ValueError(f"a ratio needs as many of each: {len(first)} and {len(second)} times")
    ratio = np.asarray(first) / np.asarray(second)
    draws = np.random.default_rng(0).integers(len(ratio), size=(10_000, len(ratio)))
    low, high = np.quantile(np.median(ratio[draws], axis=1), [0.025, 0.975])
    return Interval(float(np.median(ratio)), float(low), float(high))


def title(work: Workload) -> str:
    """A workload in one line."""
    return (
        f"{work.model}, {work.prompts} x {work.group_size} completions, "
        f"{work.prompt_tokens} + {work.completion_tokens} tokens"
    )


def compare(
    programs: Mapping[str, Program], work: Workload, rounds: int, warm_up: int, console: Console
) -> Comparison:
    """Measure two programs on one workload, with a progress bar, and print the table."""
    rate = matrix_rate(work.threads)
    with Progress(console=console, transient=True) as bar:
        task = bar.add_task(title(work), total=rounds + warm_up)
        sides = alternate(programs, work, rounds, warm_up, lambda: bar.advance(task))
    found = Comparison(work, sides, rate)
    console.print(table(found))
    console.print(
        f"{' / '.join(programs)}: {found.ratio} of the time per step, "
        f"{found.processor_ratio} of the processor time\n"
    )
    return found


def matrix_rate(threads: int) -> float:
    """The machine's float32 matrix products in GFLOP/s, with that many threads.

    The best of `guerdon doctor`'s measurement repeated on matrices small enough that many
    products fall between two interruptions by other programs.
    """
    torch.set_num_threads(threads)
    return float(max(diagnose(matrix=384)["gflops"]["cpu"]["float32"] for _ in range(4)))


def table(found: Comparison) -> Table:
    """A row per side: medians, in milliseconds."""
    made = Table(title=f"{title(found.work)} (ms, medians)", title_justify="left", box=SIMPLE)
    made.add_column("")
    headings = ("step", "sample", "score", "update", "rest", "tok/s")
    for heading in (*headings, "matmul", "its update", "MiB"):
        made.add_column(heading, justify="right")
    for side in found.sides:
        s = found.summary(side)
        made.add_row(
            side,
            *(f"{1000 * s[k]:,.0f}" for k in ("step", "sampling", "scoring", "update", "rest")),
            f"{s['tokens_per_second']:,.0f}",
            f"{s['share_of_matrix_rate']:.1%}",
            f"{s['update_share']:.1%}",
            f"{s['memory_peak']:,.0f}",
        )
    return made


def origin(command: Sequence[str], versions: Sequence[str]) -> dict[str, Any]:
    """What is needed to repeat a measurement; to be taken before it starts.

    ``versions`` names packages besides those that `guerdon doctor` lists.
    """
    machine = diagnose()
    return {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "command": " ".join(["python", *command]),
        "commit": _commit(),
        "machine": {k: machine[k] for k in ("python", "platform", "cores", "memory_gib")},
        "load": os.getloadavg()[0],
        "packages": machine["packages"] | {n: importlib.metadata.version(n) for n in versions},
    }


def write_results(path: Path, done: Sequence[Comparison], origin: Mapping[str, Any]) -> None:
    """All figures as JSON, with their origin."""
    entries = [
        {
            "work": {**asdict(one.work), "microbatch": one.work.microbatch},
            "step_gflop": one.work.step_flops() / 1e9,
            "matrix_gflops": one.matrix_gflops,
            "ratio": asdict(one.ratio),
            "processor_ratio": asdict(one.processor_ratio),
            "sides": {
                side: {**one.summary(side), "all": asdict(one.sides[side])} for side in one.sides
            },
        }
        for one in done
    ]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({**origin, "comparisons": entries}, indent=1) + "\n")


def _commit() -> str | None:
    """The checked-out commit, marked where files differ from it; None outside a repository.

    Results are not counted: a second measurement would differ by the first.
    """
    commit = _git("rev-parse", "--short=12", "HEAD")
    changed = _git("status", "--porcelain", "--untracked-files=no", "--", ":/", ":!results")
    return commit and commit + ("-dirty" if changed else "")


def _git(*arguments: str) -> str | None:
    found = subprocess.run(
        ["git", *arguments], cwd=Path(__file__).parent, capture_output=True, text=True, check=False
    )
    return found.stdout.strip() or None
