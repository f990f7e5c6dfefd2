"""``guerdon recipes``: the systems and the compositions by name."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from guerdon.cli.showing import shown
from guerdon.recipes import all_recipes
from guerdon.reproduction.table import marks


def run(options: dict[str, Any], rest: list[str]) -> int:
    """Show the table."""
    root = Path.cwd()
    found = [{"slug": slug, **asdict(marks(slug, root))} for slug in all_recipes()]
    if options["json"]:
        print(json.dumps(found, indent=2))
        return 0
    table = Table(title="recipes")
    for heading in found[0]:
        table.add_column(heading)
    for entry in found:
        table.add_row(*(shown(v) for v in entry.values()))
    Console().print(table)
    return 0
