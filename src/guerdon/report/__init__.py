"""What people look at: curves, alarms and a page of every run."""

from guerdon.report.alarms import (
    Alarm,
    Alarms,
    Thresholds,
    advice,
    alarm_counts,
    history_alarms,
    invalid_counts,
    length_correlation,
    step_alarms,
)
from guerdon.report.curves import draw_curves
from guerdon.report.page import build_report
from guerdon.report.reading import (
    damage,
    number,
    read_failures,
    read_metrics,
    read_summary,
)
from guerdon.report.scored import score_report, shown_row

__all__ = [
    "Alarm",
    "Alarms",
    "Thresholds",
    "advice",
    "alarm_counts",
    "build_report",
    "damage",
    "draw_curves",
    "history_alarms",
    "invalid_counts",
    "length_correlation",
    "number",
    "read_failures",
    "read_metrics",
    "read_summary",
    "score_report",
    "shown_row",
    "step_alarms",
]
