"""Whether two runs' folders say the same, bit for bit; seconds are not compared."""

from __future__ import annotations

import json
import math
from itertools import pairwise
from pathlib import Path
from typing import Any

import torch

from guerdon.sealed import fault

TIMED = ("seconds", "tokens_per_second")


def figures(folder: Path) -> list[dict[str, Any]]:
    """The lines of ``metrics.jsonl`` without what depends on the clock."""
    lines = (folder / "metrics.jsonl").read_text().splitlines()
    return [
        {k: v for k, v in json.loads(line).items() if not k.startswith(TIMED)} for line in lines
    ]


def state_of(checkpoint: Path) -> dict[str, Any]:
    """A checkpoint's values by the place where they stand."""
    state = torch.load(checkpoint / "state.pt", weights_only=True)
    return {k: v for k, v in flat(state).items() if not k.startswith("/seconds")}


def flat(value: Any, place: str = "") -> dict[str, Any]:
    """All that is no container, by its place."""
    if isinstance(value, dict):
        items = [(str(k), v) for k, v in value.items()]
    elif isinstance(value, list | tuple):
        items = [(str(i), v) for i, v in enumerate(value)]
    else:
        return {place: value}
    found: dict[str, Any] = {}
    for name, part in items:
        found |= flat(part, f"{place}/{name}")
    return found


def differences(whole: Path, other: Path) -> list[str]:
    """What is not the same in two finished runs, and in the runs inside; [] where nothing is."""
    found = [
        f"{stage.name}: {one}"
        for stage in stages(whole)
        for one in differences(stage, other / stage.name)
    ]
    if figures(whole) != figures(other):
        found.append("metrics.jsonl")
    if _failures(whole) != _failures(other):
        found.append("failures.jsonl")
    found += _bytes(whole, other, "rollouts")
    found += _bytes(whole, other, "model")
    found += _checkpoints(whole / "checkpoints", other / "checkpoints")
    if _summary(whole) != _summary(other):
        found.append("summary.json")
    if not (other / "report.html").is_file():
        found.append("report.html")
    found += [f"left behind: {path.name}" for path in left_behind(other)]
    models = [other / "model"] if (whole / "model").exists() else []
    for folder in (*models, *(other / "checkpoints").glob("step-*")):
        if (why := fault(folder)) is not None:
            found.append(f"{folder.name}: {why}")
    if (why := fault(other, alone=False)) is not None:
        found.append(why)
    return found


def stages(folder: Path) -> list[Path]:
    """The runs inside a run."""
    return sorted(path.parent for path in folder.glob("*/recipe.yaml"))


def left_behind(folder: Path) -> list[Path]:
    """What only a write that is under way may leave."""
    passing = ("*.writing", "writing-*", "deleting-*", "run.lock")
    return [path for pattern in passing for path in folder.rglob(pattern)]


def weights_move(folder: Path) -> bool:
    """Whether training changes weights, from each checkpoint to the next and in every step.

    Else a comparison finds nothing.
    """
    if inside := stages(folder):
        return all(map(weights_move, inside))
    states = [state_of(path) for path in sorted((folder / "checkpoints").glob("step-*"))]
    modules = [
        {k: v for k, v in state.items() if k.startswith("/memory/") and "/weights/" in k}
        for state in states
    ]
    return (
        len(modules) > 1
        and all(any(not torch.equal(a[k], b[k]) for k in a) for a, b in pairwise(modules))
        and all(line["grad_norm"] > 0 for line in figures(folder))
    )


def _failures(folder: Path) -> bytes:
    file = folder / "failures.jsonl"
    return file.read_bytes() if file.exists() else b""


def _bytes(whole: Path, other: Path, name: str) -> list[str]:
    a, b = (
        {p.name: p.read_bytes() for p in (folder / name).rglob("*") if p.is_file()}
        for folder in (whole, other)
    )
    return [f"{name}/{k}" for k in sorted(a.keys() | b.keys()) if a.get(k) != b.get(k)]


def _checkpoints(whole: Path, other: Path) -> list[str]:
    """The last one, and whichever both still have: a stop adds one of its own."""
    mine, theirs = ({p.name for p in folder.glob("step-*")} for folder in (whole, other))
    found = [] if max(mine) == max(theirs, default="") else ["the last checkpoint"]
    for name in sorted(mine & theirs):
        a, b = state_of(whole / name), state_of(other / name)
        if a.keys() != b.keys():
            found.append(f"{name} holds other values")
        found += [f"{name}{k}" for k in sorted(a.keys() & b.keys()) if not _same(a[k], b[k])][:3]
    return found


def _same(a: Any, b: Any) -> bool:
    if isinstance(a, torch.Tensor):
        return a.dtype == b.dtype and torch.equal(a, b)
    if isinstance(a, float) and math.isnan(a):
        return isinstance(b, float) and math.isnan(b)
    return type(a) is type(b) and a == b


def _summary(folder: Path) -> dict[str, Any]:
    found = json.loads((folder / "summary.json").read_text())
    return {k: v for k, v in found.items() if k not in ("seconds", "folder")}
