"""``guerdon recipes``: the systems with their marks, and the compositions by name."""

from __future__ import annotations

import json
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from guerdon.recipes import marks, named_recipes, told_in_a_line


def run(options: dict[str, Any], rest: list[str]) -> int:
    """Show both tables."""
    systems = marks()
    if options["json"]:
        found = [
            {"slug": slug, "about": told_in_a_line(slug), "system": True, **marked._asdict()}
            for slug, marked in systems.items()
        ]
        found += [
            {"slug": name, "about": about, "system": False}
            for name, about in named_recipes().items()
        ]
        print(json.dumps(found, indent=2))
        return 0
    console = Console()
    table = _table("name", "parts", "runs", "shows", "what it is")
    for slug, marked in systems.items():
        done = (marked.parts, "yes" if marked.runs else "no", marked.verdict or "–")
        table.add_row(slug, *done, Text(told_in_a_line(slug)))
    console.print("systems: their unit checks are tested, they run in the loop, their claim shows")
    console.print(table)
    table = _table("name", "what it is")
    for name, about in named_recipes().items():
        table.add_row(name, Text(about))
    console.print("by name: other parts in the recipe grpo, and what learns from a file")
    console.print(table)
    console.print("guerdon train --recipe NAME trains by one; --settings shows what it is made of")
    return 0


def _table(*headings: str) -> Table:
    table = Table(box=SIMPLE_HEAD, padding=(0, 1, 0, 0))
    for heading in headings:
        table.add_column(heading, no_wrap=heading != "what it is")
    return table
