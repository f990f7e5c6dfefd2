"""The command line: what ``guerdon`` and ``python -m guerdon.cli`` run."""

from __future__ import annotations

from collections.abc import Sequence


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code."""
    from guerdon.cli.commands import run

    return run(arguments)
