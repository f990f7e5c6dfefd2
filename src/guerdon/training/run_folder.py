"""A run on disk: ``recipe.yaml``, ``metrics.jsonl``, ``rollouts/*.parquet``, ``summary.json``."""

from __future__ import annotations

import json
import math
import os
from pathlib import Path
from typing import Any

import pyarrow
import pyarrow.parquet
from torch import Tensor

from guerdon.records import Rollouts, Scores


class RunFolder:
    """Writes one run. Every file is whole at every moment, or ends at a whole line.

    Raises FileExistsError when the folder already holds a run and ``resume`` is False, and
    FileNotFoundError when there is none to resume.
    """

    def __init__(self, path: Path, *, resume: bool = False) -> None:
        self.path = Path(path)
        held = (self.path / "recipe.yaml").exists() or (self.path / "metrics.jsonl").exists()
        if held and not resume:
            raise FileExistsError(
                f"{self.path} already holds a run; give another folder with --out or continue "
                f"it with --resume {self.path}"
            )
        if resume and not held:
            raise FileNotFoundError(f"{self.path} holds no run to resume")
        (self.path / "rollouts").mkdir(parents=True, exist_ok=True)

    def metrics(self) -> list[dict[str, Any]]:
        """All steps' figures. A last line that a crash cut short is left out."""
        return read_metrics(self.path)

    def truncate_after(self, step: int) -> None:
        """Forget steps beyond ``step``: what a resumed run does again."""
        kept = [m for m in self.metrics() if m["step"] <= step]
        write_whole(self.path / "metrics.jsonl", "".join(_line(m) for m in kept))
        for file in (self.path / "rollouts").glob("step-*.parquet"):
            if int(file.stem.removeprefix("step-")) > step:
                file.unlink()

    def log_metrics(self, step: int, metrics: dict[str, float]) -> None:
        """Append one step's figures; on disk when this returns."""
        with (self.path / "metrics.jsonl").open("a") as file:
            file.write(_line({"step": step, **metrics}))
            file.flush()
            os.fsync(file.fileno())

    def log_rollouts(
        self,
        step: int,
        rollouts: Rollouts,
        scores: Scores,
        advantage_NT: Tensor,
        shaped: Scores,
        token_texts: list[list[str]],
    ) -> None:
        """Every completion of a step, a row each.

        ``token_texts`` lists each row's tokens as text, beside ``token_advantage`` and
        ``token_logp``.
        """
        lengths = rollouts.lengths.tolist()
        group = rollouts.group.tolist()
        columns: dict[str, list[Any]] = {
            "step": [step] * len(rollouts),
            "group": group,
            "task": [rollouts.tasks[g].id for g in group],
            "prompt": [rollouts.tasks[g].text for g in group],
            "completion": list(rollouts.texts),
            "answer": [str(rollouts.tasks[g].answer) for g in group],
            "value": scores.value.tolist(),
            "shaped_value": shaped.value.tolist(),
            **{f"part:{name}": part.tolist() for name, part in scores.parts.items()},
            "valid": scores.valid.tolist(),
            "reason": list(scores.reasons),
            "length": rollouts.mask.sum(1).tolist(),
            "finished": rollouts.finished.tolist(),
            "token": token_texts,
            "token_advantage": [r[:n] for r, n in zip(advantage_NT.tolist(), lengths, strict=True)],
            "token_logp": [r[:n] for r, n in zip(rollouts.logps.tolist(), lengths, strict=True)],
        }
        final = self.path / "rollouts" / f"step-{step:06d}.parquet"
        part = final.with_suffix(".writing")
        pyarrow.parquet.write_table(pyarrow.table(columns), part, compression="zstd")
        part.replace(final)

    def write_summary(self, summary: dict[str, Any]) -> None:
        """``summary.json``, whole."""
        write_whole(self.path / "summary.json", json.dumps(_plain(summary), indent=2) + "\n")


def read_metrics(path: Path) -> list[dict[str, Any]]:
    """The figures in a run's ``metrics.jsonl`` ([] if there is none)."""
    file = path / "metrics.jsonl"
    if not file.exists():
        return []
    lines = file.read_text().split("\n")
    return [json.loads(line) for line in lines[:-1] if line]


def write_whole(path: Path, text: str) -> None:
    """Write a file so that it is the old one or the new one, never part of either."""
    part = path.with_suffix(path.suffix + ".writing")
    with part.open("w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    part.replace(path)


def _line(metrics: dict[str, Any]) -> str:
    return json.dumps(_plain(metrics)) + "\n"


def _plain(value: Any) -> Any:
    """JSON has no NaN or infinity: they become null."""
    if isinstance(value, dict):
        return {k: _plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(v) for v in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
