"""A run as one self-contained page."""

from __future__ import annotations

import base64
import math
from collections.abc import Sequence
from importlib import resources
from itertools import groupby
from pathlib import Path
from typing import Any

from guerdon.report.alarms import advice, alarm_counts, invalid_counts
from guerdon.report.curves import draw_curves, is_drawn
from guerdon.report.reading import damage, number, read_failures, read_metrics, read_summary
from guerdon.report.samples import draw_samples

SHOWN_STEPS = 8
SHOWN_GROUPS = 3
SHOWN_ROWS = 16
"""Steps, evenly spread, groups of each and completions of those; the rest is in Parquet."""

SHOWN_CHARACTERS = 1_000_000
"""Of the recipe."""

_VISIBLE = {code: 0x2400 + code for code in range(32) if chr(code) not in "\n\t"}
"""Control characters to their pictures: a browser would drop or obey them."""


def build_report(run: Path) -> Path:
    """Write ``curves.png`` and ``report.html`` into a run's folder, finished or not.

    Where samples are points there is ``samples.png`` too.

    The page holds everything it shows and loads nothing. Raises FileNotFoundError where there
    is no run, and ValueError naming the folder where its files are none that training wrote.
    """
    run = Path(run)
    if not (run / "recipe.yaml").exists():
        raise FileNotFoundError(
            f"{run} holds no run (there is no recipe.yaml); give the folder that training named"
        )
    try:
        return _built(run)
    except (OSError, MemoryError):
        raise
    except Exception as error:  # the folder may be anybody's, and hold anything
        told = f"{type(error).__name__}: {' '.join(str(error).split()):.200}"
        raise ValueError(f"{run} can't be read as a run ({told}); was it changed?") from error


def _built(run: Path) -> Path:
    from jinja2 import Environment

    history = read_metrics(run)
    summary = read_summary(run)
    picture = draw_curves(history, summary, run / "curves.png")
    shown = _shown_steps(run)
    samples = draw_samples(shown, run / "samples.png")
    source = resources.files("guerdon.report").joinpath("page.html").read_text()
    environment = Environment(autoescape=True)
    environment.filters["number"] = number
    environment.filters["shown"] = _shown
    text = environment.from_string(source).render(
        name=run.resolve().name,
        summary=summary,
        whiskers=_whiskers(summary),
        axis=_axis(_held_out(summary)),
        alarms=_alarms(history),
        invalid=invalid_counts(history),
        judged=sum(int(figures.get("judged_rows") or 0) for figures in history),
        failures=_failures(run),
        stopped=_shown(summary.get("stopped", {}).get("why") or ""),
        picture=base64.b64encode(picture.read_bytes()).decode(),
        recipe=_shown(_beginning(run / "recipe.yaml")),
        samples=base64.b64encode(samples.read_bytes()).decode() if samples else "",
        curves=is_drawn(history, summary),
        figures=_figures(summary),
        steps=[_step(rows) for rows in shown],
        finished=bool(summary) and "stopped" not in summary,
        damage=[_shown(line) for line in damage(run)],
        done=len(history),
    )
    part = run / "report.html.writing"
    part.unlink(missing_ok=True)  # a link of this name would be followed
    part.write_text(_shown(text), encoding="utf-8", errors="replace")
    part.replace(run / "report.html")
    return run / "report.html"


def _figures(summary: dict[str, Any]) -> list[dict[str, str]]:
    """What a run measured that trains nothing, in rows of one shape; [] where it did not."""
    found: dict[str, Any] = summary.get("figures") or {}
    rows = [{"figure": name, "value": value} for name, value in found.items()]
    rows = rows or summary.get("distances") or []
    return [{name: _figure(value) for name, value in row.items()} for row in rows]


def _figure(value: Any) -> str:
    return number(value, "{:.4g}") if isinstance(value, float) or value is None else str(value)


def _beginning(file: Path) -> str:
    """A file's text, as far as a page can hold it."""
    with file.open(encoding="utf-8", errors="replace") as text:
        return text.read(SHOWN_CHARACTERS)


def _alarms(history: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Alarms by name: in how many steps, and the mend."""
    counts = sorted(alarm_counts(history).items())
    return [{"name": n, "steps": c, "advice": advice(n)} for n, c in counts]


def _failures(run: Path) -> list[dict[str, Any]]:
    """What the reward failed on, by kind: rows, steps, the first traceback and its completion."""
    kinds: dict[str, dict[str, Any]] = {}
    for one in read_failures(run):
        first = {"kind": _shown(one["kind"]), "rows": 0, "steps": 0, "step": one["step"] + 1}
        told = {name: _shown(one[name]) for name in ("error", "task", "completion")}
        entry = kinds.setdefault(one["kind"], {**first, **told})
        entry["rows"], entry["steps"] = entry["rows"] + one["count"], entry["steps"] + 1
    return sorted(kinds.values(), key=lambda entry: -entry["rows"])


def _held_out(summary: dict[str, Any]) -> dict[str, dict[str, float]]:
    """Before and after, where they have an interval."""
    return {
        name: summary[name]
        for name in ("before", "after")
        if summary.get(name) and all(summary[name][k] is not None for k in ("mean", "low", "high"))
    }


def _axis(entries: dict[str, dict[str, float]]) -> tuple[float, float]:
    """From 0 to 1, or as far as the intervals reach beyond."""
    least = min([0.0, *(e["low"] for e in entries.values())])
    return least, max([1.0, *(e["high"] for e in entries.values())])


def _whiskers(summary: dict[str, Any]) -> list[dict[str, Any]]:
    """Before and after with intervals, as percentages of their axis for the drawing."""
    entries = _held_out(summary)
    least, most = _axis(entries)
    return [
        {
            "name": name,
            **{k: 100 * (e[k] - least) / (most - least) for k in ("mean", "low", "high")},
        }
        for name, e in entries.items()
    ]


def _shown_steps(run: Path) -> list[list[dict[str, Any]]]:
    """The rows of some of the run's steps, evenly spread."""
    import pyarrow
    import pyarrow.parquet

    files = sorted((run / "rollouts").glob("step-*.parquet"))
    count = min(SHOWN_STEPS, len(files))
    chosen = [files[round(i * (len(files) - 1) / max(count - 1, 1))] for i in range(count)]
    steps = []
    for file in chosen:
        try:
            table = pyarrow.parquet.read_table(file, page_checksum_verification=True)
            rows = table.to_pylist()
        except (pyarrow.ArrowException, OSError):
            continue  # the page names it among what is damaged
        if rows:
            steps.append(rows)
    return steps


def _step(rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    groups: dict[int, list[dict[str, Any]]] = {}
    for row in rows:
        groups.setdefault(row["group"], []).append(row)
    ordered = sorted(groups.values(), key=_spread, reverse=True)
    learned = [group for group in ordered if not _is_probe(group)]
    picked = learned[:SHOWN_GROUPS] + list(filter(_is_probe, ordered))[:1]
    largest = max((abs(a) for g in picked for r in g for a in r["token_advantage"]), default=0)
    return {"step": rows[0]["step"] + 1, "groups": [_group(g, largest) for g in picked]}


def _spread(group: Sequence[dict[str, Any]]) -> float:
    """Groups with the most different rewards first: they are what the step learned from."""
    values = [r["value"] for r in group if r["valid"]]
    return max(values) - min(values) if values else -1.0


def _group(rows: Sequence[dict[str, Any]], largest: float) -> dict[str, Any]:
    return {
        "task": _shown(rows[0]["task"]),
        "prompt": _shown(rows[0]["prompt"]),
        "answer": _shown(rows[0]["answer"]),
        "size": len(rows),
        "probe": _is_probe(rows),
        "chosen": sum(map(_chosen, rows)),
        "rows": [_row(r, largest) for r in _first(rows)],
    }


def _is_probe(group: Sequence[dict[str, Any]]) -> bool:
    """Whether nothing is learned from the group; older runs have none."""
    return group[0].get("probe") is True


def _first(rows: Sequence[dict[str, Any]]) -> Sequence[dict[str, Any]]:
    """The rows that there is room for; of more, those first that are learned from."""
    if len(rows) <= SHOWN_ROWS:
        return rows
    return sorted(rows, key=lambda row: not _chosen(row))[:SHOWN_ROWS]


def _chosen(row: dict[str, Any]) -> bool:
    """Whether no selection left it out; runs from before there was a column don't say."""
    return row.get("chosen") is not False


def _row(row: dict[str, Any], largest: float) -> dict[str, Any]:
    parts = [
        (name.removeprefix("part:"), number(value, "{:.3g}"))
        for name, value in row.items()
        if name.startswith("part:") and value is not None
    ]
    parts += [(p["name"], number(p["value"], "{:.3g}")) for p in row.get("more_parts") or ()]
    advantage = row["token_advantage"]
    if len(row["token"]) == len(advantage) and advantage:
        tokens = list(zip(row["token"], advantage, strict=True))
    else:  # a policy without a tokenizer, or a completion without tokens
        tokens = [(row["completion"], _mean(advantage))]
    spans = [
        {
            "text": _shown("".join(text for text, _ in span)),
            "colour": _colour(value, largest),
            "advantage": f"advantage {value:+.3g}",
        }
        # neighbours of equal advantage share a span: a page of long completions stays small
        for value, span in groupby(tokens, key=lambda token: token[1])
    ]
    return {
        "spans": spans,
        "value": number(row["value"], "{:.3g}") if row["valid"] else "invalid",
        "advantage": number(_mean(advantage), "{:+.2f}"),
        "reason": _shown(row["reason"] or ""),
        "parts": parts,
        "diagnostics": [
            (_shown(d["name"]), number(d["value"], "{:.3g}")) for d in row.get("diagnostics") or ()
        ],
        "remark": _shown(row.get("remark") or ""),
        "valid": row["valid"],
        "chosen": _chosen(row),
        "maker": "" if row.get("origin") in (None, "policy") else _shown(row["origin"]),
        "cut": "" if row["finished"] else _cut(row.get("ending")),
        "length": row["length"],
        "unit": "tokens" if row["token"] else "acts",
    }


def _cut(ending: str | None) -> str:
    """What of a row that did not end by itself; runs from before there was a column don't say."""
    return f"cut off ({_shown(ending)})" if ending else "cut off"


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values) if values else 0.0


def _shown(text: str) -> str:
    return text.translate(_VISIBLE)


def _colour(advantage: float, largest: float) -> str:
    """Blue for positive, orange for negative (told apart in every common colour blindness).

    The strength is relative to the largest advantage of the step, so that scales of any size
    can be read.
    """
    if largest == 0 or not math.isfinite(advantage):
        return ""
    strength = 0.5 * min(abs(advantage) / largest, 1)
    if strength < 0.01:
        return ""
    base = "0,114,178" if advantage > 0 else "230,120,0"
    return f"rgba({base},{strength:.2f})"
