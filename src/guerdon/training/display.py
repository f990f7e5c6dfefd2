"""Live progress on the terminal; plain lines where there is none."""

from __future__ import annotations

import math
import time
from typing import Any

from rich.console import Console
from rich.live import Live
from rich.markup import escape
from rich.panel import Panel
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from guerdon.parsing.visible import visible
from guerdon.report import number

_BARS = "▁▂▃▄▅▆▇█"
_BRIEF = ("invalid_share", "failed_share", "zero_std_share")
_SHOWN = (
    ("reward", "reward", "{:.3f}"),
    ("accuracy", "accuracy", "{:.3f}"),
    ("preference_loss", "loss", "{:.4f}"),
    ("ranking_loss", "loss", "{:.4f}"),
    ("ranking_accuracy", "training pairs ranked right", "{:.3f}"),
    ("kl", "KL", "{:.4f}"),
    ("length", "tokens per answer", "{:.1f}"),
    ("zero_std_share", "groups without signal", "{:.0%}"),
    ("invalid_share", "invalid", "{:.1%}"),
    ("failed_share", "of these failed", "{:.1%}"),
    ("tokens_per_second", "tokens/s", "{:,.0f}"),
)


class Display:
    """Progress of a run. ``quiet`` shows nothing; without a terminal it prints a line a step."""

    def __init__(self, total: int, *, quiet: bool = False, console: Console | None = None) -> None:
        self.total, self.quiet = total, quiet
        self.console = console or Console(stderr=False)
        self.history: list[dict[str, float]] = []
        self.started = time.perf_counter()
        self._done, self._first = 0, 0
        self._live: Live | None = None

    def __enter__(self) -> Display:
        self.started = time.perf_counter()
        if not self.quiet and self.console.is_terminal:
            self._live = Live(console=self.console, refresh_per_second=4, transient=True)
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop()

    def update(self, step: int, metrics: dict[str, float]) -> None:
        """Show a finished step (counted from 0)."""
        if not self.history:
            self._first = step
        self.history.append(metrics)
        self._done = step + 1
        if self.quiet:
            return
        if self._live is not None:
            self._live.update(self._panel(metrics))
            return
        shown = "  ".join(
            f"{label} {form.format(metrics[name])}"
            for name, label, form in _SHOWN
            if name not in _BRIEF and _finite(metrics.get(name))
        )
        self.console.print(
            f"step {step + 1}/{self.total}  {shown}{_counted(metrics)}  {self._left()}",
            markup=False,
            soft_wrap=True,
        )

    def note(self, text: str) -> None:
        """A line that stays above the progress."""
        if not self.quiet:
            self.console.print(Text(visible(text)), soft_wrap=True)

    def summary(self, summary: dict[str, Any]) -> None:
        """The end of a run: what changed, how sure that is, where to look next."""
        self._stop()
        if self.quiet:
            return
        table = Table.grid(padding=(0, 2))
        for name in ("before", "after"):
            if name in summary:
                table.add_row(f"held-out {summary[name]['metric']} {name}", _figure(summary[name]))
        if "gain" in summary:
            table.add_row("gain, paired by task", _figure(summary["gain"], signed=True))
        for name, exam in summary.get("exams", {}).items():
            table.add_row(escape(visible(f"exam {name}")), _exam(exam))
        table.add_row("time", f"{summary['seconds']:.0f} s for {summary['steps']} steps")
        for name, value in summary.get("figures", {}).items():
            table.add_row(escape(visible(name)), f"{value:g}")
        if summary.get("trains", True) and not {"before", "after", "exams"} & summary.keys():
            table.add_row("held-out", "no tasks: nothing tells whether training helped")
        for reason, count in list(summary.get("invalid", {}).items())[:5]:
            table.add_row("invalid", escape(f"{count} × {reason}"))
        for name, count in summary.get("alarms", {}).items():
            table.add_row("alarm", escape(f"{name} in {count} steps"))
        stopped = summary.get("stopped", {})
        for skipped in stopped.get("skipped", ()):
            table.add_row("left out", escape(skipped))
        if "report" in summary:
            table.add_row("look at", escape(visible(summary["report"])))
            table.add_row("", escape(visible(summary["folder"])) + "/curves.png")
        end = f"stopped after {summary['steps']} of {stopped['of']} steps" if stopped else "done"
        title = escape(f"{summary['recipe']} {end}")
        self.console.print(Panel(table, title=title, expand=False))
        if "next" in stopped:  # outside the frame, which would cut a long line
            self.note(f"go on with: {stopped['next']}")

    def _stop(self) -> None:
        if self._live is not None:
            self._live.stop()
            self._live = None

    def _panel(self, metrics: dict[str, float]) -> Panel:
        grid = Table.grid(padding=(0, 2))
        bar = ProgressBar(total=self.total, completed=self._done, width=40)
        grid.add_row(f"step {self._done}/{self.total}", bar, self._left())
        for name, label, form in _SHOWN:
            if _finite(metrics.get(name)) and (name != "failed_share" or metrics[name]):
                values = [m[name] for m in self.history if name in m]
                grid.add_row(label, sparkline(values, 40), form.format(metrics[name]))
        return Panel(grid, title="guerdon", expand=False)

    def _left(self) -> str:
        steps = self._done - self._first
        if steps <= 0:
            return ""
        seconds = (time.perf_counter() - self.started) / steps * (self.total - self._done)
        return f"{seconds / 60:.0f} min left" if seconds > 90 else f"{seconds:.0f} s left"


def sparkline(values: list[float], width: int) -> str:
    """The last ``width`` finite values as block characters, scaled to their own range."""
    kept = [v for v in values if _finite(v)][-width:]
    if not kept:
        return ""
    low, high = min(kept), max(kept)
    if high == low:
        return _BARS[0] * len(kept)
    return "".join(_BARS[int((v - low) / (high - low) * (len(_BARS) - 1))] for v in kept)


def _finite(value: float | None) -> bool:
    return value is not None and math.isfinite(value)


def _counted(metrics: dict[str, float]) -> str:
    """Invalid rows of a step in words, where there are any."""
    invalid, failed = metrics.get("invalid_rows"), metrics.get("failed_rows")
    if not invalid:
        return ""
    told = f"  invalid {invalid:.0f} of {metrics.get('judged_rows', 0):.0f}"
    return f"{told} (the reward failed on {failed:.0f})" if failed else told


def _exam(exam: dict[str, Any]) -> str:
    """An exam in a line: before and after with intervals, and what was gained."""
    known = [exam[name] for name in ("before", "after") if name in exam]
    told = " → ".join(
        f"{number(e['mean'])} [{number(e['low'])}, {number(e['high'])}]" for e in known
    )
    tasks = f"{known[0]['tasks']} tasks"
    invalid = max(entry["invalid"] for entry in known)
    tasks += f" of which {invalid} invalid" if invalid else ""
    gain = f", gain {_figure(exam['gain'], signed=True)}" if "gain" in exam else ""
    return f"{known[0]['metric']} {told}, {tasks}{gain}"


def _figure(entry: dict[str, Any], signed: bool = False) -> str:
    mean, low, high = (
        number(entry[name], "{:+.3f}" if signed else "{:.3f}") for name in ("mean", "low", "high")
    )
    tasks = f", {entry['tasks']} tasks" if "tasks" in entry else ""
    if entry.get("invalid"):
        tasks += f" of which {entry['invalid']} invalid"
    return f"{mean}  (95 % interval {low} to {high}{tasks})"
