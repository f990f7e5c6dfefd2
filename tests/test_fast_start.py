"""What the quick commands import: help and lists may not wait for torch and its like."""

from __future__ import annotations

import subprocess
import sys

import pytest

from guerdon.cli.commands import COMMANDS

LIGHT = {"guerdon", "typing_extensions"}
TABLES = {"rich", "markdown_it", "mdurl", "pygments", "colorama"}
"""What draws tables, and what that may import."""

PROBE = """
import sys
before = set(sys.modules)
from guerdon.cli import main
try:
    status = main(sys.argv[1:])
except SystemExit as left:
    status = left.code
assert not status, status
found = {name.partition(".")[0] for name in set(sys.modules) - before}
print(*sorted(found - sys.stdlib_module_names), file=sys.stderr)
"""


def imported(*arguments: str) -> set[str]:
    """The top-level modules, besides Python's own, that a command imports."""
    done = subprocess.run(
        [sys.executable, "-c", PROBE, *arguments], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return set(done.stderr.split())


@pytest.mark.parametrize(
    "arguments", [["--help"], ["--version"], *([name, "--help"] for name in COMMANDS)]
)
def test_help_imports_nothing_but_names(arguments: list[str]) -> None:
    assert imported(*arguments) <= LIGHT


@pytest.mark.parametrize("arguments", [["recipes"], ["recipes", "--json"], ["rewards"]])
def test_lists_import_what_draws_them(arguments: list[str]) -> None:
    assert imported(*arguments) <= LIGHT | TABLES
