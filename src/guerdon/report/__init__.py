"""What people look at: curves, alarms and a page of every run."""

from guerdon.report.alarms import Alarm, Alarms, Thresholds, length_correlation, step_alarms
from guerdon.report.curves import draw_curves, read_summary
from guerdon.report.page import build_report

__all__ = [
    "Alarm",
    "Alarms",
    "Thresholds",
    "build_report",
    "draw_curves",
    "length_correlation",
    "read_summary",
    "step_alarms",
]
