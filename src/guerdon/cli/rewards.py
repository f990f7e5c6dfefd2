"""``guerdon rewards``: the rewards by name, each in a line."""

from __future__ import annotations

import json
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from guerdon import reward_models, rewards


def run(options: dict[str, Any], rest: list[str]) -> int:
    """Show the list; those that are made of others are for recipes in Python."""
    alone = rewards.NAMES.alone().told() | reward_models.NAMES.told()
    found = {**rewards.NAMES.told(), **alone}
    if options["json"]:
        listed = [
            {"name": name, "about": about, "option": name in alone} for name, about in found.items()
        ]
        print(json.dumps(listed, indent=2))
        return 0
    console = Console()
    for title, names in (
        ("rewards: guerdon train --reward NAME, or NAME:VALUE with its first setting", alone),
        ("made of others, in Python or a recipe file", found.keys() - alone.keys()),
    ):
        table = Table(box=SIMPLE_HEAD, padding=(0, 1, 0, 0))
        table.add_column("name", no_wrap=True)
        table.add_column("what it is")
        for name in sorted(names):
            table.add_row(name, Text(found[name].replace("`", "")))
        console.print(title)
        console.print(table)
    console.print("one of yours: --reward FILE:FUNCTION or module:name (docs/rewards.md has more)")
    return 0
