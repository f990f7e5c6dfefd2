"""``guerdon reproduce``: a paper's claim in miniature."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from rich.markup import escape
from rich.progress import Progress as Bar

from guerdon.claims import load_claim
from guerdon.cli.options import UsageError, reading_arguments, whole_number
from guerdon.cli.showing import show_reproduction
from guerdon.ranges import Seed, between
from guerdon.reproduction import Verdict, run_claim, write
from guerdon.reproduction.picture import draw


def run(options: dict[str, Any], rest: list[str]) -> int:
    """Run the claim, write and show its result."""
    with reading_arguments():
        claim, seeds = load_claim(options["slug"]), _seeds(rest)
    with Bar(transient=True, disable=options["quiet"] or options["json"]) as progress:
        bar = progress.add_task(escape(claim.slug), total=1.0)
        result = run_claim(
            claim,
            seeds,
            lambda done, label: progress.update(bar, completed=done, description=escape(label)),
        )
    folder = Path(options["out"] or "reproductions")
    path = write(result, folder)
    picture = draw(path)
    if options["json"]:
        print(path.read_text())
    else:
        show_reproduction(result)
        print(f"{path}\n{picture}")
    return 0 if result.verdict == Verdict.SHOWN else 1


def _seeds(rest: list[str]) -> tuple[int, ...] | None:
    """``--seeds 3`` is the first three; ``--seeds 0 4 7`` are these."""
    if not rest:
        return None
    if rest[0] != "--seeds":
        raise UsageError(f"unknown argument {rest[0]!r}; --seeds takes whole numbers")
    if not rest[1:]:
        raise UsageError("--seeds is empty; give how many, or several seeds")
    if len(rest) == 2:
        return tuple(range(whole_number("--seeds", rest[1], Annotated[int, between(1, 10_000)])))
    seeds = tuple(whole_number("--seeds", one, Seed) for one in rest[1:])
    if len(set(seeds)) < len(seeds):
        raise UsageError("--seeds names a seed twice, which would count one run as two")
    return seeds
