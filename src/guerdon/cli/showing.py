"""Scores and reproductions on the terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from guerdon.evaluation import student
from guerdon.parsing.visible import visible
from guerdon.report import number
from guerdon.reproduction import Reproduction
from guerdon.reproduction.clumps import told as two_clumps_told
from guerdon.reproduction.compare import Difference
from guerdon.reproduction.written import in_words

_SHOWN_QUANTILES = ("least", "p25", "median", "p75", "greatest")
_SHOWN_PARTS = 4
_SHOWN_DIFFERENCES = 10
_BARS = " ▁▂▃▄▅▆▇█"


def shown(text: object) -> Text:
    """Text from data, a model or an error for the terminal: no markup in it, nothing it obeys."""
    return Text(visible(text))


def show_score_report(report: Mapping[str, Any], title: str) -> None:
    """What `guerdon.report.score_report` found: figures of each part, the total's histogram,
    why rows are invalid, and the lowest and highest rows.
    """
    console = Console()
    table = _table(title)
    table.add_column("part")
    for heading in ("mean", *_SHOWN_QUANTILES):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("distribution", no_wrap=True)
    for name, figures in (*report["parts"].items(), ("total", report["total"])):
        told = [figures["mean"], *(figures["quantiles"][q] for q in _SHOWN_QUANTILES)]
        cells = map(_figure, told)
        table.add_row(shown(name), *cells, _bars(figures["histogram"]["counts"]))
    console.print(table)
    _show_doubts(console, report)
    _show_histogram(console, report["total"]["histogram"])
    _show_rows(console, "lowest", report["worst"])
    _show_rows(console, "highest", report["best"])


def _show_doubts(console: Console, report: Mapping[str, Any]) -> None:
    """What makes a reward useless or unfair to train on, a line each."""
    refused = report["rows"] - report["total"]["valid"]
    console.print(f"{refused} of {report['rows']} invalid" if refused else "all valid")
    for reason, count in report["total"]["reasons"].items():
        console.print(shown(f"  {count} × {reason}"))
    for name, figures in report["parts"].items():
        quantiles = figures["quantiles"]
        if figures["valid"] > 1 and quantiles["least"] == quantiles["greatest"]:
            told = f"{name} is {_figure(figures['mean'])} for every row: it teaches nothing"
            console.print(shown(told))
    groups = report["groups"]
    if groups["equal"]:
        told = f"{groups['equal']} of {groups['several']} groups have equal values"
        console.print(f"{told}: from these nothing is learned", highlight=False)
    if report["length_correlation"] is not None:
        told = f"{report['length_correlation']:+.2f} (Spearman)"
        console.print(f"value and length of the text correlate by {told}", highlight=False)
    _show_rows(console, "invalid", report["invalid"])


def _show_rows(console: Console, heading: str, rows: Sequence[Mapping[str, Any]]) -> None:
    """Single rows: where they stand, what they earned, and the beginning of their text."""
    if not rows:
        return
    table = _table(heading)
    table.add_column("place", no_wrap=True)
    table.add_column("id", max_width=16, no_wrap=True)
    names = list(rows[0]["parts"]) if heading != "invalid" else []
    names = names if 1 < len(names) <= _SHOWN_PARTS else []
    if heading == "invalid":
        table.add_column("reason", max_width=32)
    for name in ("total", *names) if heading != "invalid" else ():
        table.add_column(shown(name), justify="right", no_wrap=True)
    # The column may shrink and its cells don't wrap: so the text gives way to all others.
    table.add_column("text")
    for row in rows:
        judged = [row["reason"]] if heading == "invalid" else [_figure(row["value"])]
        judged += [_figure(row["parts"][name]) for name in names]
        text = Text(visible(repr(row["text"])), no_wrap=True, overflow="ellipsis")
        table.add_row(*(shown(cell) for cell in (row["place"], row["id"], *judged)), text)
    console.print(table)


def _table(title: str) -> Table:
    return Table(title=shown(title), title_justify="left", box=SIMPLE_HEAD, padding=(0, 1, 0, 0))


def _figure(value: float | None) -> str:
    # Adding 0 takes the sign off a zero.
    return number(None if value is None else value + 0.0, "{:.3g}")


def _bars(counts: list[int]) -> str:
    """One sign a bin; a bin with a row in it is never empty."""
    most = max(counts, default=0)
    return "".join(_BARS[-(-8 * count // most)] if most else " " for count in counts)


def _show_histogram(console: Console, histogram: Mapping[str, list[Any]]) -> None:
    """How many rows have which total, a line a bin."""
    edges, counts = histogram["edges"], histogram["counts"]
    if not counts:
        return
    console.print("histogram of the total", style="bold")
    for low, high, count in zip(edges, edges[1:], counts, strict=False):
        bar = "█" * max(round(40 * count / max(counts)), int(count > 0))
        console.print(f"{low:10.4g} to {high:<10.4g} {bar} {count}", highlight=False)


def show_reproduction(result: Reproduction, written: Mapping[str, Any]) -> None:
    """Arms, effects and the verdict of a result that was ``written``."""
    console = Console()
    table = Table(title=shown(f"{result.slug}: {result.statement}"), title_justify="left")
    names = sorted({name for runs in result.runs.values() for m in runs.values() for name in m})
    table.add_column("arm")
    for name in names:
        table.add_column(shown(name), justify="right")
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
        table.add_row(shown(arm), *cells)
    console.print(table)
    effects = Table(title="expectations, written before the run", title_justify="left")
    for heading in ("role", "expected", "effect [95 %]", "p", "verdict"):
        effects.add_column(heading)
    for outcome in result.outcomes:
        i, verdict = outcome.interval, str(outcome.verdict)
        if outcome.would_decide is not None:
            verdict += f" ({outcome.would_decide} seeds would tell)"
        if clumps := two_clumps_told(outcome.effects):
            verdict += f" ({clumps})"
        effects.add_row(
            str(outcome.expectation.role),
            shown(str(outcome.expectation)),
            f"{i.estimate:+.3f} [{i.low:+.3f}, {i.high:+.3f}]",
            f"{outcome.p:.3f}",
            verdict,
        )
    console.print(effects)
    console.print(f"verdict: {result.verdict} ({len(result.seeds)} seeds, {result.seconds:.0f} s)")
    console.print(shown(in_words(written)))


def show_comparison(
    known: object,
    recorded: Mapping[str, Any],
    result: Reproduction,
    figures: int,
    differ: Sequence[Difference],
) -> None:
    """Whether a run's figures are those of the version ``known``, and the largest differences."""
    console = Console()
    if not differ:
        console.print(shown(f"all {figures} figures are those of {known}, to rounding"))
    else:
        console.print(shown(f"{len(differ)} of {figures} figures are not those of {known}:"))
        for one in differ[:_SHOWN_DIFFERENCES]:
            console.print(shown(f"  {one}"))
        if len(differ) > _SHOWN_DIFFERENCES:
            console.print(f"  and {len(differ) - _SHOWN_DIFFERENCES} more", highlight=False)
    if len(result.seeds) < len(recorded["seeds"]):
        told = f"{len(result.seeds)} of its {len(recorded['seeds'])} seeds ran"
        console.print(f"{told}: the verdict above is of these alone", highlight=False)
    elif str(result.verdict) != recorded["verdict"]:
        console.print(shown(f"the verdict is {result.verdict}; recorded is {recorded['verdict']}"))
