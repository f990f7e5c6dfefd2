"""Scores and reproductions on the terminal, or as lines of JSON."""

from __future__ import annotations

import json
from pathlib import Path

import torch
from rich.console import Console
from rich.table import Table

from guerdon.evaluation import student
from guerdon.records import Progress, Rollouts, Scores
from guerdon.reproduction import Reproduction
from guerdon.training import Recipe
from guerdon.training.saved import load_completions

SHOWN_ROWS = 5
"""Rows named of those that are invalid, and of the lowest."""

BINS = 10


def show_scores(recipe: Recipe, path: Path, as_json: bool) -> int:
    """Score saved completions; the exit status is 1 where none of them could be graded."""
    rollouts = load_completions(path)
    scores = recipe.reward(rollouts, Progress())
    status = 0 if bool(scores.valid.any()) else 1
    if as_json:
        for row in range(len(rollouts)):
            ok = bool(scores.valid[row])
            parts = {k: v[row].item() if ok else None for k, v in scores.parts.items()}
            value = scores.value[row].item() if ok else None
            print(
                json.dumps(
                    {
                        "id": rollouts.task_of(row).id,
                        "value": value,
                        "valid": ok,
                        "reason": scores.reasons[row],
                        "parts": parts,
                    }
                )
            )
        return status
    table = Table(title=f"{path} scored by {recipe.name}: {len(rollouts)} completions")
    for heading in ("part", "mean", "least", "greatest"):
        table.add_column(heading)
    for name, part in {**scores.parts, "total": scores.value}.items():
        kept = part[scores.valid]
        figures = [kept.mean(), kept.min(), kept.max()] if len(kept) else [float("nan")] * 3
        table.add_row(name, *(f"{float(f):.4f}" for f in figures))
    console = Console()
    console.print(table)
    invalid = int((~scores.valid).sum())
    console.print(f"{invalid} invalid" if invalid else "all valid")
    for row in (~scores.valid).nonzero().flatten().tolist()[:SHOWN_ROWS]:
        console.print(f"  {rollouts.task_of(row).id}: {scores.reasons[row]}", markup=False)
    if status == 0:
        _show_histogram(console, scores)
        _show_worst(console, rollouts, scores)
    return status


def _show_histogram(console: Console, scores: Scores) -> None:
    """How many rows have which value, in ten ranges of equal width, or one of a single value."""
    kept = scores.value[scores.valid].double()
    low, high = float(kept.min()), float(kept.max())
    bins = BINS if high > low else 1
    width = (high - low) / bins
    place_N = ((kept - low) / (width or 1.0)).long().clamp(max=bins - 1)
    counts = torch.bincount(place_N, minlength=bins).tolist()
    console.print("histogram of the total", style="bold")
    for index, count in enumerate(counts):
        bar = "█" * max(round(40 * count / max(counts)), int(count > 0))
        ends = f"{low + index * width:10.4g} to {low + (index + 1) * width:<10.4g}"
        console.print(f"{ends} {bar} {count}", highlight=False)


def _show_worst(console: Console, rollouts: Rollouts, scores: Scores) -> None:
    """The lowest values with the beginning of what earned them, unless all earned the same."""
    kept = scores.valid.nonzero().flatten()
    order = kept[scores.value[kept].argsort(stable=True)].tolist()
    worst = [row for row in order if scores.value[row] < scores.value[kept].max()]
    if not worst:
        return
    console.print("lowest", style="bold")
    for row in worst[:SHOWN_ROWS]:
        head = f"  {scores.value[row].item():.4g}  {rollouts.task_of(row).id}: "
        console.print(f"{head}{rollouts.texts[row]!r:.100}", markup=False, highlight=False)


def show_reproduction(result: Reproduction) -> None:
    """Arms, effects and the verdict."""
    console = Console()
    table = Table(title=f"{result.slug}: {result.statement}", title_justify="left")
    names = sorted({name for runs in result.runs.values() for m in runs.values() for name in m})
    table.add_column("arm")
    for name in names:
        table.add_column(name, justify="right")
    for arm, runs in result.runs.items():
        cells = []
        for name in names:
            values = [m[name] for m in runs.values() if name in m]
            found = student(values) if len(values) > 1 else None
            cells.append(
                "–"
                if found is None
                else f"{found.estimate:.3f} [{found.low:.3f}, {found.high:.3f}]"
            )
        table.add_row(arm, *cells)
    console.print(table)
    effects = Table(title="expectations, written before the run", title_justify="left")
    for heading in ("expected", "effect [95 %]", "at least", "verdict"):
        effects.add_column(heading)
    for outcome in result.outcomes:
        e, i = outcome.expectation, outcome.interval
        effects.add_row(
            f"{e.metric}: {e.better} > {e.worse}",
            f"{i.estimate:+.3f} [{i.low:+.3f}, {i.high:+.3f}]",
            f"{e.at_least:g}",
            str(outcome.verdict),
        )
    console.print(effects)
    console.print(f"verdict: {result.verdict} ({len(result.seeds)} seeds, {result.seconds:.0f} s)")
