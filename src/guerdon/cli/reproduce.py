"""``guerdon reproduce``: a paper's claim in miniature, or one after the other."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated, Any

from rich.console import Console
from rich.markup import escape
from rich.progress import Progress as Bar

from guerdon.claims import all_claims, code_behind, load_claim
from guerdon.cli.options import UsageError, reading_arguments, whole_number
from guerdon.cli.showing import show_reproduction
from guerdon.parsing.visible import visible
from guerdon.ranges import Seed, between
from guerdon.reproduction import Claim, Reproduction, Verdict, run_claim, write
from guerdon.reproduction.code import Standing, State, seeds_for, standing
from guerdon.reproduction.picture import draw

_RUN_BY_ALL = (State.MISSING, State.UNKNOWN, State.STALE)


def run(options: dict[str, Any], rest: list[str]) -> int:
    """Run the claim, or those that are asked for; write and show what comes of it."""
    folder = Path(options["out"] or "reproductions")
    silent = options["quiet"] or options["json"]
    if _several(options, rest):
        return _one_after_the_other(folder, options["all"], silent, options["json"])
    with reading_arguments():
        claim, seeds = load_claim(options["slug"]), _seeds(rest)
    with Bar(transient=True, disable=silent) as progress:
        result, path = _run(claim, seeds, code_behind(claim), folder, progress)
    if options["json"]:
        print(path.read_text())
    else:
        show_reproduction(result)
        print(f"{path}\n{path.with_suffix('.png')}")
    return 0 if result.verdict == Verdict.SHOWN else 1


def _several(options: dict[str, Any], rest: list[str]) -> bool:
    """Whether not one system is meant. Raises UsageError where that can't be told."""
    asked = [name for name in ("slug", "all", "stale") if options[name]]
    if rest and (not options["slug"] or options["slug"].isdigit()):
        raise UsageError(f"{rest[0]} belongs to one system: give its SLUG first")
    if not asked:
        raise UsageError("give SLUG, or --all, or --stale")
    if len(asked) > 1:
        told = " and ".join(options["slug"] if name == "slug" else f"--{name}" for name in asked)
        raise UsageError(f"{told} can't be asked for at once; leave one out")
    return asked != ["slug"]


def _one_after_the_other(folder: Path, every: bool, silent: bool, as_json: bool) -> int:
    """Run what is not current, or what is stale; one that fails keeps none from running.

    Each result is written as it comes, so what is begun again goes on where it was.
    """
    console = Console(quiet=silent)
    wanted = _RUN_BY_ALL if every else (State.STALE,)
    claims = {slug: load_claim(slug) for slug in all_claims()}
    code = {slug: code_behind(claim) for slug, claim in claims.items()}
    found = {
        slug: standing(folder / f"{slug}.json", claim, code[slug]) for slug, claim in claims.items()
    }
    due = [slug for slug, one in found.items() if one.state in wanted]
    _tell(console, found, due)
    verdicts: dict[str, str] = {}
    failed = []
    with Bar(console=console, transient=True, disable=silent) as progress:
        whole = progress.add_task("", total=max(len(due), 1))
        for number, slug in enumerate(due):
            progress.update(whole, completed=number, description=f"{number + 1} of {len(due)}")
            seeds = seeds_for(folder / f"{slug}.json", claims[slug])
            try:
                result, _ = _run(claims[slug], seeds, code[slug], folder, progress)
            except Exception as error:  # whatever an arm raises: the others still run
                failed.append(slug)
                told = visible(f"{slug} failed: {type(error).__name__}: {error}")
                print(f"guerdon reproduce: {told}", file=sys.stderr)
                continue
            verdicts[slug] = str(result.verdict)
            told = f"{slug}: {result.verdict} ({len(seeds)} seeds, {result.seconds:.0f} s)"
            console.print(told, highlight=False)
    if as_json:
        rows = [
            {"slug": slug, "was": one.state, "why": one.why, "verdict": verdicts.get(slug)}
            for slug, one in found.items()
        ]
        print(json.dumps(rows, indent=1))
    return 1 if failed else 0


def _tell(console: Console, found: dict[str, Standing], due: list[str]) -> None:
    """How the results stand, and what will be run."""
    for state in State:
        some = [slug for slug, one in found.items() if one.state is state]
        if some:
            console.print(f"{state}: {', '.join(some)}", highlight=False)
    for slug in due:
        if found[slug].state is State.STALE:
            console.print(f"  {slug}, {found[slug].why}", highlight=False, markup=False)
    if not due:
        console.print("there is nothing to run")


def _run(
    claim: Claim,
    seeds: tuple[int, ...] | None,
    code: dict[str, str],
    folder: Path,
    progress: Bar,
) -> tuple[Reproduction, Path]:
    """Run one claim under a bar of its own, and write and draw its result."""
    bar = progress.add_task(escape(claim.slug), total=1.0)
    try:
        result = run_claim(
            claim,
            seeds,
            lambda done, label: progress.update(
                bar, completed=done, description=f"{escape(claim.slug)}: {escape(label)}"
            ),
            code,
        )
    finally:
        progress.remove_task(bar)
    path = write(result, folder)
    draw(path)
    return result, path


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
