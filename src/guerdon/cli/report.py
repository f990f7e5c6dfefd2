"""``guerdon report``: a run's picture and page, written again."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from guerdon.report import build_report, damage
from guerdon.training.disk import writing_to


def run(options: dict[str, Any], rest: list[str]) -> int:
    """Write both, and name them."""
    with writing_to(Path(options["run"]) / "report.html"):
        page = build_report(Path(options["run"]))
    for line in damage(Path(options["run"])):
        print(f"guerdon report: {line}", file=sys.stderr)
    curves = page.with_name("curves.png")
    print(json.dumps({"report": str(page), "curves": str(curves)}) if options["json"] else page)
    return 0
