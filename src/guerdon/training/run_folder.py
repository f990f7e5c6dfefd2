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
from guerdon.report import read_metrics


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

    def log_metrics(self, figures: dict[str, Any]) -> None:
        """Append one step's figures, "step" among them; on disk when this returns."""
        with (self.path / "metrics.jsonl").open("a") as file:
            file.write(_line(figures))
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

        ``token_texts`` lists each row's tokens as text (empty lists for a policy without a
        tokenizer), beside ``token_advantage`` and ``token_logp``. ``advantage`` and ``logp``
        are their means over the positions where the policy acted, 0 where it never did.
        """
        lengths = rollouts.lengths.tolist()
        group = rollouts.group.tolist()
        acted_N = rollouts.mask.sum(1).clamp(min=1)
        columns: dict[str, list[Any]] = {
            "step": [step] * len(rollouts),
            "group": group,
            "member": [group[:row].count(g) for row, g in enumerate(group)],
            "task": [_storable(rollouts.tasks[g].id) for g in group],
            "prompt": [_storable(rollouts.tasks[g].text) for g in group],
            "completion": [_storable(text) for text in rollouts.texts],
            "answer": [_storable(str(rollouts.tasks[g].answer)) for g in group],
            "value": scores.value.tolist(),
            "shaped_value": shaped.value.tolist(),
            **{f"part:{name}": part.tolist() for name, part in scores.parts.items()},
            "valid": scores.valid.tolist(),
            "reason": [None if r is None else _storable(r) for r in scores.reasons],
            "advantage": ((advantage_NT * rollouts.mask).sum(1) / acted_N).tolist(),
            "logp": ((rollouts.logps * rollouts.mask).sum(1) / acted_N).tolist(),
            "length": rollouts.mask.sum(1).tolist(),
            "finished": rollouts.finished.tolist(),
            "token": [[_storable(t) for t in row] for row in token_texts],
            "token_advantage": [r[:n] for r, n in zip(advantage_NT.tolist(), lengths, strict=True)],
            "token_logp": [r[:n] for r, n in zip(rollouts.logps.tolist(), lengths, strict=True)],
        }
        final = self.path / "rollouts" / f"step-{step:06d}.parquet"
        part = final.with_suffix(".writing")
        with part.open("wb") as file:
            pyarrow.parquet.write_table(pyarrow.table(columns), file, compression="zstd")
            file.flush()
            os.fsync(file.fileno())
        part.replace(final)

    def write_summary(self, summary: dict[str, Any]) -> None:
        """``summary.json``, whole."""
        write_whole(self.path / "summary.json", json.dumps(plain(summary), indent=2) + "\n")


def write_whole(path: Path, text: str) -> None:
    """Write a file so that it is the old one or the new one, never part of either."""
    part = path.with_suffix(path.suffix + ".writing")
    with part.open("w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    part.replace(path)


def _storable(text: str) -> str:
    """``text`` with what UTF-8 can't hold (lone surrogates) replaced."""
    return text.encode("utf-8", "replace").decode("utf-8")


def _line(metrics: dict[str, Any]) -> str:
    return json.dumps(plain(metrics)) + "\n"


def plain(value: Any) -> Any:
    """``value`` for JSON, which has no NaN or infinity: they become null."""
    if isinstance(value, dict):
        return {k: plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [plain(v) for v in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
